"""AggregatorDefinitions in a folder: each mistake with its line, and what a server gets of the good ones."""

import itertools
import json
from collections.abc import Mapping

import pytest

from support.manifests import line_of
from trackpush_aggregators.library import LIBRARY
from trackpush_api import signature_bounds
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.definitions import MOST_BYTES
from trackpush_api.manifest import parse_manifests
from trackpush_api.namespaces import Memory
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.routing import Account, KeyPlaces, ServerSettings, Signature

SERVER = """\
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec: {allowedNamespaces: {from: All}}
"""
DEFINITION = """\
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorDefinition
metadata: {name: parcelkit, namespace: trackpush, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  path: parcelkit
  authentication:
    key: {headers: [X-Parcel-Key], query: [token]}
    signature: {header: X-Parcel-Signature, encoding: Hex, prefix: "sha256="}
  timezone: Asia/Kolkata
  updates:
    - {as: shipment, in: body.shipments}
    - {as: scan, in: shipment.scans}
  fields:
    awb: shipment.waybill
    orderId: [shipment.reference, shipment.order.id]
    remark: {cel: "scan.note + '!'"}
    occurredAt: {join: [scan.date, scan.time], formats: ["%d-%m-%Y %H%M"]}
  status:
    code: [scan.group, scan.code]
    table:
      - {when: [DL, "*"], status: DELIVERED, direction: Forward}
      - {when: [RT, D], status: RTO_DELIVERED, direction: RTO}
  direction: {of: shipment.mode, table: {F: Forward, R: Reverse}}
  identity: [awb, status, occurredAt]
  redact: [shipment.rider.phone]
  samples:
    - name: delivered
      body: {shipments: [{waybill: "7001", scans: [{group: DL, code: X, date: 01-06-2026, time: "1004"}]}]}
      expect: [{awb: "7001", status: DELIVERED, direction: Forward, occurredAt: "2026-06-01T04:34:00Z"}]
"""
CLIENT = """\
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: kit, namespace: acme}
spec:
  aggregator: parcelkit
  serverRef: {name: main, namespace: trackpush}
  keys: [{secretKeyRef: {name: keys, key: new}}, {secretKeyRef: {name: keys, key: old}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec: {url: https://oms.acme.example/hooks}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {new: the-new-key-of-acme, old: the-old-key-of-acme}
"""
FILES = {"server.yaml": SERVER, "kit.yaml": DEFINITION, "acme.yaml": CLIENT}


def compiled(
    files: Mapping[str, str] | None = None, *, last: ServerSettings | None = None, memory: Memory | None = None
) -> Compiled:
    parsed = parse_manifests(FILES if files is None else files)
    found = compile_table(parsed.resources, parsed.secrets, last=last, library=LIBRARY, memory=memory)
    problems = sorted((*parsed.problems, *found.problems), key=lambda problem: problem.order)
    return Compiled(table=found.table, problems=tuple(problems))


def changed(old: str, new: str, file: str = "kit.yaml") -> dict[str, str]:
    assert old in FILES[file]
    return {**FILES, file: FILES[file].replace(old, new, 1)}


def settings(found: Compiled) -> ServerSettings:
    assert found.table is not None
    return found.table.server


def accounts(found: Compiled) -> dict[str, Account]:
    assert found.table is not None
    return {account.name: account for account in found.table.accounts}


def first(found: Compiled) -> Problem:
    return found.problems[0]


def test_a_server_gets_the_definitions_of_its_namespace_without_their_samples() -> None:
    found = compiled()
    assert found.problems == ()
    (definition,) = settings(found).definitions
    assert (definition.name, definition.path) == ("parcelkit", "parcelkit")
    assert definition.key_places == KeyPlaces(headers=("X-Parcel-Key",), query=("token",))
    assert definition.signature == Signature(header="X-Parcel-Signature", encoding="Hex", prefix="sha256=")
    assert "samples" not in json.loads(definition.spec)


HOSTILE = ("parcelkit", "delhivery", "rivals")
PATHS = ("parcelkit", "delhivery", "rivals")
RIVAL_SERVER = SERVER.replace("namespace: trackpush", "namespace: rival")


