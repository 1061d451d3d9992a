"""A whole server in the test's own loop, with a source of routing tables that the test holds."""

import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trackpush_api.routing import (
    Account,
    Definition,
    Destination,
    Egress,
    Host,
    Limits,
    RoutingTable,
    ServerSettings,
    Sqlite,
    Storage,
    digest_key,
)
from trackpush_api.vocabulary import Aggregator, AggregatorName, slug_of
from trackpush_server.config.source import Loaded, Source
from trackpush_server.options import ServeOptions
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiving.port import InProcess
from trackpush_server.server import Server
from trackpush_server.storage import storage_of


class RoleTokens(NamedTuple):
    """Files with the tokens of both roles."""

    operate: Path
    view: Path

    @property
    def options(self) -> dict[str, Path]:
        """Options of `serving`."""
        return {"admin_token_file": self.operate, "admin_view_token_file": self.view}


def role_tokens(folder: Path) -> RoleTokens:
    """Write a token for each role."""
    tokens = RoleTokens(operate=folder / "operate", view=folder / "view")
    tokens.operate.write_text("operate-token-of-16-characters")
    tokens.view.write_text("view-token-of-16-characters")
    return tokens


class HeldSource:
    """Gives whatever the test puts into `loaded`."""

    name = "held by the test"

    def __init__(self, table: RoutingTable) -> None:
        self.loaded: Loaded | OSError = Loaded(table=table)

    def fingerprint(self) -> Hashable:
        """Changes with every assignment to `loaded`."""
        if isinstance(self.loaded, OSError):
            raise self.loaded
        return id(self.loaded)

    def load(self) -> Loaded:
        """What is held."""
        if isinstance(self.loaded, OSError):
            raise self.loaded
        return self.loaded


def account(
    aggregator: AggregatorName,
    *keys: str,
    name: str = "",
    destinations: Sequence[str] = ("acme/push",),
    signs: bool = False,
) -> Account:
    """An account ``acme/<aggregator>`` with these keys; ``signs``: they also sign bodies."""
    return Account(
        name=name or f"acme/{slug_of(aggregator)}",
        aggregator=aggregator,
        key_digests=tuple(digest_key(key) for key in keys),
        secrets=keys if signs else (),
        destinations=tuple(destinations),
    )


def table(
    *accounts: Account,
    limits: Limits | None = None,
    hosts: Sequence[Host] = (),
    destinations: Sequence[Destination] = (),
    base_path: str = "/rms/in/api",
    storage: Storage = Sqlite(),  # noqa: B008  immutable
    definitions: Sequence[Definition] = (),
) -> RoutingTable:
    """A routing table; without accounts, one per aggregator with the key ``right-key-of-<slug>``."""
    return RoutingTable(
        server=ServerSettings(
            name="trackpush/main",
            limits=limits or Limits(),
            hosts=tuple(hosts),
            base_path=base_path,
            egress=Egress(https_only=False, allowed_cidrs=("127.0.0.0/8",)),
            storage=storage,
            definitions=tuple(definitions),
        ),
        accounts=accounts or tuple(account(aggregator, f"right-key-of-{aggregator.slug}") for aggregator in Aggregator),
        destinations=tuple(destinations),
    )


def reception(server: Server) -> Reception:
    """What takes the requests of a server without receiving processes."""
    assert isinstance(server._receiving, InProcess)
    return server._receiving.reception


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    given: RoutingTable | None = None,
    *,
    source: Source | None = None,
    admin_token_file: Path | None = None,
    receivers: int = 0,
    **options_: Any,
) -> AsyncIterator[Server]:
    """A started server on free loopback ports, its journal in the folder; drained when the block ends."""
    options = ServeOptions(
        folder=folder,
        listen=("127.0.0.1", 0),
        admin_token_file=admin_token_file,
        data=folder / "data",
        receivers=receivers,
        drain_grace=1.0,
        **{"admin_listen": ("127.0.0.1", 0), **options_},
    )
    source = source or HeldSource(given or table())
    server = Server(options, source=source, storage=await storage_of(source))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
