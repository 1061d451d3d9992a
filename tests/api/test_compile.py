"""Resources and Secrets to a routing table: what is served, and what each mistake is told as."""

import base64
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.rows import every_row
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Severity
from trackpush_api.quantities import seconds
from trackpush_api.routing import digest_key
from trackpush_api.vocabulary import Aggregator, Direction
from trackpush_cli.errors import CommandError
from trackpush_cli.folder import compile_all, read_folder

DESIGN = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts:
    - {host: saas.increff.com, aggregators: [Clickpost, Shiprocket]}
    - {host: saas.nextscm.com, aggregators: [Shipway]}
  basePath: /rms/in/api
  allowedNamespaces: {from: All}            # Same | All | Selector (with selector:)
  storage: {sqlite: {size: 10Gi}}           # or postgres: {dsnSecretRef: {name: db, key: dsn}}
  egress: {httpsOnly: true, allowedCIDRs: [], deniedCIDRs: []}
  expose: {ingress: {className: traefik, tlsSecretName: saas-tls}}
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: clickpost, namespace: acme}
spec:
  aggregator: Clickpost
  serverRef: {name: main, namespace: trackpush}
  keys: [{secretKeyRef: {name: acme-keys, key: clickpost}}]
  pushConfigRefs: [{name: oms}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec:
  url: https://oms.acme.example/hooks/shipments
  headers:
    - {name: X-Acme-Key, valueFrom: {secretKeyRef: {name: acme-keys, key: oms}}}
    - {name: X-Source, value: rms}
  payload: {format: Canonical}
  filter: {statuses: [DELIVERED, RTO_DELIVERED], directions: [Forward, RTO, Reverse]}   # all by default
  delivery: {timeout: 10s, retry: {maxAge: 72h}, maxConcurrency: 16, ordering: PerShipment,
             rateLimit: {requests: 50, per: 1s}}
---
apiVersion: v1
kind: Secret
metadata: {name: acme-keys, namespace: acme}
stringData: {clickpost: "k-1", oms: "s-1"}
"""


def compiled(text: str) -> Compiled:
    parsed = parse_manifests({"r.yaml": text})
    result = compile_table(parsed.resources, parsed.secrets)
    problems = tuple(sorted((*parsed.problems, *result.problems), key=lambda problem: problem.order))
    return Compiled(table=result.table, problems=problems)


def errors(text: str) -> list[str]:
    return [str(problem) for problem in compiled(text).problems if problem.severity is Severity.ERROR]


def changed(old: str, new: str) -> str:
    assert old in DESIGN
    return DESIGN.replace(old, new)


def test_the_designs_example_compiles_whole() -> None:
    assert errors(DESIGN) == []
    table = compiled(DESIGN).table
    assert table is not None
    (account,) = table.accounts
    assert (account.name, account.destinations) == ("acme/clickpost", ("acme/oms",))
    assert table.account_by_digest[Aggregator.CLICKPOST, digest_key("k-1")] is account
    (destination,) = table.destinations
    assert destination.headers == (("X-Acme-Key", "s-1"), ("X-Source", "rms"))
    assert destination.filter.directions == set(Direction)
    assert destination.retry.max_age == 72 * 3600
    assert table.server.hosts[1].aggregators == {Aggregator.SHIPWAY}


def test_the_samples_are_clean() -> None:
    found = compile_all(Path(__file__).parents[2] / "manifests" / "samples", server=None)
    assert found.problems == ()
    assert found.table is not None
    assert {account.aggregator for account in found.table.accounts} == set(Aggregator)


@every_row(
    ("old", "new", "expected"),
    [
        ("key: clickpost}}]", "key: click}}]", "r.yaml:21: AggregatorWebhook acme/clickpost spec.keys[0].secret"),
        ("key: clickpost}}]", "key: click}}]", 'no key "click" (found: "clickpost", "oms"); did you mean clickpost?'),
        ("name: acme-keys, key: clickpost", "name: nope, key: clickpost", 'Secret "nope" is not in namespace "acme"'),
        ('clickpost: "k-1"', 'clickpost: ""', 'key "clickpost" of Secret "acme-keys" is empty; set it'),
        ("pushConfigRefs: [{name: oms}]", "pushConfigRefs: [{name: omz}]", "no PushConfig acme/omz; its pushes wait"),
        ("{name: main, namespace: trackpush}\n  keys", "{name: other}\n  keys", "no WebhookServer acme/other"),
        ("allowedNamespaces: {from: All}", "allowedNamespaces: {from: Same}", "doesn't serve namespace acme"),
        ("url: https://oms", "url: http://oms", "plain http is refused: use an https URL"),
        ("timeout: 10s", "timeout: 10", "timeout: must be a string, found the number 10: put it in quotes and give"),
        ("timeout: 10s", "timeout: 10sec", "spec.delivery.timeout: found '10sec'; write a duration with its"),
        ("url: https://oms", "url: oms", "spec.url: found 'oms.acme.example'; write a URL that begins with"),
        ("timeout: 10s", "timeout: 5m", "must be more than 0 and at most 2m"),
        ("pushConfigRefs: [{name: oms}]", "expectEvery: 30s", "AggregatorWebhook acme/clickpost spec.expectEvery"),
        ("pushConfigRefs: [{name: oms}]", "expectEvery: 91d", "found 91d, must be between 1m and 90d; until you"),
        ("pushConfigRefs: [{name: oms}]", "expectEvery: 6", "give it a unit"),
        ("maxConcurrency: 16", "maxConcurency: 16", "unknown field; did you mean maxConcurrency?"),
        ("{name: X-Source, value: rms}", "{name: X-Source}", "set exactly one of value and valueFrom"),
        ("name: X-Source", "name: Host", "the header Host is set by Trackpush itself; remove it"),
        ("name: X-Source", "name: webhook-id", "set by Trackpush itself"),
        ("name: X-Source", "name: x-acme-key", "duplicate header x-acme-key; remove one"),
        ("value: rms", 'value: "a\\nb"', "spec.headers[1].value"),
        ('oms: "s-1"', 'oms: "a\\nb"', "is a line break or a control character, which no header may contain"),
        ("storage: {sqlite: {size: 10Gi}}", "storage: {postgres: {dsnSecretRef: {name: db, key: dsn}}}",
         'WebhookServer trackpush/main spec.storage.postgres.dsnSecretRef.name: Secret "db" is not in namespace'),
        ("storage: {sqlite: {size: 10Gi}}", "storage: {}", "set exactly one of sqlite and postgres"),
        ("basePath: /rms/in/api", "basePath: /rms/sr/api", "Shiprocket's panel refuses"),
        ("allowedCIDRs: []", "allowedCIDRs: ['1:2:3:4:5::6:7:8:9/64']",
         "spec.egress.allowedCIDRs[0]: '1:2:3:4:5::6:7:8:9/64' is not a CIDR"),
        ("basePath: /rms/in/api", "autoscaling: {maxReplicas: 4}", "SQLite serves one replica: remove autoscaling"),
        ("basePath: /rms/in/api", "autoscaling: {maxReplicas: 1}", "minReplicas is more than maxReplicas"),
        ("basePath: /rms/in/api", "replicas: 2", "SQLite serves one replica: set replicas to 1"),
        ("filter: {statuses", "filter: {expression: 'status.cod == \"8\"', statuses",
         "PushConfig acme/oms spec.filter.expression: line 1, column 7: undeclared reference to 'status.cod'; did you"),
        ("payload: {format: Canonical}", "url: https://x.example", "invalid YAML: duplicate key 'url'; remove one"),
        ("kind: PushConfig", "kind: PushConfg", "no PushConfig acme/oms"),
        ("aggregator: Clickpost\n", "aggregator: Clickpst\n", "spec.aggregator"),
        ("metadata: {name: oms, namespace: acme}", "metadata: {namespace: acme}", "metadata.name: is missing; set it"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_with_what_to_do(old: str, new: str, expected: str) -> None:
    found = errors(changed(old, new))
    assert any(expected in message for message in found), found


@every_row(
    ("old", "new", "condition", "reason"),
    [
        ("key: clickpost}}]", "key: click}}]", "ResolvedRefs", "SecretKeyNotFound"),
        ("name: acme-keys, key: clickpost", "name: nope, key: clickpost", "ResolvedRefs", "SecretNotFound"),
        ('clickpost: "k-1"', 'clickpost: ""', "ResolvedRefs", "SecretValueInvalid"),
        ('oms: "s-1"', 'oms: "a\\nb"', "ResolvedRefs", "SecretValueInvalid"),
        ("pushConfigRefs: [{name: oms}]", "pushConfigRefs: [{name: omz}]", "ResolvedRefs", "PushConfigNotFound"),
        ("pushConfigRefs: [{name: oms}]\n---\napiVersion: trackpush.dev/v1alpha1\nkind: PushConfig",
         "\n---\nkind: List", "ResolvedRefs", "NoPushConfig"),
        ("{name: main, namespace: trackpush}\n  keys", "{name: other}\n  keys", "Accepted", "ServerNotFound"),
        ("allowedNamespaces: {from: All}", "allowedNamespaces: {from: Same}", "Accepted", "NamespaceNotAllowed"),
        ("url: https://oms", "url: http://oms", "Accepted", "Invalid"),
        ("timeout: 10s", "timeout: soon", "Accepted", "Invalid"),
        ("filter: {statuses", "filter: {expression: '1 +', statuses", "Accepted", "Invalid"),
        ("basePath: /rms/in/api", "basePath: /rms/sr/api", "Accepted", "ForbiddenWord"),
    ],
)  # fmt: skip
def test_each_mistake_has_the_reason_that_its_condition_shows(old: str, new: str, condition: str, reason: str) -> None:
    found = [(problem.condition, problem.reason) for problem in compiled(changed(old, new)).problems]
    assert (condition, reason) in found


def test_a_hint_concerns_no_condition() -> None:
    (hint,) = [problem for problem in compiled(DESIGN).problems if "is short" in problem.message]
    assert hint.condition is None


def test_everything_wrong_is_reported_at_once() -> None:
    text = changed("timeout: 10s", "timeout: soon").replace("key: clickpost}}]", "key: click}}]")
    text = text.replace("storage: {sqlite: {size: 10Gi}}", "storage: {postgres: {dsnSecretRef: {name: db, key: dsn}}}")
    assert len(errors(text)) == 3


def test_a_broken_push_config_keeps_its_place_in_the_account_so_that_its_pushes_wait() -> None:
    table = compiled(changed("timeout: 10s", "timeout: soon")).table
    assert table is not None
    assert table.destinations == ()
    assert table.accounts[0].destinations == ("acme/oms",)


def test_destinations_stay_when_an_accounts_keys_are_gone_so_that_what_is_stored_is_still_pushed() -> None:
    table = compiled(changed('clickpost: "k-1"', 'clickpost: ""')).table
    assert table is not None
    assert (table.accounts, [destination.name for destination in table.destinations]) == ((), ["acme/oms"])


def test_one_missing_key_of_two_leaves_the_other_at_work() -> None:
    text = changed(
        "keys: [{secretKeyRef: {name: acme-keys, key: clickpost}}]",
        "keys: [{secretKeyRef: {name: acme-keys, key: gone}}, {secretKeyRef: {name: acme-keys, key: clickpost}}]",
    )
    table = compiled(text).table
    assert table is not None
    assert table.accounts[0].key_digests == (digest_key("k-1"),)
    assert len(errors(text)) == 1


SECOND = """
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: clickpost, namespace: rival, creationTimestamp: "2020-01-01T00:00:00Z"}
spec:
  aggregator: Clickpost
  serverRef: {name: main, namespace: trackpush}
  keys: [{secretKeyRef: {name: k, key: k}}]
