"""``spec.auth`` of a PushConfig: what is compiled, and what each mistake is told as."""

import base64

import pytest

from trackpush_api.compile import compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Reason, Severity
from trackpush_api.routing import Destination, OAuth2

WHOLE = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts: [{host: in.example.test, aggregators: [Clickpost]}]
  allowedNamespaces: {from: All}
  storage: {sqlite: {size: 1Gi}}
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: clickpost, namespace: acme}
spec:
  aggregator: Clickpost
  serverRef: {name: main, namespace: trackpush}
  keys: [{secretKeyRef: {name: keys, key: clickpost}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec:
  url: https://oms.acme.example/hooks
  auth:
    oauth2ClientCredentials:
      tokenUrl: https://login.acme.example/oauth2/token
      clientId: {secretKeyRef: {name: keys, key: id}}
      clientSecret: {secretKeyRef: {name: keys, key: secret}}
      scopes: ["push", "api://acme/.default"]
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {clickpost: a-key-of-thirty-characters-0001, id: trackpush, secret: "s3cret+"}
"""
OAUTH2 = WHOLE[WHOLE.index("    oauth2ClientCredentials") : WHOLE.index("---\napiVersion: v1")]
BASIC = """    basic:
      username: {secretKeyRef: {name: keys, key: id}}
      password: {secretKeyRef: {name: keys, key: secret}}
"""
BEARER = "    bearer: {token: {secretKeyRef: {name: keys, key: secret}}}\n"


def found(text: str) -> tuple[Destination | None, list[tuple[Reason | None, str]]]:
    """The one destination, and all errors."""
    parsed = parse_manifests({"r.yaml": text})
    compiled = compile_table(parsed.resources, parsed.secrets)
    problems = [problem for problem in (*parsed.problems, *compiled.problems) if problem.severity is Severity.ERROR]
    destinations = compiled.table.destinations if compiled.table else ()
    return next(iter(destinations), None), [(problem.reason, str(problem)) for problem in problems]


def test_client_credentials_are_compiled_and_send_no_header_of_their_own() -> None:
    destination, problems = found(WHOLE)
    assert problems == []
    assert destination is not None
    assert destination.headers == ()
    assert destination.oauth2 == OAuth2(
        token_url="https://login.acme.example/oauth2/token",
        client_id="trackpush",
        client_secret="s3cret+",
        scopes=("push", "api://acme/.default"),
    )


@pytest.mark.parametrize(
    ("auth", "value"),
    [(BASIC, "Basic " + base64.b64encode(b"trackpush:s3cret+").decode()), (BEARER, "Bearer s3cret+")],
    ids=["basic", "bearer"],
)
def test_fixed_credentials_are_a_header_and_need_no_token(auth: str, value: str) -> None:
    destination, problems = found(WHOLE.replace(OAUTH2, auth))
    assert problems == []
    assert destination is not None
    assert destination.headers == (("Authorization", value),)
    assert destination.oauth2 is None


@pytest.mark.parametrize(
    ("old", "new", "reason", "message"),
    [
        ("tokenUrl: https", "tokenUrl: http", Reason.INVALID, "tokenUrl: plain http is refused"),
        ("oauth2/token\n", "oauth2/token#part\n", Reason.INVALID, "tokenUrl: has a fragment"),
        ('"push"', '"push track"', Reason.INVALID, "scopes[0]: is not a scope"),
        ("key: id}", "key: idd}", Reason.SECRET_KEY_NOT_FOUND, 'Secret "keys" has no key "idd"'),
        ("name: keys, key: secret", "name: kezs, key: secret", Reason.SECRET_NOT_FOUND, 'Secret "kezs" is not in'),
        ('"s3cret+"', '""', Reason.SECRET_VALUE_INVALID, 'key "secret" of Secret "keys" is empty'),
        ('"s3cret+"', '"s3c\\nret"', Reason.SECRET_VALUE_INVALID, "value: character 4 of 7 is a line break"),
        ("  auth:\n", "  headers: [{name: authorization, value: x}]\n  auth:\n", Reason.INVALID,
         "headers also contains Authorization; keep one of them"),
    ],
)  # fmt: skip
def test_each_mistake_with_client_credentials_keeps_the_push_config_from_being_served(
    old: str, new: str, reason: Reason, message: str
) -> None:
    assert old in WHOLE
    destination, problems = found(WHOLE.replace(old, new))
    assert destination is None
    assert [problem for problem, _ in problems] == [reason]
    assert message in problems[0][1]
    assert "s3c" not in problems[0][1]


def test_plain_http_to_the_token_url_is_taken_where_the_server_allows_it() -> None:
    text = WHOLE.replace("tokenUrl: https", "tokenUrl: http").replace(
        "{size: 1Gi}}", "{size: 1Gi}}\n  egress: {httpsOnly: false}"
    )
    assert found(text)[1] == []


def test_a_user_name_with_a_colon_would_be_read_as_another_one() -> None:
    destination, problems = found(WHOLE.replace(OAUTH2, BASIC).replace("id: trackpush", 'id: "track:push"'))
    assert destination is None
    assert [reason for reason, _ in problems] == [Reason.SECRET_VALUE_INVALID]
    assert "username: the Secret's value has a colon" in problems[0][1]