@pytest.mark.parametrize("rivals_server", [False, True])
def test_a_definition_of_one_tenant_changes_nothing_for_another(*, rivals_server: bool) -> None:
    """Whatever its name and path, and also if the tenant has a server of its own, which serves all namespaces."""
    others = CLIENT.replace("name: kit,", "name: delhivery,").replace("parcelkit", "delhivery")
    files = {**FILES, "delhivery.yaml": others.replace("acme", "bravo").replace("oms.bravo", "oms.acme")}
    if rivals_server:
        files["rival-server.yaml"] = RIVAL_SERVER
    parsed = parse_manifests(files)
    before = compile_table(parsed.resources, parsed.secrets, server="trackpush/main", library=LIBRARY).table
    assert before is not None
    assert {account.aggregator for account in before.accounts} == {"parcelkit", "delhivery"}
    for name, path in itertools.product(HOSTILE, PATHS):
        for signature in ("signature: {header: X-Parcel-Signature", "signature: {header: X-Mine"):
            mine = DEFINITION.replace("name: parcelkit, namespace: trackpush", f"name: {name}, namespace: rival")
            mine = mine.replace("path: parcelkit", f"path: {path}").replace("2026-01-01", "2020-01-01")
            mine = mine.replace("signature: {header: X-Parcel-Signature", signature)
            attacked = parse_manifests({**files, "rival.yaml": mine})
            found = compile_table(attacked.resources, attacked.secrets, server="trackpush/main", library=LIBRARY)
            assert found.table == before, (name, path)


def test_equal_definitions_give_equal_tables_whatever_the_order_of_their_fields() -> None:
    lines = DEFINITION.splitlines(keepends=True)
    swapped = "".join([*lines[:4], lines[8], *lines[4:8], *lines[9:]])
    assert swapped != DEFINITION
    assert settings(compiled()) == settings(compiled({**FILES, "kit.yaml": swapped}))


def test_an_account_of_an_aggregator_that_signs_has_its_keys_in_the_order_of_the_resource() -> None:
    account = accounts(compiled())["acme/kit"]
    assert account.secrets == ("the-new-key-of-acme", "the-old-key-of-acme")
    assert "the-new-key-of-acme" not in repr(account)


