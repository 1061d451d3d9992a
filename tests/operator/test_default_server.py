"""The WebhookServer that a release of the chart brings."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from support.operating import Client
from trackpush_operator.app import Operator
from trackpush_operator.reconcile.default_server import NoDefaultServerError, read


def manifest(namespace: str) -> dict[str, object]:
    metadata = {"name": "first", "namespace": namespace}
    return {"apiVersion": "trackpush.dev/v1alpha1", "kind": "WebhookServer", "metadata": metadata, "spec": {}}


async def test_it_is_there_once_the_operator_works_and_belongs_to_nobody(
    cluster: Client, namespace: str, start: Callable[..., AbstractAsyncContextManager[Operator]]
) -> None:
    async with start(default_server=manifest(namespace)):

        async def child() -> bool:
            return await cluster.get("StatefulSet", namespace, "first") is not None

        await cluster.until(child, wanted=True)
    found = await cluster.get("WebhookServer", namespace, "first")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]


async def test_one_that_is_refused_keeps_nobody_waiting(
    cluster: Client, namespace: str, start: Callable[..., AbstractAsyncContextManager[Operator]]
) -> None:
    bad = {**manifest(namespace), "spec": {"replicas": 2}}
    await cluster.create({**manifest(namespace), "metadata": {"name": "other", "namespace": namespace}})
    async with start(default_server=bad):

        async def child() -> bool:
            return await cluster.get("StatefulSet", namespace, "other") is not None

        await cluster.until(child, wanted=True)
    assert await cluster.get("WebhookServer", namespace, "first") is None


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"kind": "Pod"}), None])
def test_a_file_that_holds_none_is_reported(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "server.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(NoDefaultServerError, match=r"--default-server .*server.json"):
        read(file)
