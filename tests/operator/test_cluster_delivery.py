"""On a real API server: resources and Secrets become shards, children and statuses, and follow every change."""

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api.routing import Encryption, Postgres, digest_key
from trackpush_api.shards import SETTINGS, shard_name
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]


@pytest.fixture
def example(within: Within) -> list[Body]:
    """One server and one client."""
    return [
        within(objects.server()),
        within(objects.secret("keys", **{"in": "k-1-long-enough-now", "out": "s-1"})),
        within(objects.push("oms")),
        within(objects.webhook("clickpost", pushConfigRefs=[{"name": "oms"}])),
    ]


async def header(cluster: Client, namespace: str, push: str = "oms") -> str | None:
    """The header's value as the pods would see it."""
    shards = await cluster.shards(namespace, "main")
    shard = shards.get(shard_name(f"{namespace}/{push}"))
    found = [
        destination
        for destination in (shard.destinations if shard else ())
        if destination.name == f"{namespace}/{push}"
    ]
    return found[0].headers[0][1] if found else None


async def has_settings(cluster: Client, namespace: str) -> bool:
    """Whether the server's own settings are written."""
    return SETTINGS in await cluster.shards(namespace, "main")


async def digests(cluster: Client, namespace: str, webhook: str = "clickpost") -> tuple[str, ...] | None:
    """The digests of an account's keys as the pods would see them."""
    shards = await cluster.shards(namespace, "main")
    shard = shards.get(shard_name(f"{namespace}/{webhook}"))
    found = [account for account in (shard.accounts if shard else ()) if account.name == f"{namespace}/{webhook}"]
    return found[0].key_digests if found else None


async def test_resources_become_children_shards_and_statuses(
    cluster: Client, namespace: str, start: Start, example: list[Body]
) -> None:
    await cluster.create(*example)
    async with start():
        await cluster.until(lambda: header(cluster, namespace), "s-1")
        assert await digests(cluster, namespace) == (digest_key("k-1-long-enough-now"),)
        settings = (await cluster.shards(namespace, "main"))[SETTINGS].settings
        assert settings is not None
        assert settings.base_path == "/rms/in/api"
        for kind in ("StatefulSet", "Service", "ServiceAccount"):
            await cluster.until_exists(kind, namespace, "main")
        await cluster.until_exists("Secret", namespace, "main-admin-token")
        served = {"Accepted": "True Accepted", "ResolvedRefs": "True ResolvedRefs", "Programmed": "False NoReadyPods"}
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", **served)
        await cluster.until_condition("PushConfig", namespace, "oms", **served, Delivering="Unknown NoReadyPods")
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        status = (await cluster.get("AggregatorWebhook", namespace, "clickpost") or {})["status"]
        assert status["url"].endswith("saas.increff.com/rms/in/api/clickpost/notify")
        assert "Clickpost's panel" in status["setup"]


async def test_a_rotated_secret_changes_exactly_one_shard(
    cluster: Client, namespace: str, start: Start, example: list[Body], within: Within
) -> None:
    more = [within(objects.push(f"other-{number}", held_in=f"s-{number}")) for number in range(20)]
    secrets = [within(objects.secret(f"s-{number}", out=f"v-{number}")) for number in range(20)]
    await cluster.create(*example, *more, *secrets)
    async with start():
        for number in range(20):
            await cluster.until(lambda push=f"other-{number}": header(cluster, namespace, push), f"v-{number}")
        await cluster.until(lambda: header(cluster, namespace), "s-1")
        await cluster.until(lambda: digests(cluster, namespace), (digest_key("k-1-long-enough-now"),))
        await cluster.until(lambda: has_settings(cluster, namespace), wanted=True)
        before = await cluster.shards(namespace, "main")
        await cluster.secret(namespace, "s-7", out="v-rotated")
        await cluster.until(lambda: header(cluster, namespace, "other-7"), "v-rotated")
        after = await cluster.shards(namespace, "main")
        changed = {name for name in after if before[name].revision != after[name].revision}
        assert changed == {shard_name(f"{namespace}/other-7")}


async def test_two_keys_are_valid_while_both_are_listed(
    cluster: Client, namespace: str, start: Start, example: list[Body]
) -> None:
    await cluster.create(*example)
    async with start():
        await cluster.until(lambda: digests(cluster, namespace), (digest_key("k-1-long-enough-now"),))
        await cluster.secret(namespace, "keys", new="k-2-long-enough-now")
        sources = [{"secretKeyRef": {"name": "keys", "key": key}} for key in ("new", "in")]
        await cluster.patch("AggregatorWebhook", namespace, "clickpost", spec={"keys": sources})
        both = (digest_key("k-2-long-enough-now"), digest_key("k-1-long-enough-now"))
        await cluster.until(lambda: digests(cluster, namespace), both)