---
apiVersion: v1
kind: Secret
metadata: {name: k, namespace: rival}
data: {k: ay0x}
"""


def test_a_key_that_two_claim_stays_with_the_older_and_a_reader_of_all_files_learns_whose_it_is() -> None:
    result = compiled(DESIGN + SECOND)
    assert result.table is not None
    assert [account.name for account in result.table.accounts] == ["rival/clickpost"]
    (error,) = [str(problem) for problem in result.problems if problem.severity is Severity.ERROR]
    assert "AggregatorWebhook acme/clickpost" in error
    assert "this key is taken by AggregatorWebhook rival/clickpost; use another key" in error
    assert ("Accepted", "KeyConflict") in [(problem.condition, problem.reason) for problem in result.problems]


def test_basic_and_bearer_become_an_authorization_header() -> None:
    basic = changed(
        "payload: {format: Canonical}",
        "auth: {basic: {username: {secretKeyRef: {name: acme-keys, key: clickpost}},"
        " password: {secretKeyRef: {name: acme-keys, key: oms}}}}",
    )
    bearer = changed(
        "payload: {format: Canonical}", "auth: {bearer: {token: {secretKeyRef: {name: acme-keys, key: oms}}}}"
    )
    expected = "Basic " + base64.b64encode(b"k-1:s-1").decode()
    for text, value in ((basic, expected), (bearer, "Bearer s-1")):
        table = compiled(text).table
        assert table is not None
        assert table.destinations[0].headers[-1] == ("Authorization", value)


def test_the_revision_changes_with_a_secret_and_only_with_a_change() -> None:
    tables = [
        compiled(text).table for text in (DESIGN, DESIGN + "\n# a comment\n", changed('oms: "s-1"', 'oms: "s-2"'))
    ]
    revisions = [table.revision for table in tables if table is not None]
    assert revisions[0] == revisions[1] != revisions[2]


def test_no_problem_shows_a_secret_value() -> None:
    text = DESIGN.replace('"s-1"', '"marked-secret\\nx"').replace('"k-1"', '"marked-secret\\nsr"')
    assert "marked-secret" not in "".join(map(str, compiled(text).problems))


def test_several_servers_need_a_name() -> None:
    text = DESIGN + "\n---\n" + DESIGN.split("---", maxsplit=1)[0].replace("name: main", "name: other")
    assert any("several WebhookServers" in error for error in errors(text))
    parsed = parse_manifests({"r.yaml": text})
    assert compile_table(parsed.resources, parsed.secrets, server="trackpush/main").table is not None


def test_aliases_are_refused_before_they_expand() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert any("aliases" in error for error in errors(bomb))


def test_a_file_that_is_no_utf8_and_a_missing_folder_are_problems(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    assert [str(problem) for problem in read_folder(tmp_path).problems] == [
        "x.yaml: is not text in UTF-8; save it as UTF-8"
    ]
    with pytest.raises(CommandError, match="gone: No such file or directory; name a folder that holds the resour"):
        compile_all(tmp_path / "gone", server=None)


@every_row(("text", "value"), [("500ms", 0.5), ("1m30s", 90), ("72h", 259200), ("30d", 2592000)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_problems_never_an_exception(text: str) -> None:
    compiled(text)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(
    kind=st.sampled_from(["PushConfig", "AggregatorWebhook", "WebhookServer", "Secret", "List"]),
    spec=TREES,
    field=st.sampled_from(["url", "headers", "keys", "hosts", "delivery", "storage", "auth", "egress"]),
)
def test_any_tree_in_a_spec_gives_problems_never_an_exception(kind: str, spec: object, field: str) -> None:
    version = "v1" if kind in ("Secret", "List") else "trackpush.dev/v1alpha1"
    document = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "x", "namespace": "acme"},
        "spec": {field: spec},
        "data": spec,
        "items": spec,
    }
    compiled(DESIGN + "\n---\n" + yaml.safe_dump(document))


def test_hundreds_of_clients_compile_and_one_broken_one_affects_no_other() -> None:
    server, *client = DESIGN.split("---")
    texts = {"server.yaml": server}
    for number in range(300):
        text = "---".join(client).replace("acme", f"c{number}").replace("k-1", f"key-number-{number}")
        texts[f"{number}.yaml"] = text.replace("timeout: 10s", "timeout: soon") if number == 7 else text
    parsed = parse_manifests(texts)
    result = compile_table(parsed.resources, parsed.secrets)
    assert result.table is not None
    assert len(result.table.accounts) == 300
    assert len(result.table.destinations) == 299


def test_an_exception_while_a_resource_is_compiled_is_one_problem_of_this_resource() -> None:
    parsed = parse_manifests({"r.yaml": DESIGN + SECOND})
    secret = parsed.secrets["acme", "acme-keys"]
    secret.values["oms"] = 7  # type: ignore[assignment]  whatever a fault of ours may leave there
    result = compile_table(parsed.resources, parsed.secrets)
    assert result.table is not None
    assert [account.name for account in result.table.accounts] == ["rival/clickpost"]
    told = [str(problem) for problem in result.problems if "can't be compiled" in problem.message]
    assert len(told) == 1
    assert told[0].startswith(
        "r.yaml:27: PushConfig acme/oms spec: can't be compiled (AttributeError) because of an error"
    )
