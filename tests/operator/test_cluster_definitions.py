"""On a real API server: AggregatorDefinitions reach the routing table of the WebhookServers of their namespace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support import objects
from support.objects import Body
from support.operating import Client, FakePod, fake_pod
from trackpush_api.routing import Account, Definition
from trackpush_api.shards import SETTINGS, Shard
from trackpush_operator.app import Operator
from trackpush_operator.compile.definitions import Definitions

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
KIND = "AggregatorDefinition"
NAME = "parcelkit"
KEY = "parcelkit-key-of-acme-1"
SIGNED = {"signature": {"header": "X-Parcel-Signature", "prefix": "sha256="}}
BAD_SAMPLE = {
    "name": "out for delivery",
    "body": {"shipments": [{"waybill": "7002", "code": "OF"}]},
    "expect": [{"awb": "7002", "status": "DELIVERED"}],
}


@pytest.fixture
async def server(cluster: Client, within: Within) -> None:
    """A server for all aggregators, and a client's Secret and PushConfig."""
    await cluster.create(
        within(objects.server(hosts=[{"host": "saas.example"}], expose={"ingress": {"className": "traefik"}})),
        within(objects.secret("keys", **{"in": KEY, "out": "s-1"})),
        within(objects.push("oms")),
    )


@pytest.fixture
async def pod(namespace: str) -> AsyncIterator[FakePod]:
    """A pod's admin port."""
    async with fake_pod(f"{namespace}/main") as made:
        yield made


def user(**spec: Any) -> Body:
    """An AggregatorWebhook of the defined aggregator."""
    return objects.webhook(NAME, aggregator=NAME, **spec)


async def definitions(cluster: Client, namespace: str) -> dict[str, Definition]:
    """Those in the Secrets, by name."""
    settings = (await cluster.shards(namespace, "main")).get(SETTINGS, Shard(server="", name="", revision="")).settings
    return {} if settings is None else {definition.name: definition for definition in settings.definitions}


async def paths(cluster: Client, namespace: str) -> dict[str, str]:
    """The path of each definition in the Secrets."""
    return {name: definition.path for name, definition in (await definitions(cluster, namespace)).items()}


async def account(cluster: Client, namespace: str) -> Account | None:
    """The user's account in the Secrets."""
    shards = (await cluster.shards(namespace, "main")).values()
    found = [account for shard in shards for account in shard.accounts if account.name == f"{namespace}/{NAME}"]
    return found[0] if found else None


async def exposes(cluster: Client, namespace: str, path: str) -> bool:
    """Whether the Ingress has a rule for this segment of URLs."""
    body = await cluster.get("Ingress", namespace, "main")
    rules = [] if body is None else body["spec"]["rules"]
    return f"/rms/in/api/{path}" in {found["path"] for rule in rules for found in rule["http"]["paths"]}


async def serve(cluster: Client, namespace: str, pod: FakePod) -> None:
    """Have the pod serve what is in the Secrets, as kubelet and server do."""
    pod.files = {name: shard.revision for name, shard in (await cluster.shards(namespace, "main")).items()}


@pytest.mark.usefixtures("server")
async def test_a_definition_is_in_the_table_of_its_namespaces_server_and_programmed_when_pods_serve_it(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start():
        await cluster.pod(within(objects.pod("fake-a", ip="127.0.0.1", port=pod.port)))
        await cluster.create(within(objects.definition()))
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
        await cluster.until_condition(KIND, namespace, NAME, Accepted="True Accepted", Programmed="False Pending")
        await serve(cluster, namespace, pod)
        await cluster.until_condition(KIND, namespace, NAME, Programmed="True Programmed", Ready="True Ready")
        await cluster.until(lambda: exposes(cluster, namespace, NAME), wanted=True)
        await cluster.patch(KIND, namespace, NAME, spec={"path": "parcels"})
        await cluster.until(lambda: paths(cluster, namespace), {NAME: "parcels"})
        await cluster.until_condition(KIND, namespace, NAME, Programmed="False Pending", Ready="False Pending")
        await cluster.until(lambda: exposes(cluster, namespace, "parcels"), wanted=True)
        assert not await exposes(cluster, namespace, NAME)
        await cluster.delete(KIND, namespace, NAME)
        await cluster.until(lambda: paths(cluster, namespace), {})


@pytest.mark.usefixtures("server")
async def test_another_definitions_change_does_not_make_one_pending(
    cluster: Client, namespace: str, start: Start, within: Within, pod: FakePod
) -> None:
    async with start():
        await cluster.pod(within(objects.pod("fake-a", ip="127.0.0.1", port=pod.port)))
        await cluster.create(within(objects.definition()), within(objects.definition("other")))
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME, "other": "other"})
        await serve(cluster, namespace, pod)
        await cluster.until_condition(KIND, namespace, NAME, Programmed="True Programmed")
        await cluster.patch(KIND, namespace, "other", spec={"path": "changed"})
        await cluster.until_condition(KIND, namespace, "other", Programmed="False Pending")
        assert (await cluster.conditions(KIND, namespace, NAME))["Programmed"] == "True Programmed"


