"""Each CEL rule of the kinds, on a real API server: what it accepts, what it refuses, and with which words."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT, ApiServer
from trackpush_api.kinds import patterns
from trackpush_api.kinds.patterns import WORDS
from trackpush_api.quantities import DURATION_PATTERN

Spec = dict[str, Any]
_SECRET = {"secretKeyRef": {"name": "keys", "key": "one"}}
_PUSH: Spec = {"url": "https://oms.acme.example/hooks"}
_WEBHOOK: Spec = {"aggregator": "Clickpost", "keys": [_SECRET]}
_DEFINITION: Spec = {"path": "kit", "fields": {"awb": "awb"}, "status": {"code": "status"}}
_INGRESS = {"className": "traefik"}
_POSTGRES = {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}
_STORAGE_STAYS = (
    "the kind of storage can't change while the server runs: set suspend: true, copy the journal (trackpush journal"
    " copy), then change storage"
)


def _headed(name: str, value: str | None = "1", holder: str = "keys", key: str = "one") -> Spec:
    """A PushConfig with one header; without a value from a Secret."""
    source: Spec = {"valueFrom": {"secretKeyRef": {"name": holder, "key": key}}}
    return {**_PUSH, "headers": [{"name": name, **(source if value is None else {"value": value})}]}


def _timed(timeout: str) -> Spec:
    return {**_PUSH, "delivery": {"timeout": timeout}}


def _ranged(cidr: str) -> Spec:
    return {"egress": {"allowedCIDRs": [cidr]}}


def _filtered(*names: str) -> Spec:
    return {**_PUSH, "filter": {"aggregators": list(names)}}


def _hosted(*names: str) -> Spec:
    return {"hosts": [{"host": "a.example", "aggregators": list(names)}]}


def _expecting(pause: str) -> Spec:
    return {**_WEBHOOK, "expectEvery": pause}


_PAUSE = "must be between 1m and 90d; write days first, such as 1d12h"
_NAMES = f"write {WORDS[patterns.AGGREGATOR]}"
_SPELLED = "write the name as it is defined: Clickpost, Shiprocket, Shipway"
_BASIC = {"username": _SECRET, "password": _SECRET}

CREATED: list[tuple[str, str, Spec, Spec]] = [
    ("PushConfig", "set exactly one of value and valueFrom",
     _PUSH | {"headers": [{"name": "X-A", "value": "1"}, {"name": "X-B", "valueFrom": _SECRET}]},
     _PUSH | {"headers": [{"name": "X-A", "value": "1", "valueFrom": _SECRET}]}),
    ("PushConfig", "set exactly one of value and valueFrom",
     _PUSH | {"headers": []}, _PUSH | {"headers": [{"name": "X-A"}]}),
    ("PushConfig", "set exactly one of basic, bearer and oauth2ClientCredentials",
     _PUSH | {"auth": {"bearer": {"token": _SECRET}}},
     _PUSH | {"auth": {"bearer": {"token": _SECRET}, "basic": _BASIC}}),
    ("PushConfig", "set exactly one of basic, bearer and oauth2ClientCredentials",
     _PUSH | {"auth": {"basic": _BASIC}}, _PUSH | {"auth": {}}),
    ("PushConfig", "set certificate and privateKey together",
     _PUSH | {"tls": {"certificate": _SECRET, "privateKey": _SECRET}}, _PUSH | {"tls": {"certificate": _SECRET}}),
    ("PushConfig", "set schedule or backoff, not both",
     _PUSH | {"delivery": {"retry": {"schedule": ["1s", "5s"]}}},
     _PUSH | {"delivery": {"retry": {"schedule": ["1s"], "backoff": {}}}}),
    ("WebhookServer", "set exactly one of httpRoute, ingress and none",
     {"expose": {"ingress": _INGRESS}}, {"expose": {"ingress": _INGRESS, "none": {}}}),
    ("WebhookServer", "set exactly one of httpRoute, ingress and none",
     {"expose": {"none": {}}}, {"expose": {}}),
    ("WebhookServer", "set exactly one of sqlite and postgres",
     {"storage": {"sqlite": {}}},
     {"storage": {"sqlite": {}, "postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}),
    ("WebhookServer", "SQLite serves one replica: set replicas to 1, or use storage.postgres",
     {"storage": _POSTGRES, "replicas": 3}, {"replicas": 2}),
    ("WebhookServer", "SQLite serves one replica: remove autoscaling, or use storage.postgres",
     {"storage": _POSTGRES, "autoscaling": {"maxReplicas": 4}}, {"autoscaling": {"maxReplicas": 4}}),
    ("WebhookServer", "minReplicas is more than maxReplicas: lower it, or raise maxReplicas",
     {"storage": _POSTGRES, "autoscaling": {"minReplicas": 4, "maxReplicas": 4}},
     {"storage": _POSTGRES, "autoscaling": {"maxReplicas": 1}}),
    ("WebhookServer", "set selector if from is Selector, and only then",
     {"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}},
     {"allowedNamespaces": {"from": "All", "selector": {"matchLabels": {"a": "b"}}}}),
    ("WebhookServer", "set selector if from is Selector, and only then",
     {"allowedNamespaces": {"from": "Same"}}, {"allowedNamespaces": {"from": "Selector"}}),
    ("PushConfig", f"write {WORDS[patterns.URL]}", _PUSH, {"url": "ftp://x.example"}),
    ("PushConfig", f"write {WORDS[patterns.HEADER_NAME]}", _headed("X-A"), _headed("X A")),
    ("PushConfig", f"write {WORDS[patterns.HEADER_VALUE]}", _headed("X-A", "one line"), _headed("X-A", "two\nlines")),
    ("PushConfig", f"write {WORDS[patterns.NAME]}", _headed("X-A", None), _headed("X-A", None, "Keys_1")),
    ("PushConfig", f"write {WORDS[patterns.DATA_KEY]}", _headed("X-A", None), _headed("X-A", None, "keys", "a b")),
    ("PushConfig", f"write {WORDS[DURATION_PATTERN]}", _timed("1m30s"), _timed("soon")),
    ("PushConfig", "must be more than 0: write a duration such as 10s", _timed("0.5s"), _timed("0s")),
    ("PushConfig", "must be at most 2m", _timed("120s"), _timed("10m")),
    ("PushConfig", "must be at most 2m", _timed("1m59s999ms"), _timed("1h")),
    ("PushConfig", "must be at most 2m", _timed("0.02h"), _timed("0.5d")),
    ("PushConfig", "Trackpush itself sets this header; remove it", _headed("X-Host"), _headed("Content-Length")),
    ("PushConfig", "Trackpush itself sets this header; remove it", _headed("Tracks"), _headed("TrackPush-Id")),
    ("PushConfig", "a header is set twice (upper and lower case are the same); remove one",
     {**_PUSH, "headers": [*_headed("X-A")["headers"], *_headed("X-B")["headers"]]},
     {**_PUSH, "headers": [*_headed("X-A")["headers"], *_headed("x-a")["headers"]]}),
    ("PushConfig", "write the URL without user and password, and set auth.basic instead",
     {"url": "https://x.example/@home?a=b@c"}, {"url": "https://user:pass@x.example"}),
    ("AggregatorWebhook", _PAUSE, _expecting("1m"), _expecting("59s")),
    ("AggregatorWebhook", _PAUSE, _expecting("1h30m"), _expecting("0s")),
    ("AggregatorWebhook", _PAUSE, _expecting("2160h"), _expecting("2161h")),
    ("AggregatorWebhook", _PAUSE, _expecting("90d"), _expecting("91d")),
    ("AggregatorWebhook", _PAUSE, _expecting("1d12h"), _expecting("100d")),
    ("AggregatorWebhook", _PAUSE, _expecting("89.5d"), _expecting("0d")),
    ("AggregatorWebhook", f"write {WORDS[DURATION_PATTERN]}", _expecting("6h"), _expecting("six hours")),
    ("AggregatorWebhook", f"write {WORDS[patterns.NAME]}",
     _WEBHOOK | {"pushConfigRefs": [{"name": "a"}]}, _WEBHOOK | {"pushConfigRefs": [{"name": "A"}]}),
    ("AggregatorWebhook", f"write {WORDS[patterns.DATA_KEY]}",
     _WEBHOOK, _WEBHOOK | {"keys": [{"secretKeyRef": {"name": "keys", "key": "a/b"}}]}),
    ("WebhookServer", f"write {WORDS[patterns.NAME]}",
     {"expose": {"ingress": {"className": "a"}}}, {"expose": {"ingress": {"className": "A"}}}),
    ("WebhookServer", f"write {WORDS[patterns.DATA_KEY]}",
     {"storage": _POSTGRES}, {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "a b"}}}}),
    ("WebhookServer", "portal.host is also in hosts: give the portal a host name of its own",
     {"hosts": [{"host": "a.example"}], "portal": {"host": "portal.example"}},
     {"hosts": [{"host": "a.example"}], "portal": {"host": "a.example"}}),
    ("WebhookServer", f"write {WORDS[patterns.HOST]}",
     {"hosts": [{"host": "a.example"}]}, {"hosts": [{"host": "UPPER.example"}]}),
    ("WebhookServer", f"write {WORDS[patterns.HOST]}",
     {"hosts": [{"host": "a-b.example"}]}, {"hosts": [{"host": "https://a.example/path"}]}),
    ("WebhookServer", f"write {WORDS[patterns.PATH]}", {"basePath": "/rms/in"}, {"basePath": "rms"}),
    ("WebhookServer", f"write {WORDS[patterns.SIZE]}",
     {"storage": {"sqlite": {"size": "1.5Ti"}}}, {"storage": {"sqlite": {"size": "big"}}}),
    ("WebhookServer", f"write {WORDS[patterns.CIDR]}", _ranged("10.0.0.0/8"), _ranged("10.0.0.0/33")),
    ("WebhookServer", f"write {WORDS[patterns.CIDR]}", _ranged("255.255.255.255/32"), _ranged("300.0.0.0/8")),
    ("WebhookServer", f"write {WORDS[patterns.CIDR]}", _ranged("fd00::/8"), _ranged("fd00::/129")),
    ("WebhookServer", f"write {WORDS[patterns.CIDR]}", _ranged("1:2:3:4:5:6:7:8/128"), _ranged("1:2:3/64")),
    ("WebhookServer", f"write {WORDS[patterns.CIDR]}", _ranged("::/0"), _ranged("10.1.2.3")),
    ("WebhookServer", f"write {WORDS[patterns.PROXY]}",
     {"egress": {"proxy": "http://proxy.example:3128"}}, {"egress": {"proxy": "http://u:p@proxy.example"}}),
    ("WebhookServer", f"write {WORDS[DURATION_PATTERN]}",
     {"retention": {"dead": "90d"}}, {"retention": {"dead": "90"}}),
    ("AggregatorWebhook", _NAMES, _WEBHOOK | {"aggregator": "parcelkit"}, _WEBHOOK | {"aggregator": "Parcel Kit"}),
    ("AggregatorWebhook", _SPELLED, _WEBHOOK, _WEBHOOK | {"aggregator": "clickpost"}),
    ("PushConfig", _NAMES, _filtered("parcelkit", "Shipway"), _filtered("SHIPWAY")),
    ("PushConfig", _SPELLED, _filtered("Shipway"), _filtered("shipway")),
    ("WebhookServer", _NAMES, _hosted("parcelkit", "Shiprocket"), _hosted("parcel.kit")),
    ("WebhookServer", _SPELLED, _hosted("Shiprocket"), _hosted("shiprocket")),
    ("AggregatorDefinition", f"write {WORDS[patterns.PATH_SEGMENT]}", _DEFINITION, _DEFINITION | {"path": "a/b"}),
    ("AggregatorDefinition",
     "is the path of a built-in aggregator: write another one than clickpost, shiprocket, shipway, st",
     _DEFINITION | {"path": "sts"}, _DEFINITION | {"path": "st"}),
    ("AggregatorDefinition", f"write {WORDS[patterns.HEADER_NAME]}",
     _DEFINITION | {"authentication": {"key": {"headers": ["X-Key"], "allOf": ["X-A", {"query": ["b"]}]}}},
     _DEFINITION | {"authentication": {"signature": {"header": "X Key"}}}),
    ("AggregatorDefinition", f"write {WORDS[patterns.VARIABLE]}",
     _DEFINITION | {"updates": [{"as": "scan", "in": "body.scans"}]},
     _DEFINITION | {"updates": [{"as": "a scan", "in": "body.scans"}]}),
    ("AggregatorDefinition", f"write {WORDS[patterns.FIELD_PATH]}",
     _DEFINITION | {"redact": ["rider.phone", "items[0].photo"], "fields": {"awb": ["a", "b"]}},
     _DEFINITION | {"redact": ["rider..phone"]}),
]  # fmt: skip

_SLACK: Spec = {"name": "slack", "urlFrom": _SECRET, "format": "Slack"}
_PLAIN: Spec = {"name": "plain", "url": "https://ops.acme.example/x"}

NOTIFIED: list[tuple[str, Spec, Spec]] = [
    ("set exactly one of url and urlFrom", _SLACK, _SLACK | {"url": "https://x.example"}),
    ("set exactly one of url and urlFrom", _PLAIN, {"name": "plain"}),
    ("remove signing, because Slack verifies no signatures; or use format: StandardWebhooks",
     _PLAIN | {"signing": {"secrets": [_SECRET]}}, _SLACK | {"signing": {"secrets": [_SECRET]}}),
    ("write the URL without user and password; use headers", _PLAIN, _PLAIN | {"url": "https://u:p@x.example"}),
    (f"write {WORDS[patterns.URL]}", _PLAIN, _PLAIN | {"url": "ops.acme.example"}),
    (f"write {WORDS[patterns.NAME]}", _PLAIN, _PLAIN | {"name": "Plain"}),
    (f"write {WORDS[patterns.DATA_KEY]}", _SLACK, _SLACK | {"urlFrom": {"secretKeyRef": {"name": "a", "key": "a b"}}}),
    *((message, _PLAIN | {"headers": good["headers"]}, _PLAIN | {"headers": bad["headers"]})
      for _, message, good, bad in CREATED if "headers" in good and "headers" in bad and good["headers"]),
]  # fmt: skip
"""Entries of spec.notifications, which two kinds have: the message, a good one, and a bad one."""
CREATED += [
    (kind, message, base | {"notifications": [good]}, base | {"notifications": [bad]})
    for kind, base in (("PushConfig", _PUSH), ("WebhookServer", {}))
    for message, good, bad in NOTIFIED
]

NAMED: list[tuple[str, str, str]] = [
    ("kit", "shiprocket",
     "metadata.name is that of a built-in aggregator: write another one than clickpost, shiprocket, shipway, st"),
    ("a-kit", "parcel.kit", "write a metadata.name of lower-case letters, digits and -, at most 63 characters"),
    ("k" * 63, "k" * 64, "write a metadata.name of lower-case letters, digits and -, at most 63 characters"),
]  # fmt: skip
"""Names of an AggregatorDefinition: a good one, a bad one, and the message."""

CHANGED: list[tuple[str, str, Spec, Spec, Spec]] = [
    ("AggregatorWebhook", "aggregator can't be changed: make another AggregatorWebhook, then delete this one",
     _WEBHOOK, _WEBHOOK | {"suspend": True}, _WEBHOOK | {"aggregator": "Shipway"}),
    ("WebhookServer", _STORAGE_STAYS, {}, {"storage": {"sqlite": {"size": "20Gi"}}}, {"storage": _POSTGRES}),
    ("WebhookServer", _STORAGE_STAYS, {"storage": _POSTGRES}, {"storage": _POSTGRES, "suspend": True},
     {"storage": {"sqlite": {}}, "suspend": True}),
]  # fmt: skip

REFUSED: list[tuple[str, Spec, str]] = [
    ("PushConfig", {}, "spec.url: Required value"),
    ("PushConfig", _PUSH | {"payload": {"format": "XML"}}, 'supported values: "Canonical", "Raw", "CloudEvents"'),
    ("PushConfig", _PUSH | {"delivery": {"maxConcurrency": 0}}, "should be greater than or equal to 1"),
    ("PushConfig", _PUSH | {"token": "s3cret"}, ".spec.token: field not declared in schema"),
    ("PushConfig", _PUSH | {"headers": [{"name": "X", "value": "1"}] * 2}, "duplicate entries for key"),
    ("PushConfig", _PUSH | {"delivery": {"retry": {"maxAge": "0s"}}}, "must be more than 0"),
    ("PushConfig", _PUSH | {"delivery": {"rateLimit": {"requests": 1, "per": "0m"}}}, "must be more than 0"),
    (
        "PushConfig",
        _PUSH
        | {
            "auth": {
                "oauth2ClientCredentials": {
                    "tokenUrl": "https://u:p@x.example",
                    "clientId": _SECRET,
                    "clientSecret": _SECRET,
                }
            }
        },
        "without user and password",
    ),
    ("AggregatorWebhook", _WEBHOOK | {"keys": []}, "spec.keys"),
    ("PushConfig", _PUSH | {"notifications": [_PLAIN, _PLAIN]}, "duplicate entries for key"),
    ("WebhookServer", {"notifications": [_PLAIN | {"events": ["Failing"]}]}, 'supported values: "EndpointFailing"'),
    ("WebhookServer", {"egress": {"deniedCIDRs": ["10.0.0.0"]}}, "write an address range"),
    ("WebhookServer", {"replicas": 0}, "should be greater than or equal to 1"),
    ("WebhookServer", {"limits": {"headerTimeout": "10"}}, "write a duration"),
    ("AggregatorWebhook", _WEBHOOK | {"aggregator": "DHL"}, "write Clickpost, Shiprocket, Shipway, or the name of"),
    ("AggregatorDefinition", {"path": "kit", "fields": {}}, "spec.status: Required value"),
    (
        "AggregatorDefinition",
        _DEFINITION | {"status": {"code": "a", "table": [{"when": "x", "status": "GONE"}]}},
        "Unsupported value",
    ),
    ("AggregatorDefinition", _DEFINITION | {"feilds": {}}, ".spec.feilds: field not declared in schema"),
    ("AggregatorWebhook", _WEBHOOK | {"keys": [_SECRET] * 9}, "must have at most 8 items"),
    ("WebhookServer", {"receivers": 17}, "should be less than or equal to 16"),
]


def manifest(kind: str, spec: Spec, namespace: str, name: str = "x") -> str:
    """YAML of a resource."""
    metadata = {"name": name, "namespace": namespace}
    spec = copy.deepcopy(spec)  # no anchors
    return yaml.safe_dump({"apiVersion": "trackpush.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


@pytest.mark.parametrize(("kind", "message", "good", "bad"), CREATED)
def test_a_rule_accepts_and_refuses(  # noqa: PLR0917  pytest passes them by name
    api_server: ApiServer, namespace: str, kind: str, message: str, good: Spec, bad: Spec
) -> None:
    api_server.apply(manifest(kind, good, namespace), "--dry-run=server")
    refused = api_server.apply(manifest(kind, bad, namespace), "--dry-run=server", check=False)
    assert refused.returncode != 0
    assert message in refused.stderr


@pytest.mark.parametrize(("kind", "message", "first", "good", "bad"), CHANGED)
def test_a_rule_on_changes_accepts_and_refuses(  # noqa: PLR0917  same
    api_server: ApiServer, namespace: str, kind: str, message: str, first: Spec, good: Spec, bad: Spec
) -> None:
    api_server.apply(manifest(kind, first, namespace))
    api_server.apply(manifest(kind, good, namespace), "--dry-run=server")
    refused = api_server.apply(manifest(kind, bad, namespace), "--dry-run=server", check=False)
    assert refused.returncode != 0
    assert message in refused.stderr


@pytest.mark.parametrize(("good", "bad", "message"), NAMED)
def test_an_aggregator_definition_has_a_name_that_an_account_can_name(
    api_server: ApiServer, namespace: str, good: str, bad: str, message: str
) -> None:
    api_server.apply(manifest("AggregatorDefinition", _DEFINITION, namespace, good), "--dry-run=server")
    refused = api_server.apply(
        manifest("AggregatorDefinition", _DEFINITION, namespace, bad), "--dry-run=server", check=False
    )
    assert refused.returncode != 0
    assert message in refused.stderr


def test_every_form_of_a_value_and_of_a_sample_is_stored_as_it_was_written(
    api_server: ApiServer, namespace: str
) -> None:
    spec = _DEFINITION | {
        "fields": {
            "awb": ["a", "b"],
            "remark": {"cel": "body.note"},
            "occurredAt": {"join": ["d", "t"], "formats": ["%d"]},
        },
        "status": {"code": "s", "table": [{"when": 7, "status": "DELIVERED"}, {"when": ["8"], "status": "LOST"}]},
        "direction": {"of": "m", "table": {"F": "Forward"}},
        "samples": [{"name": "one", "body": [{"a": {"b": [1, None]}}], "expect": [{"awb": "1"}]}],
    }
    api_server.apply(manifest("AggregatorDefinition", spec, namespace))
    stored = api_server.get("adef", "x", "-n", namespace)["spec"]
    assert {name: stored[name] for name in spec} == spec


def test_a_suspended_servers_storage_may_change_its_kind_as_it_starts(api_server: ApiServer, namespace: str) -> None:
    api_server.apply(manifest("WebhookServer", {"suspend": True}, namespace))
    api_server.apply(manifest("WebhookServer", {"storage": _POSTGRES}, namespace), "--dry-run=server")


@pytest.mark.parametrize(("kind", "spec", "words"), REFUSED)
def test_the_schema_refuses(api_server: ApiServer, namespace: str, kind: str, spec: Spec, words: str) -> None:
    refused = api_server.apply(manifest(kind, spec, namespace), "--dry-run=server", check=False)
    assert refused.returncode != 0
    assert words in refused.stderr


def test_defaults_are_written_into_the_stored_object(api_server: ApiServer, namespace: str) -> None:
    api_server.apply(manifest("PushConfig", _PUSH | {"payload": {}, "delivery": {"retry": {}}}, namespace))
    api_server.apply(manifest("WebhookServer", {"allowedNamespaces": {}}, namespace))
    push = api_server.get("pushconfig", "x", "-n", namespace)["spec"]
    server = api_server.get("webhookserver", "x", "-n", namespace)["spec"]
    assert push["delivery"]["retry"]["maxAge"] == "72h"
    assert push["payload"]["format"] == "Canonical"
    assert server["basePath"] == "/rms/in/api"
    assert server["allowedNamespaces"] == {"from": "Same"}


def test_at_least_41_invalid_specs_are_tried() -> None:
    assert len(CREATED) + len(CHANGED) + len(REFUSED) >= 41


def test_no_message_shows_a_regular_expression_to_whoever_wrote_a_wrong_text() -> None:
    for file in (ROOT / "crds").glob("*.yaml"):
        assert "pattern:" not in file.read_text(), file


def test_every_rule_of_the_kinds_is_tried() -> None:
    tried = {(kind, message) for kind, message, *_ in [*CREATED, *CHANGED]}
    tried |= {("AggregatorDefinition", message) for _, _, message in NAMED}
    written = set()
    for file in (ROOT / "crds").glob("*.yaml"):
        kind = yaml.safe_load(file.read_text())
        for message in _messages(kind["spec"]["versions"][0]["schema"]):
            written.add((kind["spec"]["names"]["kind"], message))
    assert written == tried


def _messages(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        for value in schema.values():
            yield from _messages(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _messages(value)
