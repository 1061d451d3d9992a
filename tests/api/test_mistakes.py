"""Every mistake that people make in resources: who, where, what was found, and what was probably meant."""

from collections.abc import Mapping
from typing import NamedTuple

from support.rows import every_row
from trackpush_api.compile import compile_table
from trackpush_api.manifest import parse_manifests

SERVER = """\
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts:
    - {host: saas.increff.com, aggregators: [Clickpost, Shiprocket]}
  allowedNamespaces: {from: All}
  storage: {sqlite: {size: 10Gi}}
  egress:
    httpsOnly: true
    allowedCIDRs: [10.0.0.0/8]
"""
ACME = """\
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: clickpost, namespace: acme}
spec:
  aggregator: Clickpost
  serverRef: {name: main, namespace: trackpush}
  keys:
    - {secretKeyRef: {name: acme-keys, key: clickpost}}
  pushConfigRefs: [{name: oms}]
  statuses: ["8", "14"]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata:
  name: oms
  namespace: acme
spec:
  url: https://oms.acme.example/hooks
  headers:
    - {name: X-Acme-Key, valueFrom: {secretKeyRef: {name: acme-keys, key: oms}}}
    - {name: X-Source, value: rms}
  signing:
    secrets: [{secretKeyRef: {name: acme-keys, key: signing}}]
  tls:
    ca: {secretKeyRef: {name: acme-keys, key: ca}}
  filter:
    statuses: [DELIVERED, RTO_DELIVERED]
    directions: [Forward, RTO]
    expression: "!test && status.code == 'DELIVERED'"
  delivery:
    timeout: 10s
    maxConcurrency: 16
    retry: {schedule: [5s, 1m]}
---
apiVersion: v1
kind: Secret
metadata: {name: acme-keys, namespace: acme}
stringData:
  clickpost: acme-clickpost-key-1
  oms: acme-oms-key
  signing: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
  ca: |
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjTCCATOgAwIBAgIUf6ZZRvxhA6196tLkvPdzH1Y5xW0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVGVzdCBSb290MB4XDTI2MTEyOTE3NDczNloXDTI2MTIyOTE3
NDczNlowFDESMBAGA1UEAwwJVGVzdCBSb290MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEA79qTT5xXa8vQ9C49ln+SfKkNLbOJ6yoIqAUJLuubtHtTsOv7LNdDLS4
vQxJKfcqSTiAp3zYKPX8ZBL5kwxU06NjMGEwHQYDVR0OBBYEFEogsHhqeDKCYfZ8
oPncysBvlbAeMB8GA1UdIwQYMBaAFEogsHhqeDKCYfZ8oPncysBvlbAeMA8GA1Ud
EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0gAMEUCIQDQ
t0gG9jHUHYok2WfGNF+jfyX9HuFb17rNcBGA7HnhgwIgRfXeGKGWWLCTnsiUT0Ba
Zn7dCNSJ8YFj1YQU8xMnVOE=
-----END CERTIFICATE-----
"""
ACME += "".join(f"    {line}\n" for line in CERTIFICATE.splitlines())
FILES = {"acme.yaml": ACME, "server.yaml": SERVER}
RIVAL = ACME.partition("---")[0].replace("namespace: acme", "namespace: zen").replace("acme-keys", "zen-keys") + (
    "---\napiVersion: v1\nkind: Secret\nmetadata: {name: zen-keys, namespace: zen}\n"
    "stringData: {clickpost: acme-clickpost-key-1}\n"
)


class Mistake(NamedTuple):
    """A mistake: the correct text, the wrong text in its place, and the line that must be among the problems."""

    old: str
    new: str
    says: str


def problems(files: Mapping[str, str]) -> list[str]:
    parsed = parse_manifests(files)
    found = compile_table(parsed.resources, parsed.secrets)
    return [str(problem) for problem in sorted((*parsed.problems, *found.problems), key=lambda problem: problem.order)]


def edited(old: str, new: str) -> dict[str, str]:
    assert any(old in text for text in FILES.values()), old
    return {name: text.replace(old, new, 1) for name, text in FILES.items()}


