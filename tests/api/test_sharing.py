"""Resources made from one template share what is equal in them, and nothing that only looks equal."""

from typing import Any

from trackpush_api.kinds import AggregatorWebhookSpec, PushConfigSpec
from trackpush_api.manifest import ReadFile, Resource, read_file

PUSH = """\
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {{name: oms, namespace: {client}}}
spec:
  url: https://{client}.example.com/
  headers: [{{name: X-Token, valueFrom: {{secretKeyRef: {{name: {secret}, key: token}}}}}}]
"""
WEBHOOK = """\
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: shiprocket, namespace: {client}}}
spec: {{aggregator: Shiprocket, statuses: [{status}], keys: [{{secretKeyRef: {{name: keys, key: inbound}}}}]}}
"""


def spec(text: str) -> Any:
    read = read_file("client.yaml", text)
    assert not read.problems
    return resource(read).spec


def resource(read: ReadFile) -> Resource:
    (defined,) = read.defined
    assert isinstance(defined.content, Resource)
    return defined.content


def test_equal_headers_of_different_push_configs_are_one_object() -> None:
    first, second = (spec(PUSH.format(client=client, secret="keys")) for client in ("a", "b"))
    assert isinstance(first, PushConfigSpec)
    assert first.url != second.url
    assert first.headers[0] is second.headers[0]
    assert first.model_fields_set is second.model_fields_set == {"url", "headers"}


def test_headers_that_differ_keep_their_own_values() -> None:
    first, second = (spec(PUSH.format(client="a", secret=secret)) for secret in ("keys", "other-keys"))
    assert [each.headers[0].value_from.secret_key_ref.name for each in (first, second)] == ["keys", "other-keys"]


def test_an_equal_spec_of_another_client_is_one_object() -> None:
    first, second = (spec(WEBHOOK.format(client=client, status='"7"')) for client in ("a", "b"))
    assert isinstance(first, AggregatorWebhookSpec)
    assert first is second


def test_a_spec_with_a_value_of_another_type_is_judged_by_itself() -> None:
    assert spec(WEBHOOK.format(client="a", status='"2025-01-01"')) is not None
    for status in ("2025-01-01", "1.0", "true"):
        read = read_file("client.yaml", WEBHOOK.format(client="a", status=status))
        assert [problem.field for problem in read.problems] == ["spec.statuses[0]"], status
        assert resource(read).spec is None