@pytest.mark.usefixtures("server")
async def test_a_version_that_fails_its_samples_never_replaces_the_last_good_one_not_even_after_a_restart(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.definition()))
    async with start():
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
        await cluster.patch(KIND, namespace, NAME, spec={"path": "changed", "samples": [BAD_SAMPLE]})
        await cluster.until_condition(
            KIND, namespace, NAME, Accepted="False SamplesFail", Programmed="False NotServed", Ready="False SamplesFail"
        )
        message = await cluster.message(KIND, namespace, NAME, "Accepted")
        for word in ("out for delivery", "status", "OUT_FOR_DELIVERY", "DELIVERED"):
            assert word in message
        assert "the last accepted version is in use" in await cluster.message(KIND, namespace, NAME, "Programmed")
        assert await paths(cluster, namespace) == {NAME: NAME}
    async with start():
        await cluster.create(within(objects.definition("other")))
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME, "other": "other"})
        await cluster.patch(KIND, namespace, NAME, spec={"samples": []})
        await cluster.until(lambda: paths(cluster, namespace), {NAME: "changed", "other": "other"})
        await cluster.until_condition(KIND, namespace, NAME, Accepted="True Accepted")


@pytest.mark.usefixtures("server")
async def test_a_definition_that_never_had_a_good_version_is_not_served_and_its_user_says_so(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.definition(samples=[BAD_SAMPLE])), within(user()))
    async with start():
        await cluster.until_condition(KIND, namespace, NAME, Accepted="False SamplesFail")
        assert "no version of it is in use" in await cluster.message(KIND, namespace, NAME, "Programmed")
        await cluster.until_condition("AggregatorWebhook", namespace, NAME, Accepted="False UnknownAggregator")
        await cluster.patch(KIND, namespace, NAME, spec={"samples": []})
        await cluster.until_condition("AggregatorWebhook", namespace, NAME, Accepted="True Accepted")
        assert await account(cluster, namespace) is not None


@pytest.mark.usefixtures("server")
async def test_a_deleted_definition_is_served_until_its_last_user_goes_also_by_another_operator(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.definition()), within(user()))
    async with start():
        await cluster.until_condition("AggregatorWebhook", namespace, NAME, Accepted="True Accepted")
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
        await cluster.delete(KIND, namespace, NAME)

        async def says_so() -> bool:
            return "was deleted" in await cluster.message("AggregatorWebhook", namespace, NAME, "Accepted")

        await cluster.until(says_so, wanted=True)
        assert (await cluster.conditions("AggregatorWebhook", namespace, NAME))["Accepted"] == "True Accepted"
        assert await paths(cluster, namespace) == {NAME: NAME}
    async with start():
        await cluster.create(within(objects.definition("other")))
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME, "other": "other"})
        assert await account(cluster, namespace) is not None
        await cluster.delete("AggregatorWebhook", namespace, NAME)
        await cluster.until(lambda: paths(cluster, namespace), {"other": "other"})


