"""``spec.notifications`` to announcement targets: an error in an entry concerns this entry alone."""

import json
from typing import Any

from msgspec.structs import replace

from support.rows import every_row
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Severity
from trackpush_api.routing import AnnouncementTarget
from trackpush_api.shards import decode, encode, join, split
from trackpush_api.validation import read_spec
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS

SLACK_URL = "https://hooks.slack.example/services/T0/B0/slack-secret"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {"slack": SLACK_URL, "sign": SIGNING, "token": "Bearer pager-secret", "plain": "http://10.1.2.3/x-secret"}
SLACK = {"name": "slack", "urlFrom": {"secretKeyRef": {"name": "hooks", "key": "slack"}}, "format": "Slack"}
PAGER = {
    "name": "pager",
    "url": "https://pager.example/v1",
    "events": ["EndpointGone", "PushesDead"],
    "signing": {"secrets": [{"secretKeyRef": {"name": "hooks", "key": "sign"}}]},
    "headers": [
        {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hooks", "key": "token"}}},
        {"name": "X-Team", "value": "returns"},
    ],
}


def ref(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def compiled(*, server: object = (), push: object = (), secrets: dict[str, str] | None = None) -> Compiled:
    """Compile a server and a client with these notifications; both namespaces have the Secret ``hooks``."""
    found = SECRETS if secrets is None else secrets

    def resource(kind: str, name: str, namespace: str, spec: object) -> dict[str, object]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "trackpush.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    def secret(namespace: str, values: dict[str, str]) -> dict[str, object]:
        metadata = {"name": "hooks", "namespace": namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}

    keys = [ref("hooks", "key")]
    documents = [
        resource(
            "WebhookServer",
            "main",
            "trackpush",
            {"allowedNamespaces": {"from": "All"}, "notifications": list(server)},  # type: ignore[call-overload]
        ),
        resource("AggregatorWebhook", "clickpost", "acme", {"aggregator": "Clickpost", "keys": keys}),
        resource("PushConfig", "oms", "acme", {"url": "https://oms.example/x", "notifications": list(push)}),  # type: ignore[call-overload]
        secret("trackpush", found),
        secret("acme", {**found, "key": "an-inbound-key-of-acme"}),
    ]
    text = "\n---\n".join(json.dumps(document, indent=1) for document in documents)
    parsed = parse_manifests({"all.yaml": text})
    assert not parsed.problems, parsed.problems
    return compile_table(parsed.resources, parsed.secrets)


def targets(result: Compiled) -> tuple[AnnouncementTarget, ...]:
    """Those of the server, then those of the PushConfig, which is served whatever its notifications are."""
    assert result.table is not None
    (destination,) = result.table.destinations
    return (*result.table.server.announcement_targets, *destination.announcement_targets)


def test_each_entry_becomes_a_target_with_the_values_of_its_secrets() -> None:
    result = compiled(server=[SLACK], push=[PAGER])

    assert not result.problems
    assert targets(result) == (
        AnnouncementTarget(name="WebhookServer/trackpush/main/slack", url=SLACK_URL, format="Slack"),
        AnnouncementTarget(
            name="PushConfig/acme/oms/pager",
            url="https://pager.example/v1",
            events=frozenset({"EndpointGone", "PushesDead"}),
            signing=(SIGNING,),
            headers=(("Authorization", "Bearer pager-secret"), ("X-Team", "returns")),
        ),
    )
    assert targets(result)[0].events == frozenset(ANNOUNCEMENT_KINDS)


@every_row(
    ("entry", "expected"),
    [
        (SLACK | {"urlFrom": ref("hook", "slack")}, 'Secret "hook" is not in namespace "acme"; did you mean hooks?'),
        (SLACK | {"urlFrom": ref("hooks", "slak")}, 'Secret "hooks" has no key "slak"'),
        (SLACK | {"urlFrom": ref("hooks", "sign")}, "urlFrom: the Secret's value is not a URL: write https://HOST"),
        (SLACK | {"urlFrom": ref("hooks", "plain")}, "urlFrom: the Secret's value: plain http is refused"),
        ({"name": "x", "url": "http://ops.example"}, "spec.notifications[0].url: plain http is refused"),
        ({"name": "x", "url": "https://10.1.2.3/"}, "pushes may not go to 10.1.2.3"),
        ({"name": "x", "url": "https://ops.example:25/"}, "port 25 is refused"),
        (PAGER | {"signing": {"secrets": [ref("hooks", "slack")]}}, "signing.secrets[0]: the Secret's value is not"),
        (PAGER | {"headers": [{"name": "webhook-id", "value": "1"}]}, "headers[0].name: the header webhook-id is set"),
        (PAGER | {"headers": [{"name": "A", "valueFrom": ref("no", "a")}]}, 'Secret "no" is not in namespace "acme"'),
        (
            PAGER | {"headers": [{"name": f"A-{index}", "value": "x" * 8000} for index in range(5)]},
            "spec.notifications[0].headers: have 40",
        ),
    ],
)
def test_an_entry_with_an_error_is_reported_and_left_out_and_pushes_go_on(entry: dict[str, Any], expected: str) -> None:
    result = compiled(push=[entry, PAGER | {"name": "second"}])

    (problem,) = [problem for problem in result.problems if problem.severity is Severity.ERROR]
    assert expected in str(problem)
    assert str(problem).startswith("all.yaml:")
    assert f"(until then, notification {entry['name']} is not sent)" in str(problem)
    assert problem.condition == "Notifying"
    assert [target.name for target in targets(result)] == ["PushConfig/acme/oms/second"]


def test_a_servers_settings_are_served_without_the_notification_that_lacks_its_secret() -> None:
    result = compiled(server=[SLACK, PAGER], secrets={"sign": SIGNING, "token": "x"})

    assert [target.name for target in targets(result)] == ["WebhookServer/trackpush/main/pager"]
    (problem,) = result.problems
    assert problem.field == "spec.notifications[0].urlFrom.secretKeyRef.key"


def test_a_slack_url_that_is_no_secret_is_sent_and_causes_a_warning() -> None:
    result = compiled(server=[{"name": "slack", "url": SLACK_URL, "format": "Slack"}])

    (problem,) = result.problems
    assert problem.severity is Severity.WARNING
    assert "put the URL into a Secret" in problem.message
    assert len(targets(result)) == 1


@every_row(
    ("entries", "field", "message"),
    [
        ([{"name": "a"}], "[0]", "set exactly one of url and urlFrom"),
        ([SLACK | {"url": SLACK_URL}], "[0]", "set exactly one of url and urlFrom"),
        ([SLACK | {"signing": PAGER["signing"]}], "[0]", "remove signing, because Slack verifies no signatures"),
        ([SLACK | {"format": "slack"}], "[0].format", "found 'slack'; did you mean Slack?"),
        ([SLACK | {"events": ["EndpointFaling"]}], "[0].events[0]", "did you mean EndpointFailing?"),
        ([SLACK, SLACK], "[1]", "duplicate entry 'slack'; remove one"),
        ([{"url": SLACK_URL}], "[0].name", "is missing; set it"),
        ([{"name": "a", "url": "ops.example/x"}], "[0].url", "write a URL that begins with https://"),
        ([SLACK | {"name": f"a{index}"} for index in range(9)], "", "has 9 entries; at most 8 are allowed"),
    ],
)
def test_a_mistake_in_the_list_is_reported_with_its_place(entries: object, field: str, message: str) -> None:
    (found,) = read_spec("PushConfig", {"url": "https://oms.example/x", "notifications": entries})[1]

    assert found[0] == f"spec.notifications{field}"
    assert message in found[1]


def test_no_problem_and_no_representation_shows_a_secret_value() -> None:
    entries = [
        PAGER,
        SLACK | {"name": "b", "urlFrom": ref("hooks", "sign")},
        SLACK | {"name": "c", "urlFrom": ref("hooks", "token")},
        SLACK | {"name": "d", "urlFrom": ref("hooks", "plain")},
        PAGER | {"name": "e", "signing": {"secrets": [ref("hooks", "slack")]}},
    ]
    result = compiled(server=[SLACK, *entries], push=entries)

    shown = "\n".join([*map(str, result.problems), *map(repr, targets(result))])
    assert result.problems
    assert not [value for value in (*SECRETS.values(), "slack-secret", "x-secret") if value in shown]


def test_targets_pass_through_the_shards_unchanged() -> None:
    table = compiled(server=[SLACK], push=[PAGER]).table
    assert table is not None

    assert join(decode(encode(replace(shard, revision="r"))) for shard in split(table).values()) == table


def test_a_changed_notification_changes_the_tables_revision() -> None:
    before, after = compiled(push=[PAGER]).table, compiled(push=[PAGER | {"events": ["PushesDead"]}]).table

    assert before is not None
    assert after is not None
    assert before.revision != after.revision
