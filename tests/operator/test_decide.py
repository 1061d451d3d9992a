"""Snapshot → conditions: each reason is reached, and says what to do."""

import msgspec

from support.rows import every_row
from trackpush_api.aggregators import PROFILES
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.vocabulary import Aggregator
from trackpush_operator.decide import definition, push, server, webhook
from trackpush_operator.decide.conditions import Condition, Finding, StatusOfResource, merged
from trackpush_operator.decide.definition import DefinitionSnapshot
from trackpush_operator.decide.events import PASSING, PASSING_OF_SERVERS, transitions
from trackpush_operator.decide.push import PushSnapshot
from trackpush_operator.decide.server import ServerSnapshot
from trackpush_operator.decide.webhook import WebhookSnapshot
from trackpush_operator.store.rollout import AccountReport, PushTrouble, Rollout

SPEC = WebhookServerSpec.model_validate(
    {
        "hosts": [
            {"host": "saas.increff.com", "aggregators": ["Clickpost", "Shiprocket"]},
            {"host": "saas.nextscm.com", "aggregators": ["Shipway"]},
        ],
        "expose": {"ingress": {"className": "traefik", "tlsSecretName": "tls"}},
    }
)
SUSPENDED = SPEC.model_copy(update={"suspend": True})
SHARD_FULL = Rollout(server="t/main", refused=True)
PAUSED = Rollout(server="t/main", suspended=True, ready=False)
SERVED = Rollout(server="t/main", confirmed=True)
WEBHOOK = WebhookSnapshot(
    facts=PROFILES["Clickpost"], server="t/main", server_spec=SPEC, served=True, rollouts=(SERVED,)
)
PUSH = PushSnapshot(served=True, rollouts=(SERVED,))
DEFINITION = DefinitionSnapshot(namespace="t", servers=("t/main",), served=True, rollouts=(SERVED,))
SERVER = ServerSnapshot(name="main", spec=SPEC, applied=True, written=True, ready=1, served=True)