def test_an_account_of_an_aggregator_that_does_not_sign_has_only_digests() -> None:
    unsigned = changed('    signature: {header: X-Parcel-Signature, encoding: Hex, prefix: "sha256="}\n', "")
    account = accounts(compiled(unsigned))["acme/kit"]
    assert account.secrets == ()
    assert len(account.key_digests) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("awb: shipment.waybill", "awb: shipment..waybill", 14, "a path"),
        ("awb: shipment.waybill", "awb: shipment.scans[", 14, "a path"),
        ("awb: shipment.waybill", "awb: shipmet.waybill", 14, "did you mean shipment?"),
        ("{join: [scan.date", "{jion: [scan.date", 17, "unknown field; did you mean join?"),
        ("status: DELIVERED, direction: Forward}\n", "status: DELIVRED}\n", 21, "did you mean DELIVERED?"),
        ("direction: Forward}\n", "direction: forward}\n", 21, "did you mean Forward?"),
        ("Asia/Kolkata", "Asia/Calcuta", 9, "Asia/Calcutta"),
        ("%d-%m-%Y", "%d-%m-%Q", 17, "%Q"),
        ("cel: \"scan.note + '!'\"", 'cel: "scan.note + "', 16, "line 1"),
        ("cel: \"scan.note + '!'\"", "cel: \"skan.note + '!'\"", 16, "skan"),
        ('[DL, "*"]', "[DL]", 21, "has 1 value"),
        ('[DL, "*"]', '["*L", "*"]', 21, "*"),
        ("in: shipment.scans", "in: shipmet.scans", 12, "did you mean shipment?"),
        ("as: scan", "as: body", 12, "body"),
        ("identity: [awb,", "identity: [abw,", 24, "abw"),
        ("redact: [shipment.", "redact: [shipmnt.", 25, "did you mean shipment?"),
        ("encoding: Hex", "encoding: hex", 8, "did you mean Hex?"),
        ("X-Parcel-Key]", "X Parcel]", 7, "write a header name"),
        ("path: parcelkit", "path: Parcel Kit", 5, "one segment of a URL"),
        ("path: parcelkit", "path: st", 5, "is the path of a built-in aggregator"),
        ("name: parcelkit", "name: shiprocket", 3, "is the name of a built-in aggregator"),
        ("name: parcelkit", "name: parcel.kit", 3, "write lower-case letters, digits and -"),
        ("expect: [{awb:", "expect: [{awbs:", 29, "unknown field 'awbs'; did you mean awb?"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_and_advice(old: str, new: str, line: int, said: str) -> None:
    found = first(compiled(changed(old, new)))
    assert (found.file, found.line, found.severity) == ("kit.yaml", line, Severity.ERROR), str(found)
    assert said in found.message, str(found)
    assert found.reason is Reason.INVALID


def test_a_failing_sample_is_named_with_field_value_and_expectation() -> None:
    found = first(compiled(changed('expect: [{awb: "7001", status: DELIVERED', 'expect: [{awb: "7002", status: LOST')))
    assert found.reason is Reason.SAMPLES_FAIL
    assert (found.condition, found.line) == ("Accepted", 27)
    assert found.message == "sample delivered update 1: awb is 7001, expected 7002"


def test_a_definition_whose_samples_fail_keeps_its_last_good_version_and_its_accounts() -> None:
    good = compiled()
    found = compiled(changed('DL, "*"]', 'DX, "*"]'), last=settings(good))
    assert first(found).reason is Reason.SAMPLES_FAIL
    assert settings(found).definitions == settings(good).definitions
    assert accounts(found) == accounts(good)


def test_without_an_earlier_version_the_account_says_that_the_definition_is_unusable() -> None:
    found = compiled(changed('DL, "*"]', 'DX, "*"]'))
    assert accounts(found) == {}
    (told,) = [problem for problem in found.problems if problem.file == "acme.yaml"]
    assert told.reason is Reason.UNKNOWN_AGGREGATOR
    assert told.message == "AggregatorDefinition trackpush/parcelkit can't be used; correct it"


def test_a_deleted_definition_in_use_is_served_on_and_the_account_says_so() -> None:
    good = compiled()
    rotated = {**FILES, "acme.yaml": CLIENT.replace("the-new-key", "the-newest-key")}
    del rotated["kit.yaml"]
    found = compiled(rotated, last=settings(good))
    assert settings(found).definitions == settings(good).definitions
    assert accounts(found)["acme/kit"].secrets[0] == "the-newest-key-of-acme", "what changes besides it takes effect"
    (told,) = found.problems
    assert told.severity is Severity.WARNING
    assert "AggregatorDefinition trackpush/parcelkit was deleted; its last version is used" in told.message


def test_a_deleted_definition_that_nothing_names_is_gone() -> None:
    found = compiled({"server.yaml": SERVER}, last=settings(compiled()))
    assert settings(found).definitions == ()


def test_of_two_definitions_with_one_path_the_older_keeps_it() -> None:
    younger = DEFINITION.replace("name: parcelkit", "name: copy").replace("2026-01-01", "2026-01-02")
    found = compiled({**FILES, "copy.yaml": younger})
    assert [definition.name for definition in settings(found).definitions] == ["parcelkit"]
    (told,) = found.problems
    assert (told.reason, told.file, told.line) == (Reason.PATH_CONFLICT, "copy.yaml", 5)
    assert "'parcelkit' is the path of AggregatorDefinition trackpush/parcelkit, which keeps it" in told.message


def test_a_path_conflict_does_not_take_away_the_former_version_with_another_path() -> None:
    younger = DEFINITION.replace("name: parcelkit", "name: copy").replace("2026-01-01", "2026-01-02")
    good = compiled({**FILES, "copy.yaml": younger.replace("path: parcelkit", "path: copy")})
    found = compiled({**FILES, "copy.yaml": younger}, last=settings(good))
    assert [definition.path for definition in settings(found).definitions] == ["copy", "parcelkit"]


def test_all_definitions_together_are_bounded() -> None:
    rows = "".join(
        f"      - {{when: ['{number:0120d}', '*'], status: AVAILABLE_FOR_PICKUP, direction: Forward}}\n"
        for number in range(990)
    )
    files = {"server.yaml": SERVER}
    for number in range(2):
        large = DEFINITION.replace("parcelkit", f"kit-{number}").replace("    table:\n", f"    table:\n{rows}")
        files[f"{number}.yaml"] = large.replace("2026-01-01", f"2026-01-0{number + 1}")
    found = compiled(files)
    assert [definition.name for definition in settings(found).definitions] == ["kit-0"]
    assert sum(len(definition.spec) for definition in settings(found).definitions) <= MOST_BYTES
    assert "can have 256 KiB together" in first(found).message


def test_an_unsuitable_name_of_an_aggregator_suggests_the_definition() -> None:
    found = first(compiled(changed("aggregator: parcelkit", "aggregator: parcelkitt", "acme.yaml")))
    assert str(found) == (
        "acme.yaml:5: AggregatorWebhook acme/kit spec.aggregator: there is no aggregator 'parcelkitt';"
        " did you mean parcelkit?"
    )


def test_a_definition_in_a_namespace_without_a_server_is_checked_and_reported_as_unused() -> None:
    other = DEFINITION.replace("namespace: trackpush", "namespace: acme").replace('DL, "*"]', 'DX, "*"]')
    found = [problem for problem in compiled({**FILES, "other.yaml": other}).problems if problem.file == "other.yaml"]
    assert [problem.reason for problem in found] == [None, Reason.SAMPLES_FAIL]
    assert "no WebhookServer is in namespace acme" in found[0].message


def test_a_host_may_list_an_aggregator_of_a_definition() -> None:
    named = SERVER.replace("{allowed", "{hosts: [{host: a.example, aggregators: [parcelkit]}], allowed")
    found = compiled({**FILES, "server.yaml": named})
    assert found.problems == ()
    assert settings(found).hosts[0].serves("parcelkit")


def test_statuses_of_an_account_are_compared_with_the_definitions_table() -> None:
    asked = changed("  keys:", '  statuses: ["DL/any", rt/d, RT/Z, DELIVERED]\n  keys:', "acme.yaml")
    told = [str(problem) for problem in compiled(asked).problems]
    assert told == [
        (
            "acme.yaml:7: warning: AggregatorWebhook acme/kit spec.statuses[2]: 'RT/Z' is not known as a code of"
            " parcelkit, which this list accepts; did you mean RT/D?"
        ),
        (
            "acme.yaml:7: warning: AggregatorWebhook acme/kit spec.statuses[3]: 'DELIVERED' is a canonical status and"
            " not a code of parcelkit, which this list accepts; did you mean 'DL/*' (DELIVERED)?"
        ),
    ]


def test_a_filter_knows_the_codes_and_the_name_of_a_definition() -> None:
    filtered = "{url: https://oms.acme.example/hooks, filter: {statuses: [RT/D], expression: \"aggregator == 'WHO'\"}}"
    for name, warned in (("parcelkit", False), ("parcelkid", True)):
        files = changed("{url: https://oms.acme.example/hooks}", filtered.replace("WHO", name), "acme.yaml")
        told = [str(problem) for problem in compiled(files).problems]
        assert bool(told) == warned, told
        assert not told or "did you mean parcelkit?" in told[0]


def test_a_definition_is_checked_once_until_it_changes() -> None:
    seen: list[str] = []
    library = type(LIBRARY)(objections=lambda name, spec: seen.append(name) or LIBRARY.objections(name, spec))
    parsed, memory = parse_manifests(FILES), Memory()
    for _ in range(3):
        compile_table(parsed.resources, parsed.secrets, library=library, memory=memory)
    assert seen == ["parcelkit"]


def test_an_account_may_name_a_definition_of_the_catalog_which_the_table_does_not_contain() -> None:
    files = {"server.yaml": SERVER, "acme.yaml": CLIENT.replace("parcelkit", "nimbuspost")}
    found = compiled(files)
    assert found.problems == ()
    assert settings(found).definitions == ()
    assert accounts(found)["acme/kit"].secrets == ("the-new-key-of-acme", "the-old-key-of-acme")


def test_a_definition_replaces_that_of_the_catalog_with_its_name_until_it_is_deleted() -> None:
    files = {"server.yaml": SERVER, "acme.yaml": CLIENT.replace("parcelkit", "shippo"), "kit.yaml": DEFINITION}
    files["kit.yaml"] = DEFINITION.replace("parcelkit", "shippo")
    found = compiled(files)
    assert [definition.name for definition in settings(found).definitions] == ["shippo"]
    assert accounts(found)["acme/kit"].secrets != ()
    del files["kit.yaml"]
    found = compiled(files, last=settings(found))
    assert found.problems == ()
    assert settings(found).definitions == ()
    assert accounts(found)["acme/kit"].secrets == (), "the catalog's has no signature"


def test_a_definition_with_the_path_of_one_in_the_catalog_hides_that_one() -> None:
    hiding = DEFINITION.replace("path: parcelkit", "path: shippo")
    found = compiled({"server.yaml": SERVER, "acme.yaml": CLIENT.replace("parcelkit", "shippo"), "kit.yaml": hiding})
    (told,) = found.problems
    assert (told.reason, told.file) == (Reason.UNKNOWN_AGGREGATOR, "acme.yaml")
    assert [definition.name for definition in settings(found).definitions] == ["parcelkit"]


def test_a_deleted_definition_that_only_a_host_names_is_served_on_and_the_server_says_so() -> None:
    named = {
        "server.yaml": SERVER.replace("{allowed", "{hosts: [{host: a.example, aggregators: [parcelkit]}], allowed")
    }
    good = compiled({**named, "kit.yaml": DEFINITION})
    found = compiled(named, last=settings(good))
    assert settings(found).definitions == settings(good).definitions
    (told,) = found.problems
    assert (told.severity, told.field) == (Severity.WARNING, "spec.hosts[0].aggregators[0]")
    assert "was deleted; its last version is used" in told.message


def test_definitions_are_checked_in_a_folder_without_a_server_too() -> None:
    found = compiled({"kit.yaml": changed('DL, "*"]', 'DX, "*"]')["kit.yaml"]})
    assert [problem.reason for problem in found.problems] == [None, Reason.SAMPLES_FAIL]
    assert "no WebhookServer" in found.problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("[DL,", "[010,", "spec.status.table[0].when[0]", "YAML reads 010 as the number 8"),
        ("[RT, D]", "[RT, 1.50]", "spec.status.table[1].when[1]", "YAML reads 1.50 as the number 1.5"),
        ("[RT, D]", "[RT, 0900]", "spec.status.table[1].when[1]", "YAML reads 0900 as the number 900.0"),
        ("[RT, D]", "[RT, 1e3]", "spec.status.table[1].when[1]", "YAML reads 1e3 as the number 1000.0"),
        ("{F: Forward", "{01: Forward", "spec.direction.table.01", "YAML reads 01 as the number 1"),
        ('time: "1004"', "time: 0715", "spec.samples[0].body.shipments[0].scans[0].time", "YAML reads 0715 as"),
        ('time: "1004"', "time: 10:04", "spec.samples[0].body.shipments[0].scans[0].time", "YAML reads 10:04 as"),
        ('expect: [{awb: "7001"', "expect: [{awb: 007001", "spec.samples[0].expect[0].awb", "YAML reads 007001 as"),
    ],
)
def test_an_unquoted_code_that_yaml_reads_as_another_text_is_a_mistake(
    old: str, new: str, field: str, message: str
) -> None:
    text = changed(old, new)["kit.yaml"]
    (problem,) = [found for found in parse_manifests({"kit.yaml": text}).problems if found.field == field]
    assert problem.message.startswith(message)
    assert problem.message.endswith("put it in quotes")
    assert problem.severity is Severity.ERROR
    assert problem.line == line_of(new, text)


