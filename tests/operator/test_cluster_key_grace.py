"""On a real API server: a key Secret that is deleted and made again costs no aggregator a 401."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_api.routing import Account, digest_key
from trackpush_api.shards import shard_name
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
KEY = "key-of-acme-0001"


async def account(cluster: Client, namespace: str) -> Account | None:
    """What the servers would read of the AggregatorWebhook."""
    shards = await cluster.shards(namespace, "main")
    shard = shards.get(shard_name(f"{namespace}/clickpost"))
    return (
        next((account for account in shard.accounts if account.name == f"{namespace}/clickpost"), None)
        if shard
        else None
    )


async def test_a_deleted_key_secret_gives_a_grace_that_a_restart_of_the_operator_keeps(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    keys = within(objects.secret("keys", **{"in": KEY, "out": "s-1"}))
    await cluster.create(within(objects.server()), keys, within(objects.push()), within(objects.webhook()))

    async def keys_served() -> tuple[int, int]:
        found = await account(cluster, namespace)
        return (0, 0) if found is None else (len(found.key_digests), len(found.grace))

    async with start():
        await cluster.until(keys_served, (1, 0))
        await cluster.delete("Secret", namespace, "keys")
        await cluster.until(keys_served, (0, 1))
        before = await account(cluster, namespace)
        await cluster.until_condition(
            "AggregatorWebhook", namespace, "clickpost", ResolvedRefs="False SecretNotFound", Accepted="True Accepted"
        )
        message = await cluster.message("AggregatorWebhook", namespace, "clickpost", "Accepted")
        assert "get 503 instead of 401" in message
    assert before is not None
    assert before.grace[0].digest == digest_key(KEY)
    async with start():
        await cluster.patch("PushConfig", namespace, "oms", spec={"url": "https://oms.example/other"})
        await cluster.until_condition("PushConfig", namespace, "oms", ResolvedRefs="False SecretNotFound")
        after = await account(cluster, namespace)
        assert after is not None
        assert after.grace == before.grace, "the end of the grace is the same"
        await cluster.create(keys)
        await cluster.until(keys_served, (1, 0))
        await cluster.until_condition("AggregatorWebhook", namespace, "clickpost", ResolvedRefs="True ResolvedRefs")