def problem(reason: Reason | None, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(severity=severity, field="spec.x", message="is wrong; fix it", reason=reason)


def shown(found: tuple[Finding, ...], type_: str) -> tuple[str, str]:
    (one,) = [condition for condition in found if condition.type == type_]
    return one.status, one.reason


@every_row("reason", list(Reason))
def test_each_problem_makes_its_condition_false_and_ready_shows_it(reason: Reason) -> None:
    for found in (
        webhook.findings(msgspec.structs.replace(WEBHOOK, problems=(problem(reason),))),
        push.findings(msgspec.structs.replace(PUSH, problems=(problem(reason),))),
    ):
        assert shown(found, reason.condition) == ("False", reason.value)
        assert shown(found, "Ready") == ("False", reason.value)
        assert "spec.x: is wrong; fix it" in found[0].message


def test_a_notification_with_an_error_has_its_own_condition_and_the_rest_stays_as_it_is() -> None:
    alone = msgspec.structs.replace(problem(Reason.SECRET_NOT_FOUND), only_notification=True)
    for found in (
        server.findings(msgspec.structs.replace(SERVER, problems=(alone,))),
        push.findings(msgspec.structs.replace(PUSH, problems=(alone,))),
    ):
        assert shown(found, "Notifying") == ("False", "SecretNotFound")
        assert shown(found, "Ready") == ("False", "SecretNotFound")
        assert {shown(found, type_)[0] for type_ in ("Accepted", "ResolvedRefs", "Programmed")} == {"True"}
    assert not [found for found in push.findings(PUSH) if found.type == "Notifying"]


@every_row(
    ("change", "programmed", "ready"),
    [
        ({}, ("True", "Programmed"), ("True", "Ready")),
        ({"problems": (problem(Reason.SAMPLES_FAIL),)}, ("False", "NotServed"), ("False", "SamplesFail")),
        ({"problems": (problem(Reason.INVALID),), "served": False}, ("False", "NotServed"), ("False", "Invalid")),
        ({"servers": (), "rollouts": (), "served": False}, ("False", "NoServer"), ("False", "NoServer")),
        ({"rollouts": (SHARD_FULL,), "served": False}, ("False", "ShardFull"), ("False", "ShardFull")),
        ({"rollouts": (PAUSED,)}, ("False", "ServerSuspended"), ("True", "Ready")),
    ],
)
def test_a_definition_is_programmed_only_in_the_version_that_was_accepted(
    change: dict[str, object], programmed: tuple[str, str], ready: tuple[str, str]
) -> None:
    found = definition.findings(msgspec.structs.replace(DEFINITION, **change))
    assert [finding.type for finding in found] == ["Ready", "Accepted", "Programmed"]
    assert (shown(found, "Programmed"), shown(found, "Ready")) == (programmed, ready)


def test_all_problems_of_a_condition_are_reported() -> None:
    many = tuple(msgspec.structs.replace(problem(Reason.INVALID), field=f"spec.f{number}") for number in range(8))
    found = webhook.findings(msgspec.structs.replace(WEBHOOK, problems=many))
    assert "spec.f0" in found[1].message
    assert "and 3 more" in found[1].message


def test_a_hint_is_reported_where_all_is_well() -> None:
    found = webhook.findings(msgspec.structs.replace(WEBHOOK, problems=(problem(None, Severity.WARNING),)))
    assert shown(found, "Ready") == ("True", "Ready")
    assert "is wrong; fix it" in found[1].message


@every_row(
    ("rollout", "expected"),
    [
        (SERVED, ("True", "Programmed")),
        (Rollout(server="t/main", refused=True), ("False", "ShardFull")),
        (Rollout(server="t/main", written=False), ("False", "Pending")),
        (Rollout(server="t/main", served=False), ("False", "Pending")),
        (Rollout(server="t/main", ready=False, served=False), ("False", "NoReadyPods")),
        (Rollout(server="t/main", ready=False, served=False, grace=True, confirmed=True), ("True", "Programmed")),
        (Rollout(server="t/main", ready=False, served=False, grace=True), ("False", "NoReadyPods")),
        (Rollout(server="t/main", served=False, grace=True, confirmed=True), ("True", "Programmed")),
        (Rollout(server="t/main", served=False, confirmed=True), ("False", "Pending")),
        (Rollout(server="t/main", written=False, grace=True, confirmed=True), ("False", "Pending")),
    ],
)
def test_programmed(rollout: Rollout, expected: tuple[str, str]) -> None:
    assert shown(webhook.findings(msgspec.structs.replace(WEBHOOK, rollouts=(rollout,))), "Programmed") == expected
    assert shown(push.findings(msgspec.structs.replace(PUSH, rollouts=(SERVED, rollout))), "Programmed") == expected


def test_what_isnt_served_is_not_programmed() -> None:
    assert shown(webhook.findings(msgspec.structs.replace(WEBHOOK, served=False)), "Programmed") == (
        "False",
        "NotServed",
    )


@every_row(
    ("change", "expected"),
    [
        ({}, ("True", "Delivering")),
        ({"suspended": True}, ("False", "Suspended")),
        ({"trouble": PushTrouble(reason="EndpointFailing", since=1767225600)}, ("False", "EndpointFailing")),
        ({"trouble": PushTrouble(reason="EndpointGone", since=1767225600)}, ("False", "EndpointGone")),
        ({"rollouts": (Rollout(server="t/main", ready=False),)}, ("Unknown", "NoReadyPods")),
        ({"served": False}, ("Unknown", "NotServed")),
    ],
)
def test_delivering(change: dict[str, object], expected: tuple[str, str]) -> None:
    assert shown(push.findings(msgspec.structs.replace(PUSH, **change)), "Delivering") == expected


def test_a_failing_endpoint_is_reported_with_its_beginning() -> None:
    trouble = PushTrouble(reason="EndpointFailing", since=1767225600, message="answers 500")
    found = push.findings(msgspec.structs.replace(PUSH, trouble=trouble))
    (delivering,) = [condition for condition in found if condition.type == "Delivering"]
    assert delivering.message == "since 2026-01-01T00:00:00Z: answers 500"
    assert (delivering.status, delivering.reason) == ("False", "EndpointFailing")


@every_row(
    "change",
    [
        {"trouble": PushTrouble(reason="EndpointFailing", since=1767225600)},
        {"trouble": PushTrouble(reason="EndpointGone", since=1767225600)},
        {"suspended": True},
        {"rollouts": (Rollout(server="t/main", suspended=True, ready=False, served=False),)},
    ],
)
def test_a_push_config_is_ready_whatever_its_clients_endpoint_does_and_while_it_is_suspended(
    change: dict[str, object],
) -> None:
    found = push.findings(msgspec.structs.replace(PUSH, **change))
    assert shown(found, "Ready") == ("True", "Ready")
    assert ("suspend" in found[0].message) == ("trouble" not in change)
    broken = {**change, "problems": (problem(Reason.SECRET_NOT_FOUND),)}
    assert shown(push.findings(msgspec.structs.replace(PUSH, **broken)), "Ready") == ("False", "SecretNotFound")


def test_a_suspended_webhook_is_ready_and_says_that_it_is_suspended() -> None:
    found = webhook.findings(msgspec.structs.replace(WEBHOOK, suspended=True))
    assert shown(found, "Ready") == ("True", "Ready")
    assert "spec.suspend is true" in found[1].message


def test_a_suspended_servers_clients_say_so_and_stay_ready() -> None:
    rollout = Rollout(server="t/main", suspended=True, ready=False, served=False)
    for found in (
        webhook.findings(msgspec.structs.replace(WEBHOOK, rollouts=(rollout,))),
        push.findings(msgspec.structs.replace(PUSH, rollouts=(rollout,))),
    ):
        assert shown(found, "Programmed") == ("False", "ServerSuspended")
        assert shown(found, "Ready") == ("True", "Ready")


def test_a_push_config_that_nobody_sends_to_is_accepted_and_says_so() -> None:
    found = push.findings(msgspec.structs.replace(PUSH, used=False))
    assert shown(found, "Accepted") == ("True", "NotReferenced")


@every_row(
    ("change", "type_", "expected"),
    [
        ({}, "Ready", ("True", "Ready")),
        ({"problems": (problem(Reason.FORBIDDEN_WORD),)}, "Accepted", ("False", "ForbiddenWord")),
        ({}, "ResolvedRefs", ("True", "ResolvedRefs")),
        ({"problems": (problem(Reason.SECRET_NOT_FOUND),)}, "ResolvedRefs", ("False", "SecretNotFound")),
        ({"problems": (problem(Reason.SECRET_NOT_FOUND),)}, "Ready", ("False", "SecretNotFound")),
        ({"problems": (problem(Reason.SECRET_NOT_FOUND),)}, "Programmed", ("False", "NotServed")),
        ({"spec": None, "problems": (problem(Reason.INVALID),)}, "Accepted", ("False", "Invalid")),
        ({"name": "a.b"}, "Accepted", ("False", "Invalid")),
        ({"name": "1a"}, "Accepted", ("False", "Invalid")),
        ({"name": "a" * 51}, "Accepted", ("False", "Invalid")),
        ({"older_hosts": frozenset({("saas.nextscm.com", Aggregator.SHIPWAY)})}, "Accepted", ("False", "HostConflict")),
        ({"older_hosts": frozenset({("saas.nextscm.com", Aggregator.CLICKPOST)})}, "Accepted", ("True", "Accepted")),
        ({"applied": False}, "Programmed", ("False", "Pending")),
        ({"written": False}, "Programmed", ("False", "Pending")),
        ({"ready": 0}, "Programmed", ("False", "NoReadyPods")),
        ({"ready": 0, "spec": SUSPENDED}, "Programmed", ("False", "Suspended")),
        ({"ready": 0, "spec": SUSPENDED}, "Ready", ("True", "Ready")),
        ({"ready": 0}, "Ready", ("False", "NoReadyPods")),
        ({"served": False}, "Programmed", ("False", "Pending")),
    ],
)
def test_a_servers_conditions(change: dict[str, object], type_: str, expected: tuple[str, str]) -> None:
    assert shown(server.findings(msgspec.structs.replace(SERVER, **change)), type_) == expected


def exposed(**expose: object) -> ServerSnapshot:
    spec = WebhookServerSpec.model_validate({"expose": expose, "storage": {"postgres": _POSTGRES}, "replicas": 2})
    return msgspec.structs.replace(SERVER, spec=spec, ready=2)


_POSTGRES = {"dsnSecretRef": {"name": "db", "key": "dsn"}}


def test_too_few_pods_are_reported() -> None:
    found = server.findings(msgspec.structs.replace(exposed(none={}), ready=1))
    assert shown(found, "Programmed") == ("False", "PodsNotReady")
    assert found[0].message == "1 of 2 pods are ready"
    scaled = {"storage": {"postgres": _POSTGRES}, "autoscaling": {"minReplicas": 3, "maxReplicas": 9}}
    few = msgspec.structs.replace(SERVER, spec=WebhookServerSpec.model_validate(scaled), ready=2)
    assert shown(server.findings(few), "Programmed") == ("False", "PodsNotReady")
    assert shown(server.findings(msgspec.structs.replace(few, ready=5)), "Programmed") == ("True", "Programmed")


def test_a_gateway_where_there_is_none_and_an_ingress_that_drops_the_key_are_reported() -> None:
    route = exposed(httpRoute={"parentRefs": [{"name": "gw"}]})
    assert shown(server.findings(route), "Programmed") == ("True", "Programmed")
    without = server.findings(msgspec.structs.replace(route, has_http_routes=False))
    assert shown(without, "Programmed") == ("False", "ExposeUnavailable")
    nginx = server.findings(exposed(ingress={"className": "nginx"}))
    assert shown(nginx, "Programmed") == ("False", "ExposeUnavailable")
    assert "enable-underscores-in-headers" in nginx[0].message
    allowed = exposed(ingress={"className": "nginx", "annotations": {"trackpush.dev/underscores": "allowed"}})
    assert shown(server.findings(allowed), "Programmed") == ("True", "Programmed")


def test_children_are_made_unless_the_server_is_invalid() -> None:
    assert server.makes_children(SERVER)
    for reason in (Reason.FORBIDDEN_WORD, Reason.SECRET_NOT_FOUND):
        assert server.makes_children(msgspec.structs.replace(SERVER, problems=(problem(reason),)))
    for change in ({"spec": None}, {"name": "a.b"}):
        assert not server.makes_children(msgspec.structs.replace(SERVER, **change))


@every_row(
    ("aggregator", "url", "setup"),
    [
        (Aggregator.CLICKPOST, "https://saas.increff.com/rms/in/api/clickpost/notify", "Webhooks: Selected status"),
        (Aggregator.SHIPROCKET, "https://saas.increff.com/rms/in/api/st/notify", "into the token field"),
        (Aggregator.SHIPWAY, "https://saas.nextscm.com/rms/in/api/shipway/notify/<key>", "Shipway's team"),
    ],
)
def test_the_url_to_paste_and_where(aggregator: Aggregator, url: str, setup: str) -> None:
    snapshot = msgspec.structs.replace(WEBHOOK, facts=PROFILES[aggregator])
    assert webhook.url(snapshot) == url
    assert setup in (webhook.setup(snapshot) or "")


def test_an_ingress_without_a_certificate_gives_a_plain_url() -> None:
    spec = WebhookServerSpec.model_validate({"hosts": [{"host": "a.example"}], "expose": {"ingress": {}}})
    url = webhook.url(msgspec.structs.replace(WEBHOOK, server_spec=spec))
    assert url == "http://a.example/rms/in/api/clickpost/notify"


def test_without_any_host_the_services_url_is_given_and_without_a_host_for_the_aggregator_none() -> None:
    bare = msgspec.structs.replace(WEBHOOK, server_spec=WebhookServerSpec.model_validate({}))
    assert webhook.url(bare) == "http://main.t.svc/rms/in/api/clickpost/notify"
    assert "within the cluster only" in (webhook.setup(bare) or "")
    spec = WebhookServerSpec.model_validate({"hosts": [{"host": "a.example", "aggregators": ["Shipway"]}]})
    other = msgspec.structs.replace(WEBHOOK, server_spec=spec)
    assert webhook.url(other) is None
    assert "has no host for Clickpost" in (webhook.setup(other) or "")
    nowhere = msgspec.structs.replace(WEBHOOK, server=None, server_spec=None)
    assert (webhook.url(nowhere), webhook.setup(nowhere)) == (None, None)


OLD = Condition(type="Ready", status="False", reason="Pending", observed_generation=1, last_transition_time="then")


def test_the_time_of_transition_changes_only_with_the_status() -> None:
    (same,) = merged([OLD], [Finding("Ready", "False", "Other")], generation=2, now="now")
    assert (same.last_transition_time, same.reason, same.observed_generation) == ("then", "Other", 2)
    (changed,) = merged([OLD], [Finding("Ready", "True", "Ready")], generation=2, now="now")
    assert changed.last_transition_time == "now"


def condition(status: str, reason: str, type_: str = "Programmed") -> Condition:
    return msgspec.convert({"type": type_, "status": status, "reason": reason}, Condition)


@every_row(
    ("before", "after", "expected"),
    [
        ([], condition("True", "Programmed"), []),
        ([], condition("False", "Pending"), []),
        ([], condition("False", "NoReadyPods"), []),
        ([], condition("False", "ShardFull"), ["Warning ShardFull"]),
        ([condition("False", "ShardFull")], condition("False", "ShardFull"), []),
        ([condition("False", "ShardFull")], condition("True", "Programmed"), ["Normal Programmed"]),
        ([condition("False", "Pending")], condition("True", "Programmed"), []),
        ([condition("True", "Programmed")], condition("False", "NotServed"), []),
        ([], condition("False", "ShardFull", "Ready"), []),
    ],
)
def test_events_tell_of_transitions_that_somebody_should_see(
    before: list[Condition], after: Condition, expected: list[str]
) -> None:
    found = [f"{transition.type} {transition.reason}" for transition in transitions(before, [after], PASSING)]
    assert found == expected


def test_missing_pods_are_the_servers_own_event() -> None:
    (event,) = transitions([], [condition("False", "NoReadyPods")], PASSING_OF_SERVERS)
    assert event.reason == "NoReadyPods"


@every_row(("refusals", "told"), [(0, None), (20, "the last 20 or more"), (100, "the last 100 or more")])
def test_an_account_whose_sender_is_refused_again_and_again_says_so_and_stays_ready(
    refusals: int, told: str | None
) -> None:
    found = webhook.findings(msgspec.structs.replace(WEBHOOK, refusals=refusals))
    assert shown(found, "Ready")[0] == "True"
    receiving = [finding for finding in found if finding.type == "Receiving"]
    assert [(finding.status, finding.reason) for finding in receiving] == ([("False", "SenderRefused")] if told else [])
    assert all(told is not None and told in finding.message for finding in receiving)


LAST = 1_764_500_000_000
WATCHED = msgspec.structs.replace(WEBHOOK, expect_every="6h")
ARRIVED = AccountReport(state="receiving", last_update=LAST)
SILENT = AccountReport(state="silent", last_update=LAST, silent_since=LAST)
GRACE = Rollout(server="t/main", confirmed=True, ready=False, grace=True)


@every_row(
    ("change", "expected"),
    [
        ({"activity": ARRIVED}, ("True", "Receiving", "an update arrived within 6h")),
        ({"activity": SILENT}, ("False", "Silent", "no update since 2025-11-30T10:53:20Z")),
        (
            {"activity": AccountReport(state="silent", silent_since=LAST)},
            ("False", "Silent", "no update since it was created"),
        ),
        ({"activity": AccountReport(state="waiting")}, ("Unknown", "NoUpdateYet", "no update")),
        ({"activity": AccountReport(state="unknown")}, ("Unknown", "NotReported", "no server pod")),
        ({"activity": AccountReport(state="unwatched", last_update=LAST)}, ("Unknown", "NotReported", "no server pod")),
        ({}, ("Unknown", "NotReported", "no server pod")),
        ({"activity": SILENT, "refusals": 20}, ("False", "SenderRefused", "the last 20 or more")),
        ({"activity": SILENT, "served": False}, ("Unknown", "NotServed", "it is not served")),
        ({"activity": SILENT, "rollouts": (PAUSED,)}, ("Unknown", "ServerSuspended", "its WebhookServer")),
        (
            {"activity": SILENT, "rollouts": (Rollout(server="t/main", ready=False),)},
            ("Unknown", "NoReadyPods", "no server pod is ready"),
        ),
        ({"activity": SILENT, "rollouts": (GRACE,)}, ("False", "Silent", "no update since")),
        ({"activity": SILENT, "suspended": True}, ("False", "Silent", "no update since")),
    ],
)
def test_receiving_has_one_reason_and_a_refused_sender_comes_first(
    change: dict[str, object], expected: tuple[str, str, str]
) -> None:
    found = webhook.findings(msgspec.structs.replace(WATCHED, **change))
    (receiving,) = [finding for finding in found if finding.type == "Receiving"]
    assert (receiving.status, receiving.reason) == expected[:2]
    assert receiving.message.startswith(expected[2])


def test_a_silent_account_is_ready() -> None:
    found = webhook.findings(msgspec.structs.replace(WATCHED, activity=SILENT))
    assert shown(found, "Ready") == ("True", "Ready")


def test_without_an_expected_time_there_is_no_condition_but_the_last_update() -> None:
    snapshot = msgspec.structs.replace(WEBHOOK, activity=AccountReport(state="unwatched", last_update=LAST + 999))
    assert [finding.type for finding in webhook.findings(snapshot)] == [
        "Ready",
        "Accepted",
        "ResolvedRefs",
        "Programmed",
    ]
    assert webhook.fields(snapshot).last_update_time == "2025-11-30T10:53:20Z"


@every_row(
    ("reason", "kept"),
    [("Silent", True), ("Receiving", True), ("NoUpdateYet", True), ("SenderRefused", False), ("NoReadyPods", False)],
)
def test_an_operator_that_was_just_started_changes_no_status_before_a_pod_has_reported(
    reason: str, *, kept: bool
) -> None:
    status = StatusOfResource(
        last_update_time="2025-11-30T10:53:20Z",
        conditions=(Condition(type="Receiving", status="False", reason=reason, message="as before"),),
    )
    snapshot = msgspec.structs.replace(WATCHED, before=status)
    (receiving,) = [finding for finding in webhook.findings(snapshot) if finding.type == "Receiving"]
    assert (receiving.reason, receiving.message == "as before") == (reason if kept else "NotReported", kept)
    assert webhook.fields(snapshot).last_update_time == "2025-11-30T10:53:20Z"
