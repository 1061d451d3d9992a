"""What is announced about a subject, given what was announced before and what holds now."""

import msgspec
import pytest

from trackpush_api.routing import (
    Account,
    AnnouncementTarget,
    Destination,
    RoutingTable,
    ServerSettings,
    Tenant,
)
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AnnouncementKind
from trackpush_server.announcing.conditions import UNKNOWN, SubjectCondition, of_account, of_endpoint
from trackpush_server.announcing.detection import COUNTS_EVERY, Change, compare
from trackpush_server.announcing.scope import WatchedSubject, scope_of
from trackpush_server.journal.announcements import Announced, SubjectTotal
from trackpush_server.pusher.observer import EndpointHealth, Trouble
from trackpush_server.silence.activity import AccountActivity, ActivityState

NOW = 1_760_000_000_000
OMS = WatchedSubject(subject="PushConfig", name="acme/oms", tenant="u-1", targets=("t",))
FAILING = SubjectCondition(problem="EndpointFailing", since=NOW - 60_000, reason="EndpointFailing", message="It fails.")
GONE = msgspec.structs.replace(FAILING, problem="EndpointGone", reason="EndpointGone")
WELL = SubjectCondition(well_at=NOW)


def found(
    row: Announced | None,
    condition: SubjectCondition = UNKNOWN,
    *,
    total: int | None = None,
    watched: WatchedSubject = OMS,
    chosen: frozenset[AnnouncementKind] = frozenset(ANNOUNCEMENT_KINDS),
    now: int = NOW,
) -> Change | None:
    counted = (
        None if total is None else SubjectTotal(subject=watched.subject, name=watched.name, total=total, last_at=now)
    )
    return compare(watched, "t", row, condition=condition, total=counted if total else None, chosen=chosen, now=now)


def kinds(change: Change | None) -> list[str]:
    return [] if change is None else [event.kind for event in change.events]


def told(condition: SubjectCondition, **fields: object) -> Announced:
    """What is stored after this condition was announced."""
    change = found(None, condition)
    assert change is not None
    return msgspec.structs.replace(change.row, **fields)


def test_a_problem_is_announced_once_until_it_ends() -> None:
    change = found(None, FAILING)
    assert change is not None
    assert kinds(change) == ["EndpointFailing"]
    assert (change.row.version, change.row.kind, change.row.since) == (1, "EndpointFailing", NOW - 60_000)
    assert found(change.row, FAILING) is None
    assert found(change.row, msgspec.structs.replace(FAILING, since=NOW)) is None
    assert kinds(found(change.row, WELL)) == ["EndpointRecovered"]


def test_an_endpoint_that_is_gone_and_one_that_fails_are_different_problems() -> None:
    assert kinds(found(told(FAILING), GONE)) == ["EndpointGone"]
    assert kinds(found(told(GONE), FAILING)) == ["EndpointFailing"]
    assert kinds(found(told(GONE), WELL)) == ["EndpointRecovered"]


def test_a_recovery_is_announced_only_if_the_failure_was_and_after_a_delivery() -> None:
    assert found(None, WELL) is None
    assert found(told(FAILING), UNKNOWN) is None
    assert found(told(FAILING), SubjectCondition()) is None
    before_the_failure = SubjectCondition(well_at=FAILING.since - 1)
    assert found(told(FAILING), before_the_failure) is None


def test_changes_that_a_target_did_not_choose_are_stored_and_not_announced() -> None:
    change = found(None, FAILING, chosen=frozenset({"EndpointRecovered"}))
    assert change is not None
    assert kinds(change) == []
    assert kinds(found(change.row, WELL, chosen=frozenset({"EndpointRecovered"}))) == ["EndpointRecovered"]


def test_a_later_namespace_of_the_same_name_does_not_inherit_a_problem() -> None:
    of_another = told(FAILING, tenant="u-0", total=4)
    assert found(of_another, WELL) is None
    change = found(of_another, FAILING)
    assert change is not None
    assert kinds(change) == ["EndpointFailing"]
    assert (change.row.tenant, change.row.total, change.row.version) == ("u-1", 4, 2)


