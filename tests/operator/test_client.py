"""The API server's port: what it waits for, which error it raises, and what it never quotes."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from trackpush_operator.kube.api import ListPage, ObjectSelection
from trackpush_operator.kube.client import KubernetesCluster
from trackpush_operator.kube.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from trackpush_operator.kube.kinds import PODS, SECRETS, SERVERS
from trackpush_operator.metrics import Metrics

Answers = list[tuple[int, dict[str, object], dict[str, str]]]


class ApiServer:
    """Answers as told, in turn; the last answer stays."""

    def __init__(self) -> None:
        self.answers: Answers = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Any request."""
        self.asked.append((request.method, request.path, dict(request.query)))
        status, body, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[tuple[ApiServer, KubernetesCluster]]:
    """An API server and a client of it."""
    api = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with KubernetesCluster(Configuration(host=f"http://{host}:{port}"), Metrics()) as cluster:
        yield api, cluster
    await runner.cleanup()


Both = tuple[ApiServer, KubernetesCluster]


def status(code: int, message: str = "says why") -> dict[str, object]:
    return {"kind": "Status", "code": code, "message": message, "reason": "TheReason"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, InvalidError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
        (422, InvalidError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
async def test_each_refusal_has_its_error_with_the_servers_words(
    server: Both, code: int, error: type[ClusterError]
) -> None:
    api, cluster = server
    api.answers = [(code, status(code), {})]
    with pytest.raises(error, match="says why") as caught:
        await cluster.get(SERVERS, "t", "main")
    assert caught.value.status == code
    assert len(api.asked) == 1


async def test_too_many_requests_are_waited_for_as_the_server_says(server: Both) -> None:
    api, cluster = server
    api.answers = [(429, status(429), {"Retry-After": "0"}), (429, status(429), {"Retry-After": "0"}), (200, {}, {})]
    await cluster.patch(PODS, "t", "p", {"metadata": {}})
    assert [method for method, _, _ in api.asked] == ["PATCH"] * 3


async def test_too_many_requests_for_long_are_an_error(server: Both) -> None:
    api, cluster = server
    api.answers = [(429, status(429), {"Retry-After": "0"})]
    with pytest.raises(UnavailableError):
        await cluster.get(SERVERS, "t", "main")
    assert len(api.asked) == 4


async def test_a_refused_secret_is_never_quoted(server: Both) -> None:
    api, cluster = server
    api.answers = [(422, status(422, "data: invalid value: 's3cret'"), {})]
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "t", "name": "s"}}
    with pytest.raises(InvalidError, match="TheReason") as caught:
        await cluster.apply(SECRETS, body)
    assert "s3cret" not in str(caught.value)


async def test_no_answer_is_reported_as_such() -> None:
    async with KubernetesCluster(Configuration(host="http://127.0.0.1:1"), Metrics()) as cluster:
        with pytest.raises(UnavailableError, match="no answer"):
            await cluster.get(SERVERS, "t", "main")


def page(names: list[str], following: str = "") -> tuple[int, dict[str, object], dict[str, str]]:
    items = [{"metadata": {"name": name}} for name in names]
    return 200, {"metadata": {"resourceVersion": "7", "continue": following}, "items": items}, {}


async def names(pages: AsyncIterator[ListPage]) -> list[str]:
    return [body["metadata"]["name"] async for page in pages for body in page.items]


async def test_a_list_comes_in_pages_of_one_state(server: Both) -> None:
    api, cluster = server
    api.answers = [page(["a"], "next"), page(["b"])]
    assert await names(cluster.pages(SERVERS, None, ObjectSelection(labels="x=y", fields="type!=z"))) == ["a", "b"]
    assert api.asked[0][2] == {"limit": "100", "labelSelector": "x=y", "fieldSelector": "type!=z"}
    assert api.asked[1][2]["continue"] == "next"


async def test_a_list_whose_token_ran_out_begins_again_and_lacks_nothing(server: Both) -> None:
    api, cluster = server
    api.answers = [page(["a"], "next"), (410, status(410), {}), page(["a"], "next"), page(["b"])]
    assert await names(cluster.pages(SERVERS, "t", ObjectSelection())) == ["a", "a", "b"]


async def test_a_list_that_runs_out_again_and_again_is_an_error(server: Both) -> None:
    api, cluster = server
    api.answers = [(410, status(410), {})]
    with pytest.raises(GoneError):
        await names(cluster.pages(SERVERS, "t", ObjectSelection()))


@pytest.mark.parametrize("code", [404, 409])
async def test_what_is_gone_or_another_one_by_now_is_as_good_as_deleted(server: Both, code: int) -> None:
    api, cluster = server
    api.answers = [(code, status(code), {})]
    await cluster.delete(PODS, "t", "p", uid="u")
    assert api.asked == [("DELETE", "/api/v1/namespaces/t/pods/p", {})]


async def test_a_kind_that_isnt_there_is_reported(server: Both) -> None:
    api, cluster = server
    api.answers = [(404, status(404), {}), (200, {"resources": [{"name": "other"}]}, {})]
    assert not await cluster.serves(SERVERS)
    assert not await cluster.serves(SERVERS)
    api.answers = [(200, {"resources": [{"name": "webhookservers"}]}, {})]
    assert await cluster.serves(SERVERS)
