"""Which targets get the events of which PushConfigs and accounts. Pure."""

import msgspec

from trackpush_api.routing import AnnouncementTarget, Egress, RoutingTable, Tenant
from trackpush_server.announcing.events import EventSubject


class WatchedSubject(msgspec.Struct, frozen=True, kw_only=True):
    """One PushConfig or account whose events somebody wants."""

    subject: EventSubject
    name: str
    tenant: str
    """UID of its namespace; empty if unknown."""
    targets: tuple[str, ...]


class AnnouncementScope(msgspec.Struct, frozen=True, kw_only=True):
    """The targets of one routing table and what they are about."""

    server: str
    """``namespace/name`` of the WebhookServer."""
    egress: Egress
    targets: dict[str, AnnouncementTarget]
    subjects: tuple[WatchedSubject, ...]


def scope_of(table: RoutingTable) -> AnnouncementScope | None:
    """The scope of a table; None if it has no target.

    The targets of the WebhookServer get the events of all PushConfigs and accounts. Those of a PushConfig get its own
    events and those of the accounts that refer to it.
    """
    general = table.server.announcement_targets
    own = {
        destination.name: destination.announcement_targets
        for destination in table.destinations
        if destination.announcement_targets
    }
    targets = {target.name: target for group in (general, *own.values()) for target in group}
    if not targets:
        return None
    to_all = tuple(target.name for target in general)
    names = {name: tuple(target.name for target in group) for name, group in own.items()}
    subjects = [
        WatchedSubject(
            subject="PushConfig",
            name=destination.name,
            tenant=_uid(destination.tenant),
            targets=to_all + names.get(destination.name, ()),
        )
        for destination in table.destinations
    ]
    subjects += [
        WatchedSubject(
            subject="AggregatorWebhook",
            name=account.name,
            tenant=_uid(account.tenant),
            targets=to_all + tuple(target for name in account.destinations for target in names.get(name, ())),
        )
        for account in table.accounts
    ]
    return AnnouncementScope(
        server=table.server.name,
        egress=table.server.egress,
        targets=targets,
        subjects=tuple(subject for subject in subjects if subject.targets),
    )


def _uid(tenant: Tenant | None) -> str:
    return "" if tenant is None else tenant.uid