MISTAKES = {
    "typo in a field": Mistake(
        "maxConcurrency",
        "maxConcurency",
        ("acme.yaml:32: PushConfig acme/oms spec.delivery.maxConcurency: unknown field; did you mean maxConcurrency?"),
    ),
    "typo in a field of the server": Mistake(
        "allowedNamespaces",
        "allowedNamespace",
        (
            "server.yaml:7: WebhookServer trackpush/main spec.allowedNamespace: unknown field; did you mean "
            "allowedNamespaces?"
        ),
    ),
    "typo in a nested field": Mistake(
        "httpsOnly",
        "httpOnly",
        ("server.yaml:10: WebhookServer trackpush/main spec.egress.httpOnly: unknown field; did you mean httpsOnly?"),
    ),
    "typo in metadata": Mistake(
        "metadata: {name: clickpost,",
        "metadata: {lables: {a: b}, name: clickpost,",
        "acme.yaml:3: AggregatorWebhook acme/clickpost metadata.lables: unknown field; did you mean labels?",
    ),
    "field beside spec": Mistake(
        "spec:\n  url",
        "suspend: true\nspec:\n  url",
        ("acme.yaml:17: PushConfig acme/oms suspend: is not a field of a resource; did you mean to put it in spec?"),
    ),
    "wrong kind": Mistake(
        "kind: PushConfig",
        "kind: Pushconfig",
        ("acme.yaml:13: Pushconfig oms kind: 'Pushconfig' is not a kind of Trackpush; did you mean PushConfig?"),
    ),
    "misspelt kind": Mistake(
        "kind: AggregatorWebhook",
        "kind: AggregatorWebook",
        (
            "acme.yaml:2: AggregatorWebook clickpost kind: 'AggregatorWebook' is not a kind of Trackpush; "
            "did you mean AggregatorWebhook?"
        ),
    ),
    "kind in lower case": Mistake(
        "kind: Secret",
        "kind: secret",
        "acme.yaml:36: secret acme-keys kind: 'secret' is not a kind of Trackpush; did you mean Secret?",
    ),
    "missing kind": Mistake(
        "kind: PushConfig\n",
        "",
        (
            "acme.yaml:12: oms kind: is missing; write one of PushConfig, AggregatorWebhook, WebhookServer,"
            " AggregatorDefinition, Secret"
        ),
    ),
    "foreign kind": Mistake(
        "kind: Secret",
        "kind: ConfigMap",
        ("acme.yaml:36: warning: ConfigMap acme-keys kind: 'ConfigMap' is not a kind of Trackpush and is ignored"),
    ),
    "wrong apiVersion": Mistake(
        "trackpush.dev/v1alpha1\nkind: PushConfig",
        "trackpush.dev/v1\nkind: PushConfig",
        ("acme.yaml:12: PushConfig oms apiVersion: 'trackpush.dev/v1' is unknown; write trackpush.dev/v1alpha1"),
    ),
    "missing apiVersion": Mistake(
        "apiVersion: trackpush.dev/v1alpha1\nkind: PushConfig",
        "kind: PushConfig",
        "acme.yaml:12: PushConfig oms apiVersion: is missing; write trackpush.dev/v1alpha1",
    ),
    "wrong apiVersion of a Secret": Mistake(
        "apiVersion: v1\n", "apiVersion: v2\n", "acme.yaml:35: Secret acme-keys apiVersion: 'v2' is unknown; write v1"
    ),
    "missing spec": Mistake(
        "spec:\n  hosts:", "status:\n  hosts:", "server.yaml:1: WebhookServer trackpush/main spec: is missing; set it"
    ),
    "missing Secret": Mistake(
        "name: acme-keys, key: clickpost",
        "name: acme-key, key: clickpost",
        (
            "acme.yaml:8: AggregatorWebhook acme/clickpost spec.keys[0].secretKeyRef.name: Secret "
            '"acme-key" is not in namespace "acme"; did you mean acme-keys?'
        ),
    ),
    "missing key of a Secret": Mistake(
        "name: acme-keys, key: oms",
        "name: acme-keys, key: omz",
        (
            "acme.yaml:20: PushConfig acme/oms spec.headers[0].valueFrom.secretKeyRef.key: Secret "
            '"acme-keys" has no key "omz" (found: "ca", "clickpost", "oms", "signing"); add it or fix the '
            "key"
        ),
    ),
    "duplicate YAML key": Mistake(
        "  url: https",
        "  url: https://x.example\n  url: https",
        "acme.yaml:19: invalid YAML: duplicate key 'url'; remove one; nothing after this line is read",
    ),
    "same resource twice": Mistake(
        "kind: Secret\nmeta",
        "kind: Secret\nmetadata: {name: acme-keys, namespace: acme}\n---\napiVersion: v1\nkind: Secret\nmeta",
        "acme.yaml:39: Secret acme/acme-keys: is defined twice, first at acme.yaml:35; remove one",
    ),
    "tab": Mistake(
        "  delivery:\n",
        "\tdelivery:\n",
        (
            "acme.yaml:30: invalid YAML: a tab, which YAML does not allow here; indent with spaces; nothing "
            "after this line is read"
        ),
    ),
    "unclosed quote": Mistake(
        "url: https://oms.acme.example/hooks",
        'url: "https://oms.acme.example/hooks',
        (
            "acme.yaml:18: invalid YAML: a quote opens here and is not closed on its line; close it; "
            "nothing after this line is read"
        ),
    ),
    "unclosed quote at the end": Mistake(
        "oms: acme-oms-key",
        "oms: 'acme-oms-key",
        (
            "acme.yaml:40: invalid YAML: a quote opens here and is not closed on its line; close it; "
            "nothing after this line is read"
        ),
    ),
    "colon in a value": Mistake(
        "value: rms}",
        "value: a: b}",
        (
            "acme.yaml:21: invalid YAML: a list or mapping that is not closed; add a comma or }; nothing "
            "after this line is read"
        ),
    ),
    "wrong indentation": Mistake(
        "    timeout: 10s",
        "   timeout: 10s",
        (
            "acme.yaml:32: invalid YAML: a colon inside a value, or a wrong indentation; put the value in "
            "quotes, or align it with its neighbours; nothing after this line is read"
        ),
    ),
    "unclosed bracket": Mistake(
        "[DELIVERED, RTO_DELIVERED]",
        "[DELIVERED, RTO_DELIVERED",
        (
            "acme.yaml:28: invalid YAML: a list or mapping that is not closed; add a comma or ]; nothing "
            "after this line is read"
        ),
    ),
    "alias": Mistake(
        "namespace: acme\nspec:\n  url: https://oms.acme.example/hooks",
        "namespace: acme\nspec:\n  url: *u",
        (
            "acme.yaml:18: invalid YAML: aliases (*name) are not supported; write the value itself; nothing after "
            "this line is read"
        ),
    ),
    "URL without scheme": Mistake(
        "https://oms.acme",
        "oms.acme",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: found 'oms.acme.example'; write a URL that begins "
            "with https:// or http://"
        ),
    ),
    "URL with a password": Mistake(
        "https://oms.acme",
        "https://u:p@oms.acme",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: the URL contains a user or password: use spec.auth or "
            "spec.headers with a Secret"
        ),
    ),
    "URL with a bad port": Mistake(
        "acme.example/hooks",
        "acme.example:6000/hooks",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: port 6000 is refused: it is a port of another "
            "protocol (Fetch Standard, bad ports); use another"
        ),
    ),
    "URL of a metadata address": Mistake(
        "oms.acme.example/hooks",
        "169.254.169.254/hooks",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: pushes may not go to 169.254.169.254, which is a "
            "cloud metadata address (RFC 3927; AWS, Azure, Google Cloud instance metadata); if this is "
            "meant, add it to egress.allowedCIDRs of the WebhookServer"
        ),
    ),
    "URL of localhost": Mistake(
        "oms.acme.example/hooks",
        "localhost/hooks",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: pushes may not go to 127.0.0.1, which is loopback "
            "(RFC 1122, 3.2.1.3); if this is meant, add it to egress.allowedCIDRs of the WebhookServer"
        ),
    ),
    "URL with a fragment": Mistake(
        "example/hooks",
        "example/hooks#a",
        ("acme.yaml:18: warning: PushConfig acme/oms spec.url: has a fragment (#…), which is never sent; remove it"),
    ),
    "http with httpsOnly": Mistake(
        "https://oms",
        "http://oms",
        (
            "acme.yaml:18: PushConfig acme/oms spec.url: plain http is refused: use an https URL, or set "
            "egress.httpsOnly: false in the WebhookServer"
        ),
    ),
    "duration without unit": Mistake(
        "timeout: 10s",
        "timeout: 10",
        (
            "acme.yaml:31: PushConfig acme/oms spec.delivery.timeout: must be a string, found the number "
            '10: put it in quotes and give it a unit: "10s"'
        ),
    ),
    "duration as a text without unit": Mistake(
        "timeout: 10s",
        'timeout: "10"',
        (
            "acme.yaml:31: PushConfig acme/oms spec.delivery.timeout: found '10', which has no unit; write "
            "a duration such as 10s"
        ),
    ),
    "duration with a word": Mistake(
        "timeout: 10s",
        "timeout: 10 seconds",
        (
            "acme.yaml:31: PushConfig acme/oms spec.delivery.timeout: found '10 seconds'; write a duration "
            "with its unit, such as 500ms, 30s, 5m, 2h or 3d"
        ),
    ),
    "duration too long": Mistake(
        "timeout: 10s",
        "timeout: 5m",
        "acme.yaml:31: PushConfig acme/oms spec.delivery.timeout: must be more than 0 and at most 2m",
    ),
    "unknown aggregator": Mistake(
        "aggregator: Clickpost",
        "aggregator: clickpost",
        ("acme.yaml:5: AggregatorWebhook acme/clickpost spec.aggregator: found 'clickpost'; did you mean Clickpost?"),
    ),
    "unknown aggregator of a host": Mistake(
        "[Clickpost, Shiprocket]",
        "[Clickpost, ShipRocket]",
        (
            "server.yaml:6: WebhookServer trackpush/main spec.hosts[0].aggregators[1]: found 'ShipRocket'; "
            "did you mean Shiprocket?"
        ),
    ),
    "unknown direction": Mistake(
        "[Forward, RTO]",
        "[forward, RTO]",
        "acme.yaml:28: PushConfig acme/oms spec.filter.directions[0]: found 'forward'; did you mean Forward?",
    ),
    "CEL: unknown variable": Mistake(
        "status.code ==",
        "status.cod ==",
        (
            "acme.yaml:29: PushConfig acme/oms spec.filter.expression: line 1, column 16: undeclared "
            "reference to 'status.cod'; did you mean status.code?"
        ),
    ),
    "CEL: syntax": Mistake(
        "!test && status",
        "!test && && status",
        (
            "acme.yaml:29: PushConfig acme/oms spec.filter.expression: line 1, column 10: Syntax error: "
            "extraneous input '&&'; correct it"
        ),
    ),
    "CEL: type": Mistake(
        "\"!test && status.code == 'DELIVERED'\"",
        "status.code",
        (
            "acme.yaml:29: PushConfig acme/oms spec.filter.expression: has the type string, but must have the type"
            " bool; add a comparison, such as =="
        ),
    ),
    "CEL: pattern": Mistake(
        "status.code == 'DELIVERED'",
        "shipment.awb.matches('(')",
        (
            "acme.yaml:29: PushConfig acme/oms spec.filter.expression: matches('('): the text is not a "
            "regular expression of RE2 (missing )); correct it"
        ),
    ),
    "CEL: unknown status": Mistake(
        "== 'DELIVERED'",
        "== 'DELIVRED'",
        (
            "acme.yaml:29: warning: PushConfig acme/oms spec.filter.expression: status.code is never "
            "'DELIVRED'; did you mean DELIVERED?"
        ),
    ),
    "CEL: code of an aggregator": Mistake(
        "== 'DELIVERED'",
        "== '8'",
        (
            "acme.yaml:29: warning: PushConfig acme/oms spec.filter.expression: status.code is never '8'; "
            "it is the aggregator's code: did you mean DELIVERED or CANCELLED or INFO, or "
            "status.aggregatorCode == '8'?"
        ),
    ),
    "CEL: direction": Mistake(
        "status.code == 'DELIVERED'",
        "shipment.direction in ['Forward']",
        (
            "acme.yaml:29: warning: PushConfig acme/oms spec.filter.expression: shipment.direction is never "
            "'Forward'; did you mean forward?"
        ),
    ),
    "CEL: canonical name as a code": Mistake(
        "status.code == 'DELIVERED'",
        "status.aggregatorCode == 'DELIVERED'",
        (
            "acme.yaml:29: warning: PushConfig acme/oms spec.filter.expression: status.aggregatorCode holds "
            "the aggregator's own code; did you mean status.code == 'DELIVERED'?"
        ),
    ),
    "unknown status": Mistake(
        "[DELIVERED, RTO",
        "[DELIVRED, RTO",
        (
            "acme.yaml:27: warning: PushConfig acme/oms spec.filter.statuses[0]: 'DELIVRED' is neither a "
            "canonical status nor a known code of Clickpost or Shiprocket or Shipway; did you mean "
            "DELIVERED?"
        ),
    ),
    "status in lower case": Mistake(
        "[DELIVERED, RTO",
        "[delivered, RTO",
        (
            "acme.yaml:27: warning: PushConfig acme/oms spec.filter.statuses[0]: 'delivered' is neither a "
            "canonical status nor a known code of Clickpost or Shiprocket or Shipway; did you mean "
            "DELIVERED?"
        ),
    ),
    "status with a space": Mistake(
        "RTO_DELIVERED]",
        "RTO DELIVERED]",
        (
            "acme.yaml:27: warning: PushConfig acme/oms spec.filter.statuses[1]: 'RTO DELIVERED' is neither "
            "a canonical status nor a known code of Clickpost or Shiprocket or Shipway; did you mean "
            "RTO_DELIVERED?"
        ),
    ),
    "status that is a number": Mistake(
        "[DELIVERED, RTO_DELIVERED]",
        "[8]",
        (
            "acme.yaml:27: PushConfig acme/oms spec.filter.statuses[0]: must be a string, found the number "
            "8: put it in quotes"
        ),
    ),
    "canonical status of an AggregatorWebhook": Mistake(
        '["8", "14"]',
        "[DELIVERED]",
        (
            "acme.yaml:10: warning: AggregatorWebhook acme/clickpost spec.statuses[0]: 'DELIVERED' is a "
            "canonical status and not a code of Clickpost, which this list accepts; did you mean '8' "
            "(DELIVERED)?"
        ),
    ),
    "misspelt status of an AggregatorWebhook": Mistake(
        '["8", "14"]',
        "[delivred]",
        (
            "acme.yaml:10: warning: AggregatorWebhook acme/clickpost spec.statuses[0]: 'delivred' is not "
            "known and not a code of Clickpost, which this list accepts; did you mean '8' (DELIVERED)?"
        ),
    ),
    "unknown code of an AggregatorWebhook": Mistake(
        '["8", "14"]',
        '["8888"]',
        (
            "acme.yaml:10: warning: AggregatorWebhook acme/clickpost spec.statuses[0]: '8888' is not known "
            "as a code of Clickpost, which this list accepts; compare it with the panel of the aggregator"
        ),
    ),
    "duplicate entry": Mistake(
        '["8", "14"]',
        '["8", "8"]',
        "acme.yaml:10: AggregatorWebhook acme/clickpost spec.statuses[1]: duplicate entry '8'; remove one",
    ),
    "header name": Mistake(
        "name: X-Source",
        "name: X Source",
        (
            "acme.yaml:21: PushConfig acme/oms spec.headers[1].name: found 'X Source'; write a header name, "
            "such as X-Api-Key"
        ),
    ),
    "reserved header": Mistake(
        "name: X-Source",
        "name: content-length",
        (
            "acme.yaml:21: PushConfig acme/oms spec.headers[1].name: the header content-length is set by "
            "Trackpush itself; remove it"
        ),
    ),
    "header of a replay": Mistake(
        "name: X-Source",
        "name: trackpush-replay",
        (
            "acme.yaml:21: PushConfig acme/oms spec.headers[1].name: the header trackpush-replay is set by "
            "Trackpush itself; remove it"
        ),
    ),
    "duplicate header": Mistake(
        "name: X-Source",
        "name: x-acme-key",
        "acme.yaml:21: PushConfig acme/oms spec.headers[1].name: duplicate header x-acme-key; remove one",
    ),
    "header with a control byte": Mistake(
        "value: rms",
        'value: "a\\u0001b"',
        (
            "acme.yaml:21: PushConfig acme/oms spec.headers[1].value: found a text of 3 characters; write "
            "one line of printable ASCII characters"
        ),
    ),
    "header without a value": Mistake(
        "{name: X-Source, value: rms}",
        "{name: X-Source}",
        "acme.yaml:21: PushConfig acme/oms spec.headers[1]: set exactly one of value and valueFrom",
    ),
    "header with spaces": Mistake(
        "value: rms",
        'value: " rms"',
        (
            "acme.yaml:21: warning: PushConfig acme/oms spec.headers[1].value: has whitespace at its ends, "
            "which is not sent; remove it"
        ),
    ),
    "huge inline value": Mistake(
        "value: rms",
        f"value: {'r' * 9000}",
        ("acme.yaml:21: PushConfig acme/oms spec.headers[1].value: has 9000 characters; at most 8192 are allowed"),
    ),
    "huge value of a Secret": Mistake(
        "oms: acme-oms-key",
        f"oms: {'r' * 9000}",
        (
            "acme.yaml:20: PushConfig acme/oms spec.headers[0].valueFrom: the Secret's value: has 9000 "
            "bytes; a header carries at most 8192"
        ),
    ),
    "long list": Mistake(
        '["8", "14"]',
        str([str(n) for n in range(150)]),
        ("acme.yaml:10: AggregatorWebhook acme/clickpost spec.statuses: has 150 entries; at most 100 are allowed"),
    ),
    "namespace not allowed": Mistake(
        "{from: All}",
        "{from: Same}",
        (
            "acme.yaml:3: AggregatorWebhook acme/clickpost metadata.namespace: WebhookServer trackpush/main "
            "doesn't serve namespace acme (allowedNamespaces.from: Same); allow it there"
        ),
    ),
    "namespace without the label": Mistake(
        "{from: All}",
        "{from: Selector, selector: {matchLabels: {tier: gold}}}",
        (
            "acme.yaml:3: AggregatorWebhook acme/clickpost metadata.namespace: WebhookServer trackpush/main "
            "doesn't serve namespace acme (allowedNamespaces.from: Selector, of namespaces with the labels "
            "tier=gold); allow it there"
        ),
    ),
    "serverRef to nowhere": Mistake(
        "{name: main, namespace: trackpush}\n  keys",
        "{name: mian}\n  keys",
        (
            "acme.yaml:6: AggregatorWebhook acme/clickpost spec.serverRef: no WebhookServer acme/mian "
            "(found: trackpush/main); fix it"
        ),
    ),
    "PushConfig that is not there": Mistake(
        "[{name: oms}]",
        "[{name: omz}]",
        (
            "acme.yaml:9: AggregatorWebhook acme/clickpost spec.pushConfigRefs[0].name: no PushConfig "
            "acme/omz; its pushes wait until it exists"
        ),
    ),
    "DSN": Mistake(
        "{sqlite: {size: 10Gi}}",
        "{postgres: {dsnSecretRef: {name: db, key: dsn}}}",
        (
            "server.yaml:8: WebhookServer trackpush/main spec.storage.postgres.dsnSecretRef.name: Secret "
            '"db" is not in namespace "trackpush"; create it or fix the name'
        ),
    ),
    "two storages": Mistake(
        "{sqlite: {size: 10Gi}}",
        "{sqlite: {}, postgres: {dsnSecretRef: {name: a, key: b}}}",
        "server.yaml:8: WebhookServer trackpush/main spec.storage: set exactly one of sqlite and postgres",
    ),
    "CIDR": Mistake(
        "[10.0.0.0/8]",
        "[10.0.0.0/99]",
        (
            "server.yaml:11: WebhookServer trackpush/main spec.egress.allowedCIDRs[0]: found '10.0.0.0/99'; "
            "write an address range with its length, such as 10.0.0.0/8 or fd00::/8"
        ),
    ),
    "CIDR with host bits": Mistake(
        "[10.0.0.0/8]",
        "[127.0.0.5/8]",
        (
            "server.yaml:11: warning: WebhookServer trackpush/main spec.egress.allowedCIDRs[0]: 127.0.0.5/8 "
            "is read as 127.0.0.0/8: the bits after /8 are ignored; write 127.0.0.0/8"
        ),
    ),
    "CIDR without length": Mistake(
        "[10.0.0.0/8]",
        "[10.0.0.0]",
        (
            "server.yaml:11: WebhookServer trackpush/main spec.egress.allowedCIDRs[0]: found '10.0.0.0'; "
            "write an address range with its length, such as 10.0.0.0/8 or fd00::/8"
        ),
    ),
    "base64": Mistake(
        "stringData:\n  clickpost: acme-clickpost-key-1",
        "data: {clickpost: '!!'}\nstringData:",
        "acme.yaml:38: Secret acme/acme-keys data.clickpost: is not base64; encode it, or use stringData",
    ),
    "empty key": Mistake(
        "clickpost: acme-clickpost-key-1",
        'clickpost: ""',
        (
            'acme.yaml:8: AggregatorWebhook acme/clickpost spec.keys[0].secretKeyRef.key: key "clickpost" '
            'of Secret "acme-keys" is empty; set it'
        ),
    ),
    "empty list": Mistake(
        '["8", "14"]', "[]", "acme.yaml:10: AggregatorWebhook acme/clickpost spec.statuses: is empty; set it"
    ),
    "empty list of keys": Mistake(
        "\n    - {secretKeyRef: {name: acme-keys, key: clickpost}}",
        " []",
        "acme.yaml:7: AggregatorWebhook acme/clickpost spec.keys: is empty; set it",
    ),
    "trailing newline": Mistake(
        "oms: acme-oms-key",
        'oms: "acme-oms-key\\n"',
        (
            "acme.yaml:20: warning: PushConfig acme/oms spec.headers[0].valueFrom.secretKeyRef.key: key "
            '"oms" of Secret "acme-keys" has whitespace at its ends, which is ignored; write it without '
            "(printf, not echo)"
        ),
    ),
    "key with a line break": Mistake(
        "clickpost: acme-clickpost-key-1",
        'clickpost: "acme\\r\\nkey-1234"',
        (
            'acme.yaml:8: AggregatorWebhook acme/clickpost spec.keys[0].secretKeyRef.key: key "clickpost" '
            'of Secret "acme-keys" contains a line break or a control character, which no aggregator can send; '
            "remove it"
        ),
    ),
    "short key": Mistake(
        "clickpost: acme-clickpost-key-1",
        "clickpost: acme",
        (
            "acme.yaml:8: warning: AggregatorWebhook acme/clickpost spec.keys[0]: this key is short and can "
            "be guessed; use 16 characters or more"
        ),
    ),
    "schedule and backoff": Mistake(
        "{schedule: [5s, 1m]}",
        "{schedule: [5s, 1m], backoff: {}}",
        "acme.yaml:33: PushConfig acme/oms spec.delivery.retry: set schedule or backoff, not both",
    ),
    "signing secret": Mistake(
        "signing: whsec_",
        "signing: secret_",
        (
            "acme.yaml:23: PushConfig acme/oms spec.signing.secrets[0]: the Secret's value is not a signing "
            "secret: whsec_ and base64 of 24 to 64 bytes"
        ),
    ),
    "certificate": Mistake(
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICAT-----",
        (
            "acme.yaml:25: PushConfig acme/oms spec.tls.ca: the Secret's value is not a certificate in PEM; it "
            "must contain -----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----"
        ),
    ),
    "number in stringData": Mistake(
        "acme-clickpost-key-1",
        "0123456701234567",
        "acme.yaml:39: Secret acme/acme-keys stringData.clickpost: is a number: put it in quotes",
    ),
    "true or false in stringData": Mistake(
        "acme-oms-key", "yes", "acme.yaml:40: Secret acme/acme-keys stringData.oms: is true or false: put it in quotes"
    ),
    "date in stringData": Mistake(
        "acme-oms-key", "2026-01-31", "acme.yaml:40: Secret acme/acme-keys stringData.oms: is a date: put it in quotes"
    ),
    "name with capitals": Mistake(
        "  name: oms\n",
        "  name: OMS_1\n",
        (
            "acme.yaml:15: PushConfig OMS_1 metadata.name: 'OMS_1' is refused by Kubernetes; write at most "
            "253 lower-case letters, digits, - and ., a letter or digit at both ends"
        ),
    ),
    "name that is a number": Mistake(
        "  name: oms\n", "  name: 17\n", "acme.yaml:15: PushConfig metadata.name: is a number: put it in quotes"
    ),
    "missing name": Mistake("  name: oms\n", "", "acme.yaml:14: PushConfig metadata.name: is missing; set it"),
    "namespace with a dot": Mistake(
        "  namespace: acme\nspec",
        "  namespace: acme.in\nspec",
        (
            "acme.yaml:16: PushConfig oms metadata.namespace: 'acme.in' is refused by Kubernetes; write at "
            "most 63 lower-case letters, digits and -, a letter or digit at both ends"
        ),
    ),
    "missing namespace": Mistake(
        "  namespace: acme\nspec",
        "spec",
        'acme.yaml:14: warning: PushConfig oms metadata.namespace: is missing, so "default" is used; set it',
    ),
    "name of the server": Mistake(
        "{name: main, namespace: trackpush}\nspec",
        "{name: 1main, namespace: trackpush}\nspec",
        (
            "server.yaml:3: WebhookServer trackpush/1main metadata.name: '1main' can't be the name of its "
            "Service; write at most 50 lower-case letters, digits and -, a letter first"
        ),
    ),
    "label": Mistake(
        "  name: oms\n",
        "  name: oms\n  labels: {tier: a b}\n",
        (
            "acme.yaml:16: PushConfig acme/oms metadata.labels.tier: 'a b' is refused by Kubernetes; write "
            "at most 63 letters, digits, -, _ and ., a letter or digit at both ends"
        ),
    ),
    "label that is a number": Mistake(
        "  name: oms\n",
        "  name: oms\n  labels: {tier: 1}\n",
        "acme.yaml:16: PushConfig acme/oms metadata.labels.tier: is a number: put it in quotes",
    ),
    "whole number expected": Mistake(
        "maxConcurrency: 16",
        "maxConcurrency: many",
        ("acme.yaml:32: PushConfig acme/oms spec.delivery.maxConcurrency: must be a whole number, found 'many'"),
    ),
    "number out of bounds": Mistake(
        "maxConcurrency: 16",
        "maxConcurrency: 0",
        ("acme.yaml:32: PushConfig acme/oms spec.delivery.maxConcurrency: found the number 0; write at least 1"),
    ),
    "true or false expected": Mistake(
        "httpsOnly: true",
        "httpsOnly: 'true'",
        ("server.yaml:10: WebhookServer trackpush/main spec.egress.httpsOnly: must be true or false, found 'true'"),
    ),
    "list expected": Mistake(
        '["8", "14"]',
        "DELIVERED",
        (
            "acme.yaml:10: AggregatorWebhook acme/clickpost spec.statuses: must be a list (- one entry a "
            "line), found 'DELIVERED'"
        ),
    ),
    "mapping expected": Mistake(
        "  egress:\n    httpsOnly: true\n    allowedCIDRs: [10.0.0.0/8]",
        "  egress: [a]",
        ("server.yaml:9: WebhookServer trackpush/main spec.egress: must be a mapping (KEY: VALUE), found a list"),
    ),
    "Shiprocket's word": Mistake(
        "host: saas.increff.com",
        "host: sr.increff.com",
        (
            "server.yaml:6: WebhookServer trackpush/main spec.hosts[0].host: Shiprocket's panel refuses "
            "https://sr.increff.com/rms/in/api/st/notify: it contains 'sr'; use another host or path for it"
        ),
    ),
    "host": Mistake(
        "host: saas.increff.com",
        "host: https://saas.increff.com",
        (
            "server.yaml:6: WebhookServer trackpush/main spec.hosts[0].host: found "
            "'https://saas.increff.com'; write a host name in lower case, without scheme, port and path, "
            "such as saas.increff.com"
        ),
    ),
    "autoscaling with SQLite": Mistake(
        "  storage:",
        "  autoscaling: {maxReplicas: 4}\n  storage:",
        (
            "server.yaml:4: WebhookServer trackpush/main spec: SQLite serves one replica: remove "
            "autoscaling, or use storage.postgres"
        ),
    ),
    "text instead of a resource": Mistake(
        "apiVersion: v1\n",
        "just words\n---\napiVersion: v1\n",
        "acme.yaml:35: a resource is a mapping with apiVersion, kind and metadata, found a string",
    ),
}


@every_row("name", MISTAKES)
def test_a_mistake_is_reported_first_with_its_place_what_was_found_and_what_to_write(name: str) -> None:
    mistake = MISTAKES[name]
    assert problems(FILES) == []
    found = problems(edited(mistake.old, mistake.new))
    assert mistake.says in found
    if name not in LATER:
        assert found[0] == mistake.says


LATER = frozenset({"same resource twice"})
"""Mistakes that others stand before, by their lines."""


def test_two_clients_with_one_key_are_both_named() -> None:
    first, second = problems(FILES | {"zen.yaml": RIVAL})
    assert first.startswith("zen.yaml:8: AggregatorWebhook zen/clickpost spec.keys[0]: this key is taken by")
    assert first.endswith("AggregatorWebhook acme/clickpost; use another key")
    assert "no PushConfig zen/oms" in second, "what follows from something missing comes last"


def test_no_message_has_words_of_a_library() -> None:
    told = "\n".join(problem for mistake in MISTAKES.values() for problem in problems(edited(mistake.old, mistake.new)))
    for words in (
        "Input should",
        "after validation",
        "Extra inputs",
        "String should",
        "pydantic",
        "found character",
        "None",
    ):
        assert words not in told
