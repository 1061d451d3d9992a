"""What changes for the pusher between two tables is what differs, and nothing else."""

from msgspec.structs import replace

from trackpush_api.routing import Account, AnnouncementTarget, Destination, Egress, RoutingTable, ServerSettings
from trackpush_api.vocabulary import Aggregator
from trackpush_server.pusher.table_diff import diff

ONE, TWO = Destination(name="a/one", url="https://one"), Destination(name="a/two", url="https://two")
BEFORE = RoutingTable(server=ServerSettings(name="t/main"), destinations=(ONE, TWO))


def test_only_what_is_new_or_differs_is_changed() -> None:
    equal, other = replace(ONE), replace(TWO, timeout=1.0)
    new = Destination(name="a/zero", url="https://zero")

    assert diff(BEFORE, replace(BEFORE, destinations=(equal, other, new))).changed == (other, new)
    assert diff(None, BEFORE).changed == (ONE, TWO)


def test_announcement_targets_do_not_start_a_channel_again() -> None:
    slack = AnnouncementTarget(name="PushConfig/a/one/slack", url="https://hooks.example/1", format="Slack")

    assert diff(BEFORE, replace(BEFORE, destinations=(replace(ONE, announcement_targets=(slack,)), TWO))).changed == ()


def test_what_the_table_holds_no_more_is_removed() -> None:
    found = diff(BEFORE, replace(BEFORE, destinations=(TWO,)))

    assert (found.removed, found.changed) == (("a/one",), ())


def test_another_egress_changes_every_destination() -> None:
    server = ServerSettings(name="t/main", egress=Egress(https_only=False))

    assert diff(BEFORE, replace(BEFORE, server=server)).changed == (ONE, TWO)


def test_suspended_accounts_are_named() -> None:
    off = Account(name="a/off", aggregator=Aggregator.CLICKPOST, key_digests=(), suspended=True)

    assert diff(BEFORE, replace(BEFORE, accounts=(off, replace(off, name="a/on", suspended=False)))).suspended == {
        "a/off"
    }
