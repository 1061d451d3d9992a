"""The PushConfigs of a client that its people may change, and what becomes of a change.

In a folder of resources, a change is written into a file at once. In a cluster it waits in the journal, until the
operator reads it from the admin API, writes the resource, and reports the outcome.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from trackpush_api.portal_change import (
    ChangeRefusedError,
    CurrentCredentials,
    PortalChange,
    current_of,
    manifests_of,
    objections,
    summary,
)
from trackpush_api.routing import Account, Destination, RoutingTable, namespace_of
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity
from trackpush_server.journal.portal_changes import (
    ChangeRow,
    ChangeState,
    NewChange,
    TooManyChangesError,
)
from trackpush_server.portal.edit_folder import PortalFolder

MOST_PUSH_CONFIGS: Final = 8
"""Maximum number of PushConfigs that the portal creates for one client; the operator has the same bound."""
UNNAMED: Final = "portal"
"""The name that is offered if the client's accounts name no PushConfig, and it has none."""
MOST_SHOWN: Final = 20
_RESUMED: Final = 100
_TOO_MANY: Final = "Too many changes wait to be applied; wait until the platform has applied them."


class EditableConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A PushConfig that a client's people may create or change."""

    name: str
    """Without the namespace."""
    destination: Destination | None
    """None: it does not exist yet, or is invalid."""


class InvalidChangeError(Exception):
    """A change has mistakes; the messages are for its author."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


class ConfigEditor:
    """Lists what may be changed, and takes changes."""

    def __init__(self, desk: AdminServices, folder: PortalFolder | None) -> None:
        """``folder``: where changes are written; None: the operator applies them."""
        self._desk = desk
        self._folder = folder
        self._writing = asyncio.Lock()

    def editable(self, client: str) -> tuple[EditableConfig, ...]:
        """The PushConfigs of a client that its people may create or change, by name.

        These are those that the portal created, and those that the client's accounts name and that do not exist.
        """
        table = self._desk.table()
        if table is None:
            return ()
        own = [entry for entry in table.destinations if namespace_of(entry.name) == client]
        created = {entry.name: entry for entry in own if entry.portal}
        missing = _missing(table, client) if len(created) < MOST_PUSH_CONFIGS else frozenset()
        names = sorted({*created, *missing})
        return tuple(EditableConfig(name=name.partition("/")[2], destination=created.get(name)) for name in names)

    def find(self, client: str, name: str) -> EditableConfig | None:
        """One of `editable`, by its name."""
        return next((entry for entry in self.editable(client) if entry.name == name), None)

    def aggregators(self, client: str) -> tuple[str, ...]:
        """The aggregators of the client's accounts."""
        table = self._desk.table()
        accounts = () if table is None else table.accounts
        return tuple(sorted({account.aggregator for account in accounts if namespace_of(account.name) == client}))

    def namespace_uid(self, client: str) -> str:
        """The UID of the client's namespace object; empty in a folder.

        Raises:
            InvalidChangeError: the namespace is being replaced.
        """
        table = self._desk.table()
        tenants = () if table is None else table.tenants.get(client, ())
        uids = {tenant.uid for tenant in tenants}
        if len(uids) > 1:
            raise InvalidChangeError(["The client's configuration is being replaced; try again in a minute."])
        return next(iter(uids), "")

    async def recent(self, client: str) -> tuple[ChangeRow, ...]:
        """The client's newest changes, without credentials."""
        return await self._desk.portal_changes.recent(
            client, namespace_uid=self.namespace_uid(client), limit=MOST_SHOWN
        )

    async def submit(self, change: PortalChange, who: Identity, address: str) -> None:
        """Check a change, record it in the audit log, and take it.

        Raises:
            InvalidChangeError: the change has mistakes, or too many changes wait.
            JournalUnavailableError: it can't be stored.
        """
        table = self._desk.table()
        found = self.find(change.client, change.name)
        if table is None or found is None:
            raise InvalidChangeError([f"There is no PushConfig {change.name} that the portal may change."])
        self._check(change, current_of(found.destination), table)
        await self._desk.audit(who, "portal.change", summary(change), address)
        new = NewChange(
            id=change.id,
            client=change.client,
            namespace_uid=change.namespace_uid,
            push_config=change.name,
            created_at=self._now(),
            content=msgspec.json.encode(change),
        )
        try:
            await self._desk.portal_changes.add(new)
        except TooManyChangesError:
            raise InvalidChangeError([_TOO_MANY]) from None
        await self._write_into_folder(change)

    async def resume(self) -> None:
        """Write the changes that waited when the server ended; in a cluster, the operator applies them.

        Raises:
            JournalUnavailableError: the journal can't be read.
        """
        if self._folder is None:
            return
        for waiting in await self._desk.portal_changes.waiting(limit=_RESUMED):
            try:
                change = msgspec.json.decode(waiting.content, type=PortalChange)
            except msgspec.DecodeError:
                reason = waiting.unreadable or "its content is not of this version"
                await self._settle(waiting.row.id, ChangeState.REFUSED, f"{reason}; send the change again")
            else:
                await self._write_into_folder(change)

    async def _write_into_folder(self, change: PortalChange) -> None:
        table = self._desk.table()
        if self._folder is None or table is None:
            return
        state, message = ChangeState.APPLIED, ""
        try:
            async with self._writing:
                current = await asyncio.to_thread(self._folder.current, change)
                self._check(change, current, table)
                await asyncio.to_thread(self._folder.write, change, manifests_of(change, current))
        except (ChangeRefusedError, InvalidChangeError) as error:
            state, message = ChangeState.REFUSED, str(error)
        await self._settle(change.id, state, message)

    async def _settle(self, change: str, state: ChangeState, message: str) -> None:
        await self._desk.portal_changes.settle(change, state, message, now=self._now())

    @staticmethod
    def _check(change: PortalChange, current: CurrentCredentials, table: RoutingTable) -> None:
        try:
            refused, _ = objections(manifests_of(change, current), egress=table.server.egress)
        except ChangeRefusedError as error:
            raise InvalidChangeError([str(error)]) from None
        if refused:
            raise InvalidChangeError(refused)

    def _now(self) -> int:
        return int(self._desk.wall() * 1000)


def new_change_id() -> str:
    return f"chg_{secrets.token_hex(16)}"


def _missing(table: RoutingTable, client: str) -> frozenset[str]:
    """``namespace/name`` of the PushConfigs that the client's accounts name and that the table lacks."""
    accounts: list[Account] = [account for account in table.accounts if namespace_of(account.name) == client]
    named = {name for account in accounts for name in account.destinations}
    if accounts and not named:
        named = {f"{client}/{UNNAMED}"}
    return frozenset(named - table.destination_by_name.keys())
