"""The loaded configuration, without secrets. Pure.

Of a URL it has only scheme, host and port, and of headers only whether there are any. A path or a query of a URL may be
a secret, and a header's name may reveal one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from trackpush_aggregators.catalog import CATALOG
from trackpush_aggregators.updates import rfc3339
from trackpush_api.account_url import account_url
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.definitions import profiles
from trackpush_api.routing import Account, Destination, RoutingTable, ServerSettings
from trackpush_server.config.watch import Report


class LoadedPushConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One PushConfig. Times are in seconds."""

    name: str
    endpoint: str
    """``scheme://host:port``; path and query may be secret."""
    auth: str
    """``none``, ``headers`` or ``oauth2``."""
    signed: bool
    client_certificate: bool
    payload_format: str
    filtered: bool
    timeout: float
    max_age: float
    max_concurrency: int
    rate_limit: str | None
    ordered: bool
    drop_late: bool
    suspended: bool


class LoadedAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One AggregatorWebhook."""

    name: str
    aggregator: str
    url: str
    """To paste into the aggregator's panel. It shows the place of a key that the URL contains, not the key."""
    keys: int
    push_configs: tuple[str, ...]
    filtered: bool
    suspended: bool


class Configuration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The served configuration, and a page of its resources by name, which starts after ``after``."""

    server: str | None
    revision: str | None
    loaded_at: str | None
    source: str | None
    accounts_total: int
    push_configs_total: int
    complete: bool
    hosts: tuple[str, ...]
    base_path: str | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    kept: tuple[str, ...]
    """``Kind namespace/name`` of resources whose previous version is served."""
    push_configs: tuple[LoadedPushConfig, ...]
    accounts: tuple[LoadedAccount, ...]
    after: str | None


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


def configuration(
    report: Report | tuple[str, ...],
    table: RoutingTable | None,
    *,
    client: str | None = None,
    after: str = "",
    limit: int,
) -> Configuration:
    """The served configuration; ``after`` is the name of a resource."""
    told = report if isinstance(report, Report) else None
    destinations = _page(() if table is None else table.destinations, client, after, limit)
    accounts = _page(() if table is None else table.accounts, client, after, limit)
    ends = [page[-1].name for page in (destinations, accounts) if len(page) == limit]
    end = min(ends, default=None)
    if end is not None:
        destinations = [destination for destination in destinations if destination.name <= end]
        accounts = [account for account in accounts if account.name <= end]
    return Configuration(
        server=None if told is None else told.server,
        revision=None if told is None else told.revision,
        loaded_at=None if told is None else rfc3339(int(told.loaded_at * 1000)),
        source=None if told is None else told.source,
        accounts_total=0 if told is None else told.accounts,
        push_configs_total=0 if told is None else told.push_configs,
        complete=told is not None and told.complete,
        hosts=() if table is None else tuple(host.host for host in table.server.hosts),
        base_path=None if table is None else table.server.base_path,
        problems=report.problems if isinstance(report, Report) else report,
        warnings=() if told is None else told.warnings,
        kept=() if told is None else told.kept,
        push_configs=tuple(_push_config(destination) for destination in destinations),
        accounts=() if table is None else _accounts(accounts, table.server),
        after=end,
    )


def _accounts(accounts: Sequence[Account], server: ServerSettings) -> tuple[LoadedAccount, ...]:
    known = profiles(server.definitions, CATALOG)
    return tuple(_account(account, server, known.get(account.aggregator)) for account in accounts)


def notice(report: Report | tuple[str, ...]) -> str:
    """One sentence about problems and warnings of the configuration; empty if there are none."""
    problems = report.problems if isinstance(report, Report) else report
    warnings = report.warnings if isinstance(report, Report) else ()
    counts = [(len(problems), "problem"), (len(warnings), "warning")]
    parts = [f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number]
    return f"The configuration has {' and '.join(parts)}." if parts else ""


def _page(found: Sequence[_T], client: str | None, after: str, limit: int) -> list[_T]:
    start = bisect_right(found, after, key=lambda entry: entry.name)
    page: list[_T] = []
    for entry in found[start:]:
        if client is None or entry.name.startswith(f"{client}/"):
            page.append(entry)
            if len(page) == limit:
                break
    return page


def _push_config(destination: Destination) -> LoadedPushConfig:
    parts = urlsplit(destination.url)
    rate = destination.rate_limit
    return LoadedPushConfig(
        name=destination.name,
        endpoint=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        auth="oauth2" if destination.oauth2 is not None else "headers" if destination.headers else "none",
        signed=bool(destination.signing),
        client_certificate=destination.tls is not None and destination.tls.certificate is not None,
        payload_format=destination.payload_format,
        filtered=destination.filter != type(destination.filter)(),
        timeout=destination.timeout,
        max_age=destination.retry.max_age,
        max_concurrency=destination.max_concurrency,
        rate_limit=None if rate is None else f"{rate.requests} in {rate.per:g} s",
        ordered=destination.ordered,
        drop_late=destination.drop_late,
        suspended=destination.suspended,
    )


def _account(account: Account, server: ServerSettings, facts: AggregatorProfile | None) -> LoadedAccount:
    return LoadedAccount(
        name=account.name,
        aggregator=account.aggregator,
        url="" if facts is None else account_url(server, facts),
        keys=len(account.key_digests),
        push_configs=account.destinations,
        filtered=account.statuses is not None,
        suspended=account.suspended,
    )
