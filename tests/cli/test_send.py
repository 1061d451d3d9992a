"""`trackpush send` posts what an aggregator would, where it would, and explains any answer but 200."""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.receiver import Receiver, receiving
from trackpush_aggregators.catalog import catalog_names
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.main import cli


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as it:
        yield it


@pytest.fixture
def body(tmp_path: Path) -> str:
    file = tmp_path / "body.json"
    file.write_text('{"waybill": "1", "big": 123456789012345678901}')
    return str(file)


def send(*arguments: str, env: dict[str, str | None] | None = None) -> Result:
    return CliRunner().invoke(cli, ["send", *arguments], env={"TRACKPUSH_KEY": None} | (env or {}))


@pytest.mark.parametrize(
    ("aggregator", "path"),
    [
        ("clickpost", "/rms/in/api/clickpost/notify"),
        ("shiprocket", "/rms/in/api/st/notify"),
        ("st", "/rms/in/api/st/notify"),
        ("shipway", "/rms/in/api/shipway/notify"),
    ],
)
def test_a_bare_origin_gets_the_aggregators_path(receiver: Receiver, body: str, aggregator: str, path: str) -> None:
    result = send("--url", receiver.url, "--aggregator", aggregator, "--file", body)

    assert result.exit_code == 0, result.output
    assert [got.path for got in receiver.got] == [path]


def test_a_url_with_a_path_is_used_as_it_is(receiver: Receiver, body: str) -> None:
    send("--url", f"{receiver.url}/other/path?a=b", "--aggregator", "clickpost", "--file", body)

    assert receiver.got[0].path == "/other/path?a=b"


@pytest.mark.parametrize(
    ("options", "header", "suffix"),
    [
        (("clickpost",), "webhook_key", ""),
        (("shiprocket",), "x-api-key", ""),
        (("shipway",), None, "?key=k%2F1"),
        (("clickpost", "--key-in", "authorization"), "authorization", ""),
        (("clickpost", "--key-in", "query"), None, "?key=k%2F1"),
        (("shiprocket", "--key-in", "path"), None, "/k%2F1"),
    ],
)
def test_the_key_goes_where_the_aggregator_or_the_option_puts_it(
    receiver: Receiver, body: str, options: tuple[str, ...], header: str | None, suffix: str
) -> None:
    send("--url", receiver.url, "--file", body, "--key", "k/1", "--aggregator", *options)

    (got,) = receiver.got
    assert got.path.endswith(f"/notify{suffix}")
    assert [name for name, value in got.headers.items() if value == "k/1"] == ([header] if header else [])


def test_shipways_hash_carries_the_key_in_the_body_and_leaves_the_numbers_alone(receiver: Receiver, body: str) -> None:
    send("--url", receiver.url, "--aggregator", "shipway", "--file", body, "--key", "k-1", "--key-in", "body")

    assert json.loads(receiver.got[0].body) == {"waybill": "1", "big": 123456789012345678901, "hash": "k-1"}


