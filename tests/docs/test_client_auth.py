"""Every example of docs/client-auth.md is taken as it stands there."""

from pathlib import Path

import pytest
import trustme
import yaml

from support.page import blocks
from trackpush_api.compile import compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Severity

EXAMPLES = blocks(Path(__file__).parents[2] / "docs" / "client-auth.md", "checked")
AUTHORITY = trustme.CA()
ISSUED = AUTHORITY.issue_cert("trackpush.test")
AUTH = {"token": "t-1", "user": "trackpush", "password": "s-1"}
TLS = {
    "ca.crt": AUTHORITY.cert_pem.bytes().decode(),
    "tls.crt": "".join(cert.bytes().decode() for cert in ISSUED.cert_chain_pems),
    "tls.key": ISSUED.private_key_pem.bytes().decode(),
}
GIVEN = """
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
  keys: [{secretKeyRef: {name: acme-auth, key: token}}]
"""


def test_the_page_has_all_ways() -> None:
    assert set(EXAMPLES) == {"header", "basic", "bearer", "oauth2", "mtls"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_of_the_page_compiles(name: str) -> None:
    head = {"apiVersion": "trackpush.dev/v1alpha1", "kind": "PushConfig"}
    push = head | {"metadata": {"name": "oms", "namespace": "acme"}} | yaml.safe_load(EXAMPLES[name])
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": "acme"}, "stringData": data}
        for secret, data in (("acme-auth", AUTH), ("acme-tls", TLS))
    ]
    parsed = parse_manifests({"r.yaml": GIVEN + "---\n" + yaml.safe_dump_all([push, *secrets])})
    compiled = compile_table(parsed.resources, parsed.secrets)
    errors = [str(problem) for problem in (*parsed.problems, *compiled.problems) if problem.severity is Severity.ERROR]
    assert errors == []
    assert compiled.table is not None
    assert len(compiled.table.destinations) == 1
