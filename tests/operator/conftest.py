"""An operator on a real API server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support.objects import Body
from support.operating import Client, Connect, client, operating, options
from trackpush_operator.app import Operator
from trackpush_operator.kube.client import KubernetesCluster

Start = Callable[..., AbstractAsyncContextManager[Operator]]


@pytest.fixture
async def cluster(api_server: Any) -> AsyncIterator[Client]:
    """Acts as users and kubelets do."""
    async with client(api_server.kubeconfig) as acting:
        yield acting


@pytest.fixture
def start(api_server: Any, namespace: str) -> Start:
    """Start an operator for the test's namespace; options may be given."""

    def make(connect: Connect = KubernetesCluster, **given: Any) -> AbstractAsyncContextManager[Operator]:
        return operating(options(api_server.kubeconfig, namespace, **given), connect)

    return make


@pytest.fixture
def within(namespace: str) -> Callable[[Body], Body]:
    """The same object in the test's namespace."""

    def move(body: Body) -> Body:
        return {**body, "metadata": {**body["metadata"], "namespace": namespace}}

    return move