def test_the_key_comes_from_a_file_or_the_environment_too(receiver: Receiver, body: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("from-file\n")
    send("--url", receiver.url, "--aggregator", "clickpost", "--file", body, "--key-file", str(key))
    send("--url", receiver.url, "--aggregator", "clickpost", "--file", body, env={"TRACKPUSH_KEY": "from-env"})

    assert [got.headers["webhook_key"] for got in receiver.got] == ["from-file", "from-env"]


def test_a_file_is_posted_byte_for_byte(receiver: Receiver, body: str) -> None:
    send("--url", receiver.url, "--aggregator", "clickpost", "--file", body)

    assert receiver.got[0].body == Path(body).read_bytes()


def test_standard_input_is_posted_too(receiver: Receiver) -> None:
    arguments = ["send", "--url", receiver.url, "--aggregator", "clickpost", "--file", "-"]
    result = CliRunner().invoke(cli, arguments, input=b"{}")

    assert result.exit_code == 0, repr(result.exception)
    assert receiver.got[0].body == b"{}"


def test_the_answer_is_printed(receiver: Receiver, body: str) -> None:
    result = send("--url", receiver.url, "--aggregator", "clickpost", "--file", body)

    assert result.stdout.startswith('200 {"accepted": 1, "duplicates": 0} in ')


def test_an_update_that_was_taken_and_not_stored_is_reported(receiver: Receiver, body: str) -> None:
    assert send("--url", receiver.url, "--aggregator", "clickpost", "--file", body).stderr == ""
    receiver.body = b'{"accepted": 0, "duplicates": 0}'

    result = send("--url", receiver.url, "--aggregator", "clickpost", "--file", body)

    assert result.exit_code == 0
    assert "nothing was stored" in result.stderr


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "no AggregatorWebhook with aggregator: Clickpost has this key (sent in: header webhook_key)"),
        (404, {}, "spec.hosts of a WebhookServer must name the host"),
        (400, {}, "cannot read the body as JSON"),
        (413, {}, "spec.limits"),
        (503, {"Retry-After": "7"}, "retry after 7 s"),
        (308, {"Location": "https://elsewhere.example"}, "redirects to https://elsewhere.example"),
        (201, {}, "only 200 is success"),
    ],
)
def test_any_answer_but_200_is_explained_and_ends_with_1(
    receiver: Receiver, body: str, status: int, headers: dict[str, str], said: str
) -> None:
    receiver.status, receiver.headers = status, headers
    result = send("--url", receiver.url, "--aggregator", "clickpost", "--file", body, "--key", "very-secret")

    assert result.exit_code == 1
    assert said in result.stderr
    assert "very-secret" not in result.output


def test_a_401_without_a_key_says_how_to_give_one(receiver: Receiver, body: str) -> None:
    receiver.status = 401
    result = send("--url", receiver.url, "--aggregator", "clickpost", "--file", body)

    assert "--key, --key-file or TRACKPUSH_KEY" in result.stderr


def test_the_first_answer_that_is_not_200_ends_the_series(receiver: Receiver, body: str) -> None:
    receiver.status = 503
    result = send("--url", receiver.url, "--aggregator", "clickpost", "--file", body, "--count", "5")

    assert result.exit_code == 1
    assert len(receiver.got) == 1


