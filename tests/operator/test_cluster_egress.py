"""On a real API server: an address that no push may go to is refused at once, whether something sends there or not."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support import objects
from support.objects import Body
from support.operating import Client
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
KEYS = objects.secret("keys", **{"in": "key-of-acme-0001", "out": "s-1"})
ADVICE = "if this is meant, add it to egress.allowedCIDRs of the WebhookServer"


@pytest.mark.parametrize("others", [[objects.server(), objects.webhook()], [objects.server()], []], ids=len)
async def test_a_literal_private_address_is_refused_at_once(
    cluster: Client, namespace: str, start: Start, within: Within, others: list[Body]
) -> None:
    hosts = {"ten": "10.1.2.3", "meta": "169.254.169.254", "six": "[fd00::1]", "mapped": "[::ffff:a00:1]"}
    pushes = [objects.push(name, url=f"https://{host}/hook") for name, host in hosts.items()]
    public = objects.push("public", url="https://93.184.215.14/hook")
    await cluster.create(*(within(body) for body in (KEYS, *others, *pushes, public)))
    async with start():
        for name, host in hosts.items():
            await cluster.until_condition("PushConfig", namespace, name, Accepted="False Invalid")
            message = await cluster.message("PushConfig", namespace, name, "Accepted")
            assert message.startswith("spec.url: pushes may not go to ")
            assert host.strip("[]") in message
            assert ADVICE in message
        wanted = "True Accepted" if len(others) == 2 else "True NotReferenced"
        await cluster.until_condition("PushConfig", namespace, "public", Accepted=wanted)


async def test_a_server_that_allows_the_address_accepts_it_before_anything_sends_there(
    cluster: Client, namespace: str, start: Start, within: Within
) -> None:
    await cluster.create(
        *(within(body) for body in (objects.server(), KEYS, objects.push(url="https://10.1.2.3/hook")))
    )
    async with start():
        await cluster.until_condition("PushConfig", namespace, "oms", Accepted="False Invalid")
        await cluster.patch("WebhookServer", namespace, "main", spec={"egress": {"allowedCIDRs": ["10.1.0.0/16"]}})
        await cluster.until_condition("PushConfig", namespace, "oms", Accepted="True NotReferenced")
