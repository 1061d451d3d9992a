"""`trackpush aggregators`: lists, shows, tests, tries and drafts definitions."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from support.manifests import line_of
from trackpush_cli.main import cli

PARCELKIT = (Path(__file__).parents[1] / "aggregators" / "definition" / "parcelkit.yaml").read_text()
BODY = {"shipments": [{"waybill": "7001", "scans": [{"group": "DL", "date": "01-06-2026", "time": "1004"}]}]}


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["aggregators", *arguments], input=stdin)


@pytest.fixture
def parcelkit(tmp_path: Path) -> Path:
    path = tmp_path / "parcelkit.yaml"
    path.write_text(PARCELKIT)
    return path


@pytest.fixture
def body(tmp_path: Path) -> str:
    path = tmp_path / "body.json"
    path.write_text(json.dumps(BODY))
    return str(path)


def test_the_list_has_the_built_in_aggregators_and_the_catalog() -> None:
    rows = json.loads(run("list", "-o", "json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["Shiprocket"]["path"] == "st"
    assert by_name["delhivery"]["from"] == "catalog"
    assert by_name["delhivery"]["samples"] > 0
    assert re.search(r"^bluedart +bluedart +catalog +keys in client-id", run("list").stdout, re.MULTILINE)


def test_a_definition_of_the_catalog_is_shown_as_it_is_written() -> None:
    resource = yaml.safe_load(run("show", "delhivery").stdout)
    assert (resource["kind"], resource["metadata"]["name"]) == ("AggregatorDefinition", "delhivery")


@pytest.mark.parametrize(
    ("name", "words"), [("delhivry", "did you mean delhivery?"), ("clickpost", "clickpost is built in")]
)
def test_a_definition_that_the_catalog_lacks_is_not_shown(name: str, words: str) -> None:
    result = run("show", name)
    assert result.exit_code == 2
    assert words in result.stderr


def test_the_catalog_passes_its_samples() -> None:
    result = run("test")
    assert result.exit_code == 0, result.output
    assert re.search(r"^delhivery: \d+ samples passed$", result.stdout, re.MULTILINE)


def test_a_file_that_passes_is_named_with_the_number_of_its_samples(parcelkit: Path) -> None:
    result = run("test", str(parcelkit))
    assert (result.exit_code, result.stdout) == (0, "parcelkit: 1 sample passed\n")


def test_a_failure_shows_sample_field_found_and_expected(parcelkit: Path) -> None:
    parcelkit.write_text(PARCELKIT.replace('expect: [{awb: "7001"', 'expect: [{awb: "7002"'))
    result = run("test", str(parcelkit))
    assert result.exit_code == 1
    assert re.search(r"^parcelkit +delivered +1 +awb +7001 +7002$", result.stdout, re.MULTILINE), result.stdout
    assert "1 of 1 definition fails" in result.stderr
    (shown,) = json.loads(run("test", str(parcelkit), "-o", "json").stdout)
    assert shown["failures"] == [
        {"sample": "delivered", "update": 0, "field": "awb", "found": "7001", "expected": "7002"}
    ]


@pytest.mark.parametrize(
    ("before", "after", "field", "words"),
    [
        ("courier: shipment.carrier", "courier: shipmet.carrier", "spec.fields.courier", "did you mean shipment?"),
        ("metadata: {name: parcelkit,", "metadata: {name: clickpost,", "metadata.name", "built-in"),
        ("timezone: Asia/Kolkata ", "timezone: Asia/Kolkatta ", "spec.timezone", "did you mean Asia/Kolkata?"),
        ("label: scan.text", "lable: scan.text", "spec.status.lable", "unknown field"),
        ('expect: [{awb: "7001"', 'expect: [{awbb: "7001"', "spec.samples[0].expect[0].awbb", "did you mean awb?"),
    ],
)
def test_a_mistake_shows_file_line_and_field(parcelkit: Path, before: str, after: str, field: str, words: str) -> None:
    parcelkit.write_text(PARCELKIT.replace(before, after))
    line = line_of(before, PARCELKIT)
    result = run("test", str(parcelkit))
    assert result.exit_code == 1
    assert f"parcelkit.yaml:{line}: AggregatorDefinition trackpush/" in result.stdout
    assert f" {field}: " in result.stdout
    assert words in result.stdout


def test_values_and_sources_of_a_sample_are_shown_on_demand(parcelkit: Path) -> None:
    for option in (["-v"], ["--sample", "delivered"]):
        shown = run("test", str(parcelkit), *option).stdout
        assert "parcelkit, sample delivered, update 1:" in shown
        assert re.search(r"^status +DELIVERED +the first row that matches$", shown, re.MULTILINE), shown
        assert re.search(r"^awb +7001 +shipment.waybill$", shown, re.MULTILINE)
        assert re.search(r"^orderId +shipment.reference or shipment.order.id$", shown, re.MULTILINE)
        assert "scan.date + scan.time as %d-%m-%Y %H%M" in shown


def test_a_body_is_tried_by_file_by_name_and_by_a_built_in_aggregator(parcelkit: Path, body: str) -> None:
    (told,) = json.loads(run("try", str(parcelkit), "--body", body).stdout)
    assert (told["aggregator"], told["status"]["code"]) == ("parcelkit", "DELIVERED")
    assert (told["shipment"]["awb"], told["occurredAt"]) == ("7001", "2026-06-01T04:34:00Z")
    built_in = run("try", "Shiprocket", "--body", "-", stdin=b'{"awb": "1", "current_status_id": 7}')
    assert json.loads(built_in.stdout)[0]["status"]["code"] == "DELIVERED"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"{}", 0, "a server would answer it as a probe"),
        (b'{"hello": 1}', 0, "1 part of the body names no shipment"),
        (b"{", 1, "not JSON"),
    ],
)
def test_a_body_without_updates_is_explained(parcelkit: Path, content: bytes, code: int, words: str) -> None:
    result = run("try", str(parcelkit), "--body", "-", stdin=content)
    assert result.exit_code == code
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["test", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["test", "delhivry"], "did you mean delhivery?"),
        (["try", "parcelkitt", "--body", "-"], "there is no definition 'parcelkitt'"),
        (["try", "delhivery", "--body", "nowhere.json"], "--body nowhere.json: No such file"),
        (["init", "x", "--sample", "nowhere.json"], "--sample nowhere.json: No such file"),
    ],
)
def test_a_missing_file_or_name_ends_with_one_line(arguments: list[str], words: str) -> None:
    result = run(*arguments, stdin=b"{}")
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_draft_passes_its_test(tmp_path: Path, body: str) -> None:
    drafted = run("init", "swiftline", "--sample", body)
    path = tmp_path / "swiftline.yaml"
    path.write_text(drafted.stdout)
    result = run("test", str(path))
    assert (result.exit_code, result.stdout) == (0, "swiftline: 1 sample passed\n"), result.output


def test_a_body_without_a_shipment_gives_no_draft() -> None:
    result = run("init", "swiftline", "--sample", "-", stdin=b'{"hello": "world"}')
    assert result.exit_code == 2
    assert "no member looks like the number of a shipment" in result.stderr
