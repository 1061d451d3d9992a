"""Mistakes by kind: each input of a kind is named in words that say what to change."""

from api.test_mistakes import FILES, edited, problems
from support.rows import every_row
from trackpush_api.manifest import parse_manifests

URL = "https://oms.acme.example/hooks"
EXPRESSION = "\"!test && status.code == 'DELIVERED'\""
_PUSH = "PushConfig acme/oms spec."


@every_row(
    "value",
    [
        *("1e5", "1E5", "1e+5", "5e-3", "1.5e3", "12345678e90", "1.e5", "1_000e3"),
        *("08", "0888", "-08", "0o17", "0O7", "0X1F", "0B1", "0x_1"),
    ],
)
def test_what_only_kubernetes_takes_for_a_number_is_named(value: str) -> None:
    # kubectl says "cannot unmarshal number into Go struct field" for each of these.
    assert problems(edited("oms: acme-oms-key", f"oms: {value}"))[0] == (
        "acme.yaml:40: Secret acme/acme-keys stringData.oms: is a number: put it in quotes"
    )


@every_row("value", ["y", "Y", "n", "N"])
def test_a_letter_that_kubernetes_takes_for_a_boolean_is_named(value: str) -> None:
    assert problems(edited("oms: acme-oms-key", f"oms: {value}"))[0] == (
        "acme.yaml:40: Secret acme/acme-keys stringData.oms: is true or false: put it in quotes"
    )


@every_row("value", ["=", "<<", "0x", "0b2", "0o8", "1e", "e5", "1.2.3.4", "0b1e5", "1-2", "_1", "ye"])
def test_what_kubernetes_takes_for_a_text_is_a_text(value: str) -> None:
    assert problems(edited("oms: acme-oms-key", f"oms: {value}")) == []


@every_row("kind", ["[PushConfig]", "{a: b}", "yes", "12", "1.5", "''", "' '", "~", "2026-01-01"])
def test_a_kind_that_is_no_text_is_named_and_the_rest_of_the_file_counts(kind: str) -> None:
    files = edited("kind: PushConfig", f"kind: {kind}")

    found = problems(files)

    assert found[0].startswith("acme.yaml:13: oms kind: is ")
    assert found[0].endswith(
        "; write one of PushConfig, AggregatorWebhook, WebhookServer, AggregatorDefinition, Secret"
    )
    assert ("acme", "acme-keys") in parse_manifests(files).secrets


@every_row(
    ("value", "says"),
    [
        ('"https://oms.acme.example/a b"', "contains a space as character 27; remove it, or write %20"),
        ('" https://oms.acme.example/"', "contains a space as character 1; remove it, or write %20"),
        ('"https://oms.acme.example/\\n"', "contains a line break as character 26; remove it, or write %20"),
        ('"https://oms.acme.example/\\t"', "contains a tab as character 26; remove it, or write %20"),
        ('"https://oms.acme.example/\\u2028"', "contains white space as character 26; remove it, or write %20"),
        (
            "//oms.acme.example/hooks",
            "found 'oms.acme.example'; write a URL that begins with https:// or http://",
        ),
        (
            "HTTPS://oms.acme.example/secret",
            "found 'HTTPS://oms.acme.example'; write a URL that begins with https:// or http://",
        ),
        (
            "oms.acme.example/x?next=https://a/b",
            "found 'oms.acme.example'; write a URL that begins with https:// or http://",
        ),
        (
            '"https://[::ffff:127.0.0.1]/"',
            (
                "pushes may not go to ::ffff:7f00:1, which stands for 127.0.0.1, which is loopback (RFC 1122, 3.2.1.3);"
                " if this is meant, add it to egress.allowedCIDRs of the WebhookServer"
            ),
        ),
        ("null", "is null; set it or remove it"),
        ("[a]", "must be a string, found a list; write a string"),
    ],
)
def test_a_url_is_named_for_what_is_wrong_with_it(value: str, says: str) -> None:
    assert f"acme.yaml:18: {_PUSH}url: {says}" in problems(edited(URL, value))