async def test_a_missing_secret_is_reported_and_taken_once_it_is_made(
    cluster: Client, namespace: str, start: Start, example: list[Body]
) -> None:
    server, secret, *resources = example
    await cluster.create(server, *resources)
    async with start():
        for kind, name in (("AggregatorWebhook", "clickpost"), ("PushConfig", "oms")):
            await cluster.until_condition(kind, namespace, name, ResolvedRefs="False SecretNotFound")
        assert '"keys" is not in namespace' in await cluster.message("PushConfig", namespace, "oms", "Ready")
        await cluster.until(lambda: _has(cluster, namespace, ("Warning", "SecretNotFound")), wanted=True)
        await cluster.create(secret)
        await cluster.until(lambda: header(cluster, namespace), "s-1")
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="True ResolvedRefs")
        await cluster.until(lambda: _has(cluster, namespace, ("Normal", "ResolvedRefs")), wanted=True)
        await cluster.delete("Secret", namespace, "keys")
        await cluster.until(lambda: digests(cluster, namespace), ())  # in grace
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Programmed="False NotServed")


async def _has(cluster: Client, namespace: str, event: tuple[str, str]) -> bool:
    return event in await cluster.events(namespace)


async def test_of_two_that_claim_a_key_the_older_has_it_and_the_newer_gets_it_after_that_ones_end(
    cluster: Client, namespace: str, start: Start, example: list[Body], within: Within
) -> None:
    await cluster.create(*example)
    await cluster.next_second(namespace)
    await cluster.create(within(objects.webhook("zz-newer")))
    async with start():
        await cluster.until_condition("AggregatorWebhook", namespace, "zz-newer", Accepted="False KeyConflict")
        message = await cluster.message("AggregatorWebhook", namespace, "zz-newer", "Accepted")
        assert f"{namespace}/clickpost" in message  # it is in the same namespace, so the reader may know it
        assert await digests(cluster, namespace, "zz-newer") is None
        assert await digests(cluster, namespace) is not None
        await cluster.delete("AggregatorWebhook", namespace, "clickpost")
        await cluster.until(lambda: digests(cluster, namespace, "zz-newer"), (digest_key("k-1-long-enough-now"),))
        await cluster.until_condition("AggregatorWebhook", namespace, "zz-newer", Accepted="True Accepted")


async def test_a_broken_resource_affects_no_other(
    cluster: Client, namespace: str, start: Start, example: list[Body], within: Within
) -> None:
    broken = [
        within(objects.push("broken", url="http://plain.example")),
        within(objects.push("cel", filter={"expression": "status.cod == 'DELIVERED'"})),
        within(objects.webhook("lost", serverRef={"name": "nowhere"}, pushConfigRefs=[{"name": "oms"}])),
        within(objects.webhook("vague", pushConfigRefs=[{"name": "nothing"}])),
    ]
    await cluster.create(*broken, *example)
    async with start():
        await cluster.until_condition("PushConfig", namespace, "broken", Accepted="False Invalid")
        await cluster.until_condition("PushConfig", namespace, "cel", Accepted="False Invalid")
        told = await cluster.message("PushConfig", namespace, "cel", "Accepted")
        assert "spec.filter.expression: line 1, column 7: undeclared reference to 'status.cod'" in told
        assert "did you mean status.code?" in told
        await cluster.until_condition("AggregatorWebhook", namespace, "lost", Accepted="False ServerNotFound")
        await cluster.until_condition("AggregatorWebhook", namespace, "vague", ResolvedRefs="False PushConfigNotFound")
        await cluster.until_condition("PushConfig", namespace, "oms", Accepted="True Accepted")
        assert await header(cluster, namespace) == "s-1"
        await cluster.patch("PushConfig", namespace, "broken", spec={"url": "https://plain.example"})
        await cluster.until_condition("PushConfig", namespace, "broken", Accepted="True NotReferenced")
        await cluster.until(lambda: header(cluster, namespace, "broken"), "s-1")
        await cluster.patch("PushConfig", namespace, "cel", spec={"filter": {"expression": "status.terminal"}})
        await cluster.until_condition("PushConfig", namespace, "cel", Accepted="True NotReferenced")


async def test_a_deleted_resource_leaves_its_shard_and_an_empty_shard_stays(
    cluster: Client, namespace: str, start: Start, example: list[Body]
) -> None:
    await cluster.create(*example)
    async with start():
        await cluster.until(lambda: header(cluster, namespace), "s-1")
        await cluster.delete("PushConfig", namespace, "oms")
        await cluster.until(lambda: header(cluster, namespace), None)
        assert shard_name(f"{namespace}/oms") in await cluster.shards(namespace, "main")
        await cluster.until_condition(
            "AggregatorWebhook", namespace, "clickpost", ResolvedRefs="False PushConfigNotFound"
        )


async def test_a_server_of_two_must_be_named(
    cluster: Client, namespace: str, start: Start, example: list[Body], within: Within
) -> None:
    await cluster.create(*example)
    async with start():
        await cluster.until(lambda: header(cluster, namespace), "s-1")
        await cluster.create(within(objects.server("second", hosts=[])))
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="False ServerAmbiguous")
        await cluster.patch("AggregatorWebhook", namespace, "clickpost", spec={"serverRef": {"name": "main"}})
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", Accepted="True Accepted")
        await cluster.until(lambda: header(cluster, namespace), "s-1")