def test_a_definition_with_a_misread_code_does_not_replace_the_last_good_one() -> None:
    last = settings(compiled())
    wrong = changed("[RT, D]", "[RT, 010]")
    assert settings(compiled(wrong)).definitions == ()
    assert settings(compiled(wrong, last=last)).definitions == last.definitions


def test_unquoted_numbers_that_yaml_reads_as_they_are_written_are_codes() -> None:
    text = (
        DEFINITION.replace("[DL,", "[104,")
        .replace("[RT, D]", "[2.5, -1]")
        .replace("{F: Forward", "{0: Forward")
        .replace("group: DL", "group: 104, weight: 1.50, volume: 2e1")
    )
    assert parse_manifests({"kit.yaml": text}).problems == ()


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("awb: shipment.waybill", "awb: n", "spec.fields.awb", "false"),
        ("code: [scan.group, scan.code]", "code: on", "spec.status.code", "true"),
        ("of: shipment.mode", "of: 0", "spec.direction.of", "0"),
    ],
)
def test_a_path_that_yaml_reads_as_a_flag_or_a_number_has_to_be_quoted(
    old: str, new: str, field: str, found: str
) -> None:
    problem = first(compiled(changed(old, new)))
    assert (problem.field, problem.message) == (field, f"must be a path, found {found}: put it in quotes")
    assert problem.line is not None


def test_a_server_with_more_secrets_than_are_tried_gets_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_bounds, "MOST_SECRETS", 2)
    assert compiled().problems == ()
    other = CLIENT.replace("acme", "bravo").replace("{name: keys, key: new}}, {secretKeyRef: ", "")
    found = compiled({**FILES, "bravo.yaml": other})

    (problem,) = found.problems
    assert (problem.severity, problem.resource) == (Severity.WARNING, "WebhookServer trackpush/main")
    assert "the accounts of parcelkit have 3 secrets, but at most 2 are tried" in problem.message
    assert problem.message.endswith("put the key into the URL of each account (/notify/KEY)")
    unsigned = {name: text.replace("    signature:", "    # signature:") for name, text in FILES.items()}
    assert compiled({**unsigned, "bravo.yaml": other}).problems == ()
