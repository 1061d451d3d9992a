"""Which WebhookServer an AggregatorWebhook without serverRef is for."""

import pytest

from trackpush_api.compile import compile_table
from trackpush_api.manifest import Resource, parse_manifests
from trackpush_api.server_choice import find_server

WEBHOOK = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: clickpost, namespace: acme}
spec: {aggregator: Clickpost, keys: [{secretKeyRef: {name: keys, key: in}}], pushConfigRefs: []}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {in: a-long-enough-key}
---
"""


def server(name: str, allowed: str) -> str:
    namespace, _, short = name.partition("/")
    return f"""
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {{name: {short}, namespace: {namespace}}}
spec: {{allowedNamespaces: {{from: {allowed}}}}}
---
"""


def webhook() -> Resource:
    (found,) = parse_manifests({"a.yaml": WEBHOOK}).resources
    return found


@pytest.mark.parametrize(
    ("servers", "allowing", "served_by", "expected", "reason", "told"),
    [
        ("", "", "", None, "ServerNotFound", "there is no WebhookServer; create one"),
        ("t/main", "t/main", "", "t/main", None, ""),
        ("t/main", "", "", "t/main", None, ""),
        ("t/main x/y", "t/main", "", "t/main", None, ""),
        ("t/main x/y", "", "", None, "NamespaceNotAllowed", "no WebhookServer serves namespace acme"),
        ("t/main x/y", "", "t/main", None, "NamespaceNotAllowed", "allow it in one"),
        ("t/main x/y", "t/main x/y", "", None, "ServerAmbiguous", "there are several (t/main, x/y); set it"),
        ("t/main x/y", "t/main x/y", "t/main", "t/main", "ServerAmbiguous", "until then t/main serves it as before"),
        ("t/main x/y", "t/main x/y", "x/y", "x/y", "ServerAmbiguous", "until then x/y serves it as before"),
        ("t/main x/y", "t/main", "x/y", "t/main", None, ""),
    ],
)
def test_only_servers_that_allow_the_namespace_count_and_what_is_served_stays(
    servers: str, allowing: str, served_by: str, *, expected: str | None, reason: str | None, told: str
) -> None:
    name, problems = find_server(webhook(), servers.split(), allowing.split().__contains__, served_by.split())
    assert name == expected
    assert [str(problem.reason) for problem in problems] == ([] if reason is None else [reason])
    assert told in "".join(problem.message for problem in problems)


@pytest.mark.parametrize(
    ("servers", "allowing", "served_by", "expected", "reason", "told"),
    [
        ("t/main x/y", "t/main x/y", "", "t/main", None, ""),
        ("t/main acme/own", "t/main acme/own", "", "acme/own", None, ""),
        ("x/y acme/own", "x/y acme/own", "", "acme/own", None, ""),
        ("t/main acme/own", "t/main acme/own", "t/main", "t/main", "ServerAmbiguous", "(acme/own, t/main)"),
        ("t/main t/other x/y", "t/main t/other x/y", "", None, "ServerAmbiguous", "(t/main, t/other)"),
        ("x/y", "x/y", "", None, "ServerNotFound", "no WebhookServer in namespace acme or t; set it, to choose x/y"),
        ("x/y", "x/y", "x/y", "x/y", "ServerNotFound", "to choose x/y; until then x/y serves it as before"),
        ("t/main x/y", "x/y", "", "t/main", None, ""),
        ("x/y", "", "", None, "NamespaceNotAllowed", "no WebhookServer serves namespace acme"),
    ],
)  # fmt: skip
def test_a_server_of_neither_the_own_nor_a_shared_namespace_is_chosen_by_name_only(
    servers: str, allowing: str, served_by: str, *, expected: str | None, reason: str | None, told: str
) -> None:
    name, problems = find_server(
        webhook(), servers.split(), allowing.split().__contains__, served_by.split(), shared=["t"]
    )
    assert name == expected
    assert [str(problem.reason) for problem in problems] == ([] if reason is None else [reason])
    assert told in "".join(problem.message for problem in problems)


def test_a_tenant_learns_of_no_server_that_does_not_serve_it() -> None:
    _, problems = find_server(webhook(), ["t/main", "x/y", "secret/one"], ["t/main", "x/y"].__contains__)
    assert "secret" not in problems[0].message


def test_in_a_folder_a_server_of_another_namespace_makes_nothing_ambiguous() -> None:
    both = WEBHOOK + server("trackpush/main", "All") + server("staging/main", "Same")
    parsed = parse_manifests({"a.yaml": both})
    compiled = compile_table(parsed.resources, parsed.secrets, server="trackpush/main")
    assert compiled.table is not None
    assert [account.name for account in compiled.table.accounts] == ["acme/clickpost"]
    assert compiled.problems == ()
