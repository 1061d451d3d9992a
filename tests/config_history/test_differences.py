"""Differences name each changed field with its old and new value, and never show a value that may be secret."""

import msgspec

from config_history.filled import Filler
from support.serving import account, table
from trackpush_api.routing import AnnouncementTarget, Destination, Filter, RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config_history.differences import Difference, between, since
from trackpush_server.config_history.fields import fields, resources, stored
from trackpush_server.journal.config_history import FieldChange, ResourceChange, StoredFields

OMS = Destination(name="acme/oms", url="https://oms.acme.example/hooks?token=t0p", signing=("whsec_old",))
SHOWN = {
    "Account.aggregator", "Account.destinations", "Account.statuses", "AnnouncementTarget.name", "Definition.path",
    "Definition.spec",
    "Destination.url host", "Egress.allowed_cidrs", "Egress.denied_cidrs", "Egress.proxy host", "Filter.aggregators",
    "Filter.expression", "Filter.statuses", "Host.aggregators", "Host.host", "OAuth2.scopes", "OAuth2.token_url host",
    "ServerSettings.base_path", "Tenant.takes_over", "Tenant.uid",
}  # fmt: skip
"""The only fields whose text may be shown. None of them comes from a Secret, and no path or query of a URL is here."""


def configured(*destinations: Destination) -> RoutingTable:
    found = table(account(Aggregator.CLICKPOST, "key", name="acme/clickpost", destinations=("acme/oms",)))
    return msgspec.structs.replace(found, destinations=destinations)


def changed(old: Destination, new: Destination) -> tuple[FieldChange, ...]:
    (change,) = between(configured(old), configured(new)).changes
    assert (change.name, change.action) == ("PushConfig acme/oms", "changed")
    return change.fields


def snapshot(found: RoutingTable) -> dict[str, StoredFields]:
    return {name: stored(fields(resource)) for name, resource in resources(found)}


def visible(found: Difference) -> str:
    return msgspec.json.encode((found.changes, found.resources, found.gone)).decode()


def test_each_changed_field_has_its_path_in_the_spec_and_both_values() -> None:
    new = msgspec.structs.replace(
        OMS, timeout=20.0, max_concurrency=4, filter=Filter(statuses=frozenset({"RTO", "DELIVERED"})), ordered=False
    )
    assert changed(OMS, new) == (
        FieldChange(path="delivery.maxConcurrency", old="16", new="4"),
        FieldChange(path="delivery.ordering", old="PerShipment", new="None"),
        FieldChange(path="delivery.timeout", old="10s", new="20s"),
        FieldChange(path="filter.statuses", old=None, new="DELIVERED, RTO"),
    )


def test_a_changed_notification_is_named_and_its_url_is_hidden() -> None:
    slack = AnnouncementTarget(name="PushConfig/acme/oms/slack", url="https://hooks.slack.example/T0/s3cret")
    old, new = (
        msgspec.structs.replace(OMS, announcement_targets=(each,))
        for each in (slack, msgspec.structs.replace(slack, url="https://other.example/x", format="Slack"))
    )
    assert changed(old, new) == (
        FieldChange(path="notifications.slack.format", old="StandardWebhooks", new="Slack"),
        FieldChange(path="notifications.slack.url", hidden=True),
    )


def test_a_changed_secret_is_noticed_and_hidden() -> None:
    new = msgspec.structs.replace(OMS, signing=("whsec_new",), headers=(("X-Key", "v"),))
    assert changed(OMS, new) == (
        FieldChange(path="headers", hidden=True),
        FieldChange(path="signing.secrets", hidden=True),
    )


def test_of_a_url_only_scheme_and_host_are_shown() -> None:
    moved = msgspec.structs.replace(OMS, url="https://oms.acme.test/other?token=t0p")
    assert changed(OMS, moved) == (
        FieldChange(path="url", old="https://oms.acme.example", new="https://oms.acme.test"),
        FieldChange(path="url (path and query)", hidden=True),
    )


def test_added_and_removed_resources_are_listed() -> None:
    crm = msgspec.structs.replace(OMS, name="acme/crm")
    found = between(configured(OMS), configured(crm))
    assert found.changes == (
        ResourceChange(name="PushConfig acme/crm", action="added"),
        ResourceChange(name="PushConfig acme/oms", action="removed"),
    )
    assert found.gone == ("PushConfig acme/oms",)
    assert list(found.resources) == ["PushConfig acme/crm"]


def test_a_resource_is_compared_with_its_stored_fields_after_a_restart() -> None:
    old = snapshot(configured(OMS))
    new = configured(msgspec.structs.replace(OMS, timeout=20.0, signing=()))
    (change,) = since(old, new).changes
    assert change.fields == (
        FieldChange(path="delivery.timeout", old="10s", new="20s"),
        FieldChange(path="signing.secrets", hidden=True),
    )
    assert since(old, configured(OMS)).changes == ()


def test_a_long_text_is_cut_and_a_change_of_its_end_is_noticed() -> None:
    old, new = (msgspec.structs.replace(OMS, filter=Filter(expression="a" * 2000 + end)) for end in ("", " || true"))
    (field,) = changed(old, new)
    assert field.path == "filter.expression"
    assert field.old is not None
    assert field.new is not None
    assert field.old != field.new
    assert max(len(field.old), len(field.new)) < 250


def test_no_field_is_shown_or_stored_but_those_that_hold_no_secret() -> None:
    """The tables are made from the types, so a field that is added to the routing table is tried, too."""
    old, new = Filler("old"), Filler("new")
    before, after = old.table(), new.table()
    for found in (between(before, after), between(table(), after), since(snapshot(before), after)):
        text = visible(found)
        leaked = {path for marked, path in (old.texts | new.texts).items() if marked in text}
        assert leaked <= SHOWN
    assert "Hidden(…)" in repr(fields(after.destinations[0]))
    assert not any(marked in repr(fields(after.accounts[0])) for marked, path in new.texts.items() if path not in SHOWN)


def test_every_field_of_the_routing_table_is_noticed_when_it_changes() -> None:
    before, after = Filler("old").table(), Filler("new").table()
    for which in ("destinations", "accounts"):
        (old,), (new,) = getattr(before, which), getattr(after, which)
        for name in old.__struct_fields__:
            if name == "name":
                continue
            part = msgspec.structs.replace(old, **{name: getattr(new, name)})
            (change,) = between(before, msgspec.structs.replace(before, **{which: (part,)})).changes
            assert change.fields, name
