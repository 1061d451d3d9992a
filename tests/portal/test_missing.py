"""Pushes that wait for a missing PushConfig: each overview names its own client's, and no other one's."""

from pathlib import Path

import aiohttp

from support.bodies import body
from support.deadline import until_found
from support.portal import open_portal
from support.serving import account, serving, table
from trackpush_api.vocabulary import Aggregator


async def test_a_missing_push_config_is_reported_to_its_own_client_only(tmp_path: Path) -> None:
    accounts = [
        account(Aggregator.CLICKPOST, f"{client}-key", name=f"{client}/clickpost", destinations=[f"{client}/future"])
        for client in ("acme", "zen")
    ]
    async with serving(tmp_path, table(*accounts)) as server, open_portal(server) as portal:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with aiohttp.ClientSession() as session:
            for number, client in enumerate(("acme", "zen")):
                content = body("clickpost", mark=number, shipment=number, second=1)
                async with session.post(url, data=content, headers={"x-api-key": f"{client}-key"}) as answer:
                    assert answer.status == 200
        async with portal.visitor("acme") as visitor:
            page = await until_found(lambda: visitor.get("/portal/"), lambda page: "acme/future" in page.text)
        assert "not configured any more" in page.text
        assert "zen" not in page.text