async def test_the_older_server_has_a_host(cluster: Client, namespace: str, start: Start, within: Within) -> None:
    await cluster.create(within(objects.server("main")))
    await cluster.next_second(namespace)
    await cluster.create(within(objects.server("newer")))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "newer", Accepted="False HostConflict")
        await cluster.until_condition("WebhookServer", namespace, "main", Accepted="True Accepted")


async def test_a_word_that_a_panel_refuses_is_reported(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(within(objects.server("word", basePath="/kr/api")))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "word", Accepted="False ForbiddenWord")
        await cluster.until_exists("Service", namespace, "word")


async def test_a_connection_string_reaches_the_settings_and_a_changed_one_does_too(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    async def stored() -> Any:
        found = (await cluster.shards(namespace, "main")).get("settings")
        return None if found is None or found.settings is None else found.settings.storage

    storage = {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}
    await cluster.create(within(objects.server("main", storage=storage, replicas=2)))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="False SecretNotFound")
        await cluster.until_exists("Deployment", namespace, "main")
        assert await stored() is None
        await cluster.create(within(objects.secret("db", dsn="postgresql://u:one@h/d")))
        await cluster.until(stored, Postgres(dsn="postgresql://u:one@h/d"))
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="True ResolvedRefs")
        await cluster.secret(namespace, "db", dsn="postgresql://u:two@h/d")
        await cluster.until(stored, Postgres(dsn="postgresql://u:two@h/d"))
        await cluster.delete("Secret", namespace, "db")
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="False SecretNotFound")
        assert await stored() == Postgres(dsn="postgresql://u:two@h/d")


async def test_keys_of_the_encryption_reach_the_settings_are_rotated_and_one_that_is_missing_changes_nothing(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    old, new = (base64.b64encode(key * 32).decode() for key in (b"o", b"n"))

    async def taken() -> Encryption | None:
        found = (await cluster.shards(namespace, "main")).get("settings")
        return None if found is None or found.settings is None else found.settings.encryption

    def refs(*keys: str) -> Body:
        return {"keys": [{"secretKeyRef": {"name": "journal", "key": key}} for key in keys]}

    await cluster.create(within(objects.server("main", encryption=refs("old"))))
    async with start():
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="False SecretNotFound")
        assert await taken() is None
        await cluster.create(within(objects.secret("journal", old=old)))
        await cluster.until(taken, Encryption(keys=(b"o" * 32,)))
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="True ResolvedRefs")
        await cluster.patch("WebhookServer", namespace, "main", spec={"encryption": refs("new", "old")})
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="False SecretKeyNotFound")
        await cluster.secret(namespace, "journal", new="c2hvcnQ=")
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="False SecretValueInvalid")
        told = await cluster.message("WebhookServer", namespace, "main", "ResolvedRefs")
        assert 'key "new" of Secret "journal" has 5 bytes, but a key has 32; create a key with: openssl' in told
        assert await taken() == Encryption(keys=(b"o" * 32,)), "what is served stays"
        await cluster.secret(namespace, "journal", new=new)
        await cluster.until(taken, Encryption(keys=(b"n" * 32, b"o" * 32)))
        await cluster.patch("WebhookServer", namespace, "main", spec={"encryption": refs("new")})
        await cluster.until(taken, Encryption(keys=(b"n" * 32,)))
        await cluster.until_condition("WebhookServer", namespace, "main", ResolvedRefs="True ResolvedRefs")


async def test_another_namespaces_resources_are_served_only_if_the_server_allows_it(
    cluster: Client, namespace: str, start: Start, example: list[Body], api_server: Any
) -> None:
    del api_server
    other = f"{namespace}-x"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    server, *_ = example
    server["spec"]["allowedNamespaces"] = {"from": "Same"}
    foreign = [
        objects.secret("keys", other, **{"in": "k-2-long-enough-now", "out": "s-2"}),
        objects.push("oms", other),
        objects.webhook("clickpost", other, serverRef={"name": "main", "namespace": namespace}),
    ]
    await cluster.create(server, *foreign)
    async with start(namespaces=(namespace, other)):
        await cluster.until_condition("AggregatorWebhook", other, "clickpost", Accepted="False NamespaceNotAllowed")
        selected = {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": other}}}
        await cluster.patch("WebhookServer", namespace, "main", spec={"allowedNamespaces": selected})
        await cluster.until_condition("AggregatorWebhook", other, "clickpost", Accepted="True Accepted")

        async def is_served() -> bool:
            shards = await cluster.shards(namespace, "main")
            return f"{other}/oms" in [
                destination.name for shard in shards.values() for destination in shard.destinations
            ]

        await cluster.until(is_served, wanted=True)