def test_deaths_are_announced_with_their_number_at_most_once_an_hour() -> None:
    first = found(None, total=3)
    assert first is not None
    assert [(event.kind, event.number) for event in first.events] == [("PushesDead", 3)]
    assert found(first.row, total=3) is None
    assert found(first.row, total=5, now=NOW + COUNTS_EVERY - 1) is None
    later = found(first.row, total=9, now=NOW + COUNTS_EVERY)
    assert later is not None
    assert [(event.kind, event.number) for event in later.events] == [("PushesDead", 6)]


def test_a_total_that_began_again_counts_from_zero_and_a_clock_that_was_ahead_delays_nothing() -> None:
    change = found(told(FAILING, total=9, counted_at=NOW + 10**9), total=2)
    assert change is not None
    assert [(event.kind, event.number) for event in change.events] == [("PushesDead", 2)]


def test_a_silent_account_is_announced_and_its_end_is_not() -> None:
    account = WatchedSubject(subject="AggregatorWebhook", name="acme/clickpost", tenant="", targets=("t",))
    silent = of_account(activity("silent"), NOW)
    change = found(None, silent, watched=account)
    assert change is not None
    assert kinds(change) == ["AccountSilent"]
    ended = found(change.row, of_account(activity("receiving"), NOW), watched=account)
    assert ended is not None
    assert kinds(ended) == []
    assert kinds(found(ended.row, silent, watched=account)) == ["AccountSilent"]
    assert found(change.row, of_account(activity("unknown"), NOW), watched=account) is None
    assert kinds(found(change.row, silent, total=2, watched=account)) == ["AccountUnrecognised"]


def activity(state: ActivityState) -> AccountActivity:
    since = NOW - 10**7 if state == "silent" else None
    return AccountActivity(name="acme/clickpost", aggregator="Clickpost", state=state, silent_since=since)


@pytest.mark.parametrize(("gone", "kind"), [(True, "EndpointGone"), (False, "EndpointFailing")])
def test_an_endpoint_has_a_problem_from_its_trouble_on_and_is_well_only_after_a_delivery(gone: bool, kind: str) -> None:  # noqa: FBT001
    trouble = Trouble(push_config="acme/oms", gone=gone, since=5.0, cause="HTTP 410", failures=1)
    condition = of_endpoint(EndpointHealth(trouble=trouble))
    assert (condition.problem, condition.since, condition.well_at) == (kind, 5000, None)
    assert of_endpoint(None) == of_endpoint(EndpointHealth()) == UNKNOWN
    assert of_endpoint(EndpointHealth(delivered_at=7.5)).well_at == 7500


def test_a_servers_target_is_about_everything_and_a_push_configs_about_itself_and_its_accounts() -> None:
    slack, pager = (
        AnnouncementTarget(name="WebhookServer/t/main/slack", url="x"),
        AnnouncementTarget(name="PushConfig/acme/oms/pager", url="y"),
    )
    table = RoutingTable(
        server=ServerSettings(name="t/main", announcement_targets=(slack,)),
        accounts=(
            Account(
                name="acme/clickpost", aggregator="Clickpost", key_digests=(), destinations=("acme/oms", "acme/crm")
            ),
            Account(name="zen/clickpost", aggregator="Clickpost", key_digests=(), destinations=("zen/oms",)),
        ),
        destinations=(
            Destination(name="acme/crm", url="z"),
            Destination(name="acme/oms", url="z", announcement_targets=(pager,), tenant=Tenant(uid="u-1")),
        ),
    )
    scope = scope_of(table)
    assert scope is not None
    assert {(each.subject, each.name): each.targets for each in scope.subjects} == {
        ("PushConfig", "acme/crm"): (slack.name,),
        ("PushConfig", "acme/oms"): (slack.name, pager.name),
        ("AggregatorWebhook", "acme/clickpost"): (slack.name, pager.name),
        ("AggregatorWebhook", "zen/clickpost"): (slack.name,),
    }
    assert {each.name: each.tenant for each in scope.subjects}["acme/oms"] == "u-1"
    without = msgspec.structs.replace(table, server=ServerSettings(name="t/main"))
    only = scope_of(without)
    assert only is not None
    assert {each.name for each in only.subjects} == {"acme/oms", "acme/clickpost"}
    assert scope_of(msgspec.structs.replace(without, destinations=())) is None