@every_row("value", ['"https://[::1]x/hooks"', '"https://x[::1]/hooks"', '"https://[::1]:443x/"'])
def test_text_beside_the_brackets_of_an_address_is_an_error(value: str) -> None:
    files = {name: text.replace("10.0.0.0/8", '"::1/128"') for name, text in edited(URL, value).items()}

    assert problems(files)[0].startswith(f"acme.yaml:18: {_PUSH}url: the URL ")


@every_row(
    ("value", "says"),
    [
        ("null", "is null; set it or remove it"),
        ("[]", "must be a string, found a list; write a string"),
        ("true", "must be a string, found true: put it in quotes"),
        ("10", 'must be a string, found the number 10: put it in quotes and give it a unit: "10s"'),
    ],
)
def test_a_duration_is_given_a_unit_only_where_it_is_a_number(value: str, says: str) -> None:
    assert problems(edited("timeout: 10s", f"timeout: {value}"))[0].endswith(f"{_PUSH}delivery.timeout: {says}")


@every_row(
    ("value", "says"),
    [
        ("!secret x", "invalid YAML: the tag !secret, which Kubernetes does not know; remove it, or put the value in"),
        ("!!python/name:os x", "invalid YAML: the tag python/name:os, which Kubernetes does not know"),
        ("- x", "invalid YAML: a value that begins with -; put it in quotes, or begin the list below"),
        ("? x", "invalid YAML: a value that begins with ?; put it in quotes"),
        ("!!binary aGk=", "is binary data: put it in quotes"),
    ],
)
def test_yaml_that_only_yaml_tools_write_is_explained(value: str, says: str) -> None:
    assert says in problems(edited("oms: acme-oms-key", f"oms: {value}"))[0]


@every_row(
    ("value", "says"),
    [
        ("type == 'shipment.deliverd'", "type is never 'shipment.deliverd'; did you mean shipment.delivered?"),
        ("type == 'DELIVERED'", "type is never 'DELIVERED'"),
        ("status.code.startsWith('RETRUN')", "status.code.startsWith('RETRUN') is never true; the values are CREATED,"),
        ("status.code.endsWith('_DELIVRED')", "status.code.endsWith('_DELIVRED') is never true"),
        ("status.code.contains('delivered')", "status.code.contains('delivered') is never true"),
        ("test && shipment.direction.startsWith('R')", "shipment.direction.startsWith('R') is never true"),
    ],
)
def test_an_expression_that_asks_for_what_no_update_has_is_a_warning(value: str, says: str) -> None:
    (found,) = problems(edited(EXPRESSION, f'"{value}"'))
    assert "warning" in found
    assert says in found


@every_row(
    "value",
    ["type == 'shipment.delivered'", "status.code.startsWith('RTO_')", "shipment.awb.startsWith('x')"],
)
def test_an_expression_that_some_update_has_is_no_warning(value: str) -> None:
    assert problems(edited(EXPRESSION, f'"{value}"')) == []


@every_row(
    ("value", "says"),
    [
        ("shipment.awb.length() > 3", "line 1, column 20: there is no function length; use all, bool,"),
        ("shipment.awb.startswith('1')", "there is no function startswith; did you mean startsWith?"),
        ("shipment.awb.lowerAscii() == 'x'", "there is no function lowerAscii; use all,"),
        ("test and true", "line 1, column 6: and is not an operator of CEL; write &&"),
        ("test or true", "or is not an operator of CEL; write ||"),
        ("test = true", "one = too few or too many; write == to compare"),
        ("status.code === 'X'", "one = too few or too many; write == to compare"),
        ("status.code == 'DELIVERED", "line 1, column 16: a quote opens here and is not closed; close it"),
    ],
)
def test_an_expression_in_another_language_is_explained(value: str, says: str) -> None:
    assert f"{_PUSH}filter.expression: " in (found := problems(edited(EXPRESSION, f'"{value}"'))[0])
    assert says in found


def test_the_files_that_are_edited_have_no_problem() -> None:
    assert problems(FILES) == []