def test_a_refused_connection_says_what_to_start(body: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = send("--url", url, "--aggregator", "clickpost", "--file", body)

    assert result.exit_code == 2
    assert (
        result.stderr
        == f"Error: {url} refused the connection: nothing listens there; start `trackpush serve DIR` or correct --url\n"
    )


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(body: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = send("--url", url, "--aggregator", "clickpost", "--file", body, "--timeout", "0.2")

    assert result.exit_code == 2
    assert "did not answer within 0.2 s" in result.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:port"])
def test_a_url_that_is_none_is_refused(url: str, body: str) -> None:
    result = send("--url", url, "--aggregator", "clickpost", "--file", body)

    assert result.exit_code == 2
    assert "expected something like http://127.0.0.1:8080" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--url and --aggregator are needed"),
        (
            ("--url", "http://x", "--aggregator", "fedex"),
            "'fedex' is not an aggregator; use one of clickpost, shiprocket, shipway",
        ),
        (("--url", "http://x", "--aggregator", "clickpost", "--key-in", "body"), "contain no key"),
        (("--url", "http://x", "--aggregator", "clickpost", "--file", "/nowhere"), "--file /nowhere: No such file"),
        (("--url", "http://x", "--aggregator", "clickpost", "--key-file", "/nowhere"), "--key-file /nowhere"),
        (("--url", "http://x", "--aggregator", "clickpost", "--time", "soon"), "'soon' is not a time"),
        (("--url", "http://x", "--aggregator", "clickpost", "--status", "EATEN"), "EATEN"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], said: str) -> None:
    result = send(*arguments)

    assert result.exit_code == 2, result.output
    assert said in result.stderr


@pytest.mark.parametrize("aggregator", [each.slug for each in Aggregator])
def test_composed_bodies_carry_what_was_asked_for(receiver: Receiver, aggregator: str) -> None:
    result = send(
        *("--url", receiver.url, "--aggregator", aggregator, "--status", "delivered"),
        *("--awb", "0012345678901", "--order", "SO-77", "--count", "3"),
    )

    assert result.exit_code == 0, result.output
    bodies = [got.body for got in receiver.got]
    assert len(set(bodies)) == 3, "each must be another update of the shipment"
    assert all(b"0012345678901" in body and b"SO-77" in body for body in bodies)


def test_without_an_awb_every_body_is_another_shipment(receiver: Receiver) -> None:
    send("--url", receiver.url, "--aggregator", "clickpost", "--count", "3")

    assert len({json.loads(got.body)["waybill"] for got in receiver.got}) == 3


def test_the_list_names_what_can_be_composed() -> None:
    result = send("--list")

    assert result.exit_code == 0
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert set(lines) == {"clickpost", "shiprocket", "shipway", *catalog_names()}
    assert {"DELIVERED", "RTO_DELIVERED", "RETURN_PICKED_UP"} <= set(lines["clickpost"].split())


@pytest.mark.parametrize(
    ("name", "header"),
    [("xpressbees", "x-hmac-sha256"), ("easypost", "x-hmac-signature"), ("aftership", "aftership-hmac-sha256")],
)
def test_the_bodies_of_an_aggregator_that_signs_are_signed_with_the_key(
    receiver: Receiver, name: str, header: str
) -> None:
    result = send("--url", receiver.url, "--aggregator", name, "--key", "k-1", "--awb", "77")

    assert result.exit_code == 0, result.output
    (got,) = receiver.got
    made = hmac.digest(b"k-1", got.body, hashlib.sha256)
    written = {key.lower(): value for key, value in got.headers.items()}[header]
    assert got.path == f"/rms/in/api/{name}/notify"
    assert written.removeprefix("hmac-sha256-hex=") in (made.hex(), base64.b64encode(made).decode())


def test_a_status_of_a_definition_is_composed_from_its_samples(receiver: Receiver) -> None:
    result = send(
        "--url", receiver.url, "--aggregator", "Delhivery", "--status", "RTO_DELIVERED", "--key", "k-1", "--awb", "77"
    )

    assert result.exit_code == 0, result.output
    (got,) = receiver.got
    shipment = json.loads(got.body)["Shipment"]
    assert (shipment["AWB"], shipment["Status"]["Status"], shipment["Status"]["StatusType"]) == ("77", "RTO", "DL")
    assert got.headers["x-webhook-token"] == "k-1"


@pytest.mark.parametrize(("name", "end"), [("shippo", "?key=k-1"), ("bluedart", "/k-1")])
def test_the_key_of_an_aggregator_without_one_header_is_in_the_url(receiver: Receiver, name: str, end: str) -> None:
    send("--url", receiver.url, "--aggregator", name, "--key", "k-1")

    assert receiver.got[0].path == f"/rms/in/api/{name}/notify{end}"


def test_a_signature_of_an_aggregator_that_signs_nothing_is_refused(receiver: Receiver) -> None:
    result = send("--url", receiver.url, "--aggregator", "delhivery", "--key", "k-1", "--key-in", "signature")

    assert result.exit_code == 2
    assert "delhivery signs no bodies" in result.output
    assert receiver.got == []


def test_the_statuses_of_a_definition_are_listed() -> None:
    result = send("--list", "--aggregator", "nimbuspost")

    assert result.exit_code == 0
    assert result.output.startswith("nimbuspost: CANCELLED CREATED DAMAGED")


QUICKHAUL = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorDefinition
metadata: {name: NAME, namespace: trackpush}
spec:
  path: quick
  authentication: {signature: {header: X-Quick-Signature, encoding: Hex, prefix: "sha256="}}
  fields: {awb: docket, occurredAt: at}
  status:
    code: code
    table: [{when: DL, status: DELIVERED}, {when: RT, status: RTO_IN_TRANSIT}]
  samples:
    - {name: first, body: {docket: "1", code: DL, at: "2026-06-01 10:00"}, expect: [{awb: "1"}]}
"""


def write(file: Path, *names: str) -> str:
    file.write_text("---".join(QUICKHAUL.replace("NAME", name) for name in names))
    return str(file)


def sent(receiver: Receiver, *options: str) -> tuple[str, str]:
    """Path and AWB of a post that is signed by a definition of the user's own."""
    result = send("--url", receiver.url, "--key", "k-1", "--awb", "77", "--status", "RTO_IN_TRANSIT", *options)
    assert result.exit_code == 0, result.output
    (got,) = receiver.got
    body = json.loads(got.body)
    assert got.headers["x-quick-signature"] == f"sha256={hmac.digest(b'k-1', got.body, hashlib.sha256).hex()}"
    assert body["code"] == "RT"
    return got.path, body["docket"]


def test_a_definition_of_the_users_own_composes_and_signs(receiver: Receiver, tmp_path: Path) -> None:
    file = write(tmp_path / "own.yaml", "quickhaul")

    assert sent(receiver, "--definition", file) == ("/rms/in/api/quick/notify", "77")


def test_a_definition_of_a_folder_of_resources_is_found_beside_broken_files(receiver: Receiver, tmp_path: Path) -> None:
    write(tmp_path / "own.yaml", "quickhaul", "other")
    (tmp_path / "broken.yaml").write_text("kind: [")

    assert sent(receiver, "--definition", str(tmp_path), "--aggregator", "Quickhaul")[1] == "77"


def test_a_definition_in_a_file_comes_before_one_of_the_catalog(receiver: Receiver, tmp_path: Path) -> None:
    file = write(tmp_path / "own.yaml", "delhivery")

    assert sent(receiver, "--definition", file, "--aggregator", "delhivery")[0] == "/rms/in/api/quick/notify"


def test_the_statuses_of_a_definition_in_a_file_are_listed(tmp_path: Path) -> None:
    result = send("--list", "--definition", write(tmp_path / "own.yaml", "quickhaul"))

    assert result.output == "quickhaul: DELIVERED RTO_IN_TRANSIT\n"


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (("a1", "b1"), (), "it contains several definitions; add --aggregator, one of a1, b1"),
        (("quickhaul",), ("--aggregator", "quickhual"), "it has no definition named quickhual, only quickhaul"),
        ((), (), "contains no AggregatorDefinition"),
        (("quickhaul",), ("--status", "LOST"), "these can be sent: DELIVERED, RTO_IN_TRANSIT; --file posts a body"),
    ],
)
def test_a_definition_that_can_not_be_used_is_explained(
    receiver: Receiver, tmp_path: Path, content: tuple[str, ...], options: tuple[str, ...], said: str
) -> None:
    write(tmp_path / "own.yaml", *content)
    for place in (tmp_path, tmp_path / "own.yaml"):
        result = send("--url", receiver.url, "--definition", str(place), *options)

        assert result.exit_code == 2, result.output
        assert said in result.stderr
    assert receiver.got == []


def test_a_definition_with_mistakes_is_refused_with_each_of_them(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    write(file, "quickhaul")
    for wrong, said in (
        ("awb: docket.", "spec.fields.awb"),
        ("awb: {cel: 'body.'}", "spec.fields.awb"),
        ("awb: [[]]", "spec.fields.awb"),
    ):
        file.write_text(QUICKHAUL.replace("NAME", "quickhaul").replace("awb: docket,", f"{wrong},"))
        for options in (("--list",), ("--url", receiver.url)):
            result = send(*options, "--definition", str(file))

            assert result.exit_code == 2, result.output
            assert said in result.stderr, result.stderr


def test_an_unknown_aggregator_is_refused_with_the_way_to_name_its_definition() -> None:
    result = send("--url", "http://x", "--aggregator", "quickhaul")

    assert "'quickhaul' is not an aggregator; use one of clickpost," in result.stderr
    assert "--definition FILE" in result.stderr


def test_a_404_for_a_definition_says_that_the_server_must_have_it(receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 404
    result = send("--url", receiver.url, "--definition", write(tmp_path / "own.yaml", "quickhaul"))

    assert "the server must have accepted the definition of quickhaul" in result.stderr