@pytest.mark.usefixtures("server")
async def test_two_definitions_with_one_path_the_older_keeps_it_until_it_goes(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.definition("z-older", path="shared")))
    await cluster.next_second(namespace)
    await cluster.create(within(objects.definition("a-younger", path="shared")))
    async with start():
        await cluster.until_condition(KIND, namespace, "a-younger", Accepted="False PathConflict")
        assert "z-older" in await cluster.message(KIND, namespace, "a-younger", "Accepted")
        await cluster.until(lambda: paths(cluster, namespace), {"z-older": "shared"})
        await cluster.delete(KIND, namespace, "z-older")
        await cluster.until_condition(KIND, namespace, "a-younger", Accepted="True Accepted")
        await cluster.until(lambda: paths(cluster, namespace), {"a-younger": "shared"})


async def test_a_definition_in_a_namespace_without_a_server_says_so_and_is_used_once_there_is_one(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.definition()))
    async with start():
        await cluster.until_condition(KIND, namespace, NAME, Accepted="True Accepted", Programmed="False NoServer")
        assert "no WebhookServer" in await cluster.message(KIND, namespace, NAME, "Programmed")
        await cluster.create(within(objects.server()))
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
        await cluster.until_condition(KIND, namespace, NAME, Programmed="False NoReadyPods")
        await cluster.delete("WebhookServer", namespace, "main")
        await cluster.until_condition(KIND, namespace, NAME, Programmed="False NoServer")


@pytest.mark.usefixtures("server")
async def test_the_user_of_a_definition_gets_its_url_its_setup_and_for_signatures_its_secrets(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    setup = "In ParcelKit's panel: Developers, Webhooks."
    await cluster.create(within(user()))
    async with start():
        await cluster.until_condition("AggregatorWebhook", namespace, NAME, Accepted="False UnknownAggregator")
        await cluster.create(
            within(objects.definition(path="parcels", setup=setup, authentication={"key": {"headers": ["X-Key"]}}))
        )

        async def pasted() -> tuple[str, str]:
            body = await cluster.get("AggregatorWebhook", namespace, NAME)
            status = {} if body is None else body["status"]
            return status.get("url", ""), status.get("setup", "")

        await cluster.until(pasted, ("http://saas.example/rms/in/api/parcels/notify", setup))
        await cluster.patch(KIND, namespace, NAME, spec={"authentication": SIGNED})

        async def secrets() -> tuple[str, ...]:
            found = await account(cluster, namespace)
            return () if found is None else found.secrets

        await cluster.until(secrets, (KEY,))
        await cluster.patch(KIND, namespace, NAME, spec={"authentication": {"signature": None}})
        await cluster.until(secrets, ())


async def test_a_name_that_no_aggregator_has_is_answered_with_a_suggestion_and_stops_no_server(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(
        within(objects.server(hosts=[{"host": "a.example", "aggregators": ["parcelkid", "Clickpost"]}])),
        within(objects.secret("keys", **{"in": KEY, "out": "s-1"})),
        within(objects.webhook(NAME, aggregator="parcelkid")),
        within(objects.definition()),
    )
    async with start():
        for kind, name in (("AggregatorWebhook", NAME), ("WebhookServer", "main")):
            await cluster.until_condition(kind, namespace, name, Accepted="False UnknownAggregator")
            assert "did you mean parcelkit?" in await cluster.message(kind, namespace, name, "Accepted")
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
        await cluster.until_exists("StatefulSet", namespace, "main")
        await cluster.create(within(objects.definition("parcelkid")))
        for kind, name in (("AggregatorWebhook", NAME), ("WebhookServer", "main")):
            await cluster.until_condition(kind, namespace, name, Accepted="True Accepted")


@pytest.mark.usefixtures("server")
async def test_a_slow_check_holds_up_neither_the_loop_nor_other_resources(
    cluster: Client, namespace: str, start: Start, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    check = Definitions.check

    def slow(self: Definitions, item: Any) -> Any:
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        return check(self, item)

    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")
        monkeypatch.setattr(Definitions, "check", slow)
        await cluster.create(within(objects.definition()), within(objects.webhook("clickpost")))
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
        assert await paths(cluster, namespace) == {}
        may_end.set()
        await cluster.until(lambda: paths(cluster, namespace), {NAME: NAME})
