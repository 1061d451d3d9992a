"""Aggregators in API and console: definitions, samples, and the codes that arrived as UNKNOWN."""

import contextlib
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from support.bodies import body
from support.deadline import until_found
from support.definitions import NAME, definition
from support.definitions import body as parcel
from support.serving import account, serving, table
from trackpush_api.kinds.aggregator_definition import StatusRow
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server

OPERATE, VIEW = "token-that-may-operate", "token-that-may-view"
HOSTILE = "<script>alert(1)</script> \u202eRTL \x1b[31mred"


class AdminClient:
    """Posts to a server, and reads its API and console with a token."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def post(self, content: bytes, aggregator: str = NAME, key: str = "parcel-key") -> None:
        url = f"http://{self.server.address}/rms/in/api/{aggregator}/notify"
        async with self.session.post(url, data=content, headers={"x-api-key": key}) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, token: str = OPERATE) -> Any:
        return msgspec.json.decode(await self._read(f"/api/v1{path}", token, 200))

    async def page(self, path: str, token: str = OPERATE, status: int = 200) -> str:
        return (await self._read(f"/console{path}", token, status)).decode()

    async def _read(self, path: str, token: str, status: int) -> bytes:
        url, headers = f"http://{self.server.admin_address}{path}", {"Authorization": f"Bearer {token}"}
        async with self.session.get(url, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            return await answer.read()


@contextlib.asynccontextmanager
async def client_of(folder: Path, **options: Any) -> AsyncIterator[AdminClient]:
    for name, token in (("operate", OPERATE), ("view", VIEW)):
        (folder / name).write_text(token)
    given = table(
        account(NAME, "parcel-key", name="acme/parcelkit"),
        account(Aggregator.CLICKPOST, "k"),
        definitions=[definition()],
    )
    tokens = {"admin_token_file": folder / "operate", "admin_view_token_file": folder / "view"}
    async with serving(folder, given, **tokens, **options) as server, aiohttp.ClientSession() as session:
        yield AdminClient(server, session)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminClient]:
    async with client_of(tmp_path) as made:
        yield made


async def test_unknown_codes_are_listed_by_count_with_a_row_that_the_model_accepts(client: AdminClient) -> None:
    await client.post(parcel(group="RT", code="X", text="Gone back"))
    await client.post(parcel("7002", group="RT", code="X", text="Gone back"))
    await client.post(parcel("7003", group="a/b", code=""))
    await client.post(parcel("7004"))

    found = await client.get("/unknown-codes")
    first, second = found["codes"]
    assert (first["aggregator"], first["code"], first["count"]) == (NAME, "RT/X", 2)
    assert first["firstAt"] <= first["lastAt"]
    assert first["row"] == '- {when: ["RT", "X"], status: UNKNOWN} # Gone back'
    assert StatusRow.model_validate(yaml.safe_load(second["row"])[0]).when == ["a/b", ""]
    assert (found["total"], found["forgotten"], found["masked"]) == (2, 0, False)
    assert (await client.get("/unknown-codes?aggregator=ekart"))["codes"] == []
    assert len((await client.get("/unknown-codes?limit=1"))["codes"]) == 1


async def test_a_built_in_aggregators_code_is_counted_without_a_row(client: AdminClient) -> None:
    content = msgspec.json.decode(body("clickpost", mark=1, shipment=1, second=1))
    content["clickpost_status_code"] = 99999
    await client.post(msgspec.json.encode(content), "clickpost", "k")
    (code,) = (await client.get("/unknown-codes"))["codes"]
    assert (code["aggregator"], code["code"], code["row"]) == ("clickpost", "99999", None)


async def test_the_role_view_sees_codes_and_no_free_text(client: AdminClient) -> None:
    await client.post(parcel(group="RT", code="X", text="Rahul Verma"))
    await client.post(parcel("7002", group="RT", code="Handed to Rahul"))
    for path in ("/unknown-codes", "/aggregators"):
        assert "Rahul" not in str(await client.get(path, VIEW))
    for path in ("/aggregators", "/aggregators/parcelkit", "/unknown-codes"):
        assert "Rahul" not in await client.page(path, VIEW)
    found = await client.get("/unknown-codes", VIEW)
    assert {code["code"]: (code["label"], code["row"]) for code in found["codes"]} == {
        "RT/X": ("•••", '- {when: ["RT", "X"], status: UNKNOWN}'),
        "RT/•••": (None, None),
    }
    assert "Rahul Verma" in await client.page("/aggregators")


async def test_a_key_in_a_code_is_redacted(client: AdminClient) -> None:
    await client.post(parcel(group="RT", code="parcel-key", text="parcel-key"))
    assert "parcel-key" not in str(await client.get("/unknown-codes"))


async def test_a_hostile_code_is_shown_as_text(client: AdminClient) -> None:
    await client.post(parcel(group=HOSTILE, code="X", text=HOSTILE))
    for path in ("/aggregators", "/aggregators/parcelkit", "/unknown-codes?aggregator=parcelkit"):
        page = await client.page(path)
        assert "<script>alert" not in page
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert r"<script>alert(1)</script> \u202eRTL \x1b[31mred" in unescape(page)


async def test_every_aggregator_is_listed_with_its_origin_authentication_and_samples(client: AdminClient) -> None:
    listed = (await client.get("/aggregators"))["aggregators"]
    names = [entry["name"] for entry in listed]
    assert names == sorted(names)
    known = {entry["name"]: entry for entry in listed}
    assert known["clickpost"]["origin"] == "built in"
    assert known["delhivery"]["origin"] == "catalog"
    assert known["delhivery"]["samples"]
    assert known["easypost"]["authentication"] == "signature in X-Hmac-Signature"
    assert known[NAME] == {
        "name": NAME,
        "path": NAME,
        "origin": "AggregatorDefinition",
        "authentication": "key in the URL",
        "samples": None,
        "samplesCommand": "kubectl -n trackpush get aggregatordefinition parcelkit -o yaml",
    }
    page = await client.get(f"/aggregators?limit=2&after={names[0]}")
    assert ([entry["name"] for entry in page["aggregators"]], page["after"]) == (names[1:3], names[2])


async def test_the_page_of_an_aggregator_shows_its_definition_and_samples(client: AdminClient) -> None:
    overview = await client.page("/aggregators", VIEW)
    assert 'href="/console/aggregators" aria-current="page"' in overview
    for name in (NAME, "delhivery", "clickpost"):
        assert f'href="/console/aggregators/{name}"' in overview
    shipped = unescape(await client.page("/aggregators/delhivery", VIEW))
    assert "kind: AggregatorDefinition" in shipped
    assert "<summary>" in shipped
    assert "trackpush aggregators test delhivery -v" in shipped
    own = unescape(await client.page(f"/aggregators/{NAME}", VIEW))
    assert "kubectl -n trackpush get aggregatordefinition parcelkit -o yaml" in own
    assert "shipment.waybill" in own
    assert "it is code" in await client.page("/aggregators/clickpost", VIEW)
    assert "No aggregator nobody is known here." in await client.page("/aggregators/nobody", VIEW, status=404)


@pytest.mark.usefixtures("processes")
async def test_the_codes_that_all_receiving_processes_saw_are_added(tmp_path: Path) -> None:
    async with client_of(tmp_path, receivers=2) as client:
        for number in range(12):
            async with aiohttp.ClientSession() as once:
                await AdminClient(client.server, once).post(parcel(str(7000 + number), group="RT", code="X"))
        found = await until_found(
            lambda: client.get("/unknown-codes"), lambda found: [code["count"] for code in found["codes"]] == [12]
        )
    assert found["codes"][0]["code"] == "RT/X"
