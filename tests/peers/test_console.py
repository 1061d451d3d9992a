"""The console: from an AWB to what each client answered, in a page of the server itself."""

import aiohttp

from peers.conftest import Open
from support.sink import accept


async def test_console(place: Open) -> None:
    async with place(accept) as here:
        await here.post(7)
        (push,) = await here.arrived(1)
        assert push.mark == 7
        awb = (await here.admin("GET", "/api/v1/pushes"))["pushes"][0]["awb"]
        url = f"http://{here.server.admin_address}/console/find?q={awb}"
        async with aiohttp.ClientSession() as session:
            page = ""
            while "delivered" not in page:
                async with session.get(url) as answer:
                    assert answer.status == 200
                    page = await answer.text()
        assert f'Shipment <span class="mono">{awb}</span>' in page
        assert "acme/push" in page
        assert ">200</span> accepted" in page
