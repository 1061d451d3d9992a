"""docs/add-an-aggregator-in-fifteen-minutes.md, its last step: the definition is applied on a real API server."""

import asyncio
import shlex
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

from support import objects
from support.fifteen_minutes import FILE, NAME, definition, marked, written
from support.operating import Client, fake_pod
from trackpush_operator.app import Operator

ACME = "resources/acme.yaml"


def here(text: str, namespace: str) -> str:
    """The page's text, with the test's namespace in place of its two."""
    for name in ("trackpush", "acme"):
        text = text.replace(f"namespace: {name}", f"namespace: {namespace}").replace(f"-n {name} ", f"-n {namespace} ")
    return text


class Applied(NamedTuple):
    """What the step applies, and its commands."""

    files: dict[str, str]
    commands: list[list[str]]


@pytest.fixture
def page(namespace: str) -> Applied:
    """The step, in the test's namespace."""
    files = {FILE: here(definition(), namespace), ACME: here(written(ACME), namespace)}
    return Applied(files, [shlex.split(line) for line in here(marked("on a cluster"), namespace).splitlines()])


async def test_the_definition_of_the_page_is_applied_and_ready_and_its_url_is_printed(
    cluster: Client,
    api_server: Any,
    namespace: str,
    start: Callable[..., AbstractAsyncContextManager[Operator]],
    page: Applied,
) -> None:
    printed = ""

    async def loaded() -> bool:
        """Whether the definition is in the Secrets; the pod then serves what is in them."""
        shards = await cluster.shards(namespace, "main")
        pod.files = {name: shard.revision for name, shard in shards.items()}
        return any(shard.settings is not None and shard.settings.definitions for shard in shards.values())

    async with start(), fake_pod(f"{namespace}/main") as pod:
        await cluster.create(objects.server(namespace=namespace, hosts=[{"host": "saas.example"}]))
        await cluster.pod(objects.pod("fake-a", namespace=namespace, ip="127.0.0.1", port=pod.port))
        for command, *arguments in page.commands:
            assert command == "kubectl"
            if arguments[0] == "apply":
                printed = await kubectl(api_server, "apply", "-f", "-", stdin=page.files[arguments[-1]])
                await cluster.until(loaded, wanted=True)
            else:
                printed = await kubectl(api_server, *arguments)

    assert printed == f"https://saas.example/rms/in/api/{NAME}/notify\n"


async def kubectl(api_server: Any, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints."""
    return str((await asyncio.to_thread(api_server.kubectl, *arguments, stdin=stdin)).stdout)
