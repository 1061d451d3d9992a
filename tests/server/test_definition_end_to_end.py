"""Posts become pushes by a definition in a folder of resources, or by one of the catalog."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.deadline import until
from support.serving import serving
from support.sink import Sink, open_sink
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.server import Server

DEFINITION = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorDefinition
metadata: {name: parcelkit, namespace: trackpush}
spec:
  path: parcelkit
  authentication:
    key: {headers: [X-Parcel-Key], query: [token]}
    signature: {header: X-Parcel-Signature, encoding: Hex, prefix: "sha256="}
  timezone: Asia/Kolkata
  updates:
    - {as: shipment, in: body.shipments}
    - {as: scan, in: shipment.scans}
  fields:
    awb: shipment.waybill
    orderId: [shipment.reference, shipment.order.id]
    courier: shipment.carrier
    remark: scan.note
    location: scan.place
    occurredAt: {join: [scan.date, scan.time], formats: ["%d-%m-%Y %H%M"]}
    estimatedDelivery: shipment.promised
    forwardAwb: shipment.forward_waybill
  status:
    code: [scan.group, scan.code]
    label: scan.text
    table:
      - {when: [DL, "*"], status: DELIVERED, direction: Forward}
      - {when: [RT, D], status: RTO_DELIVERED, direction: RTO}
  direction: {of: shipment.mode, table: {F: Forward, R: Reverse}}
  identity: [awb, status, occurredAt]
  redact: [shipment.rider.phone]
  samples:
    - name: delivered
      body: {shipments: [{waybill: "7001", mode: F, scans: [{group: DL, code: X, date: 01-06-2026, time: "1004"}]}]}
      expect: [{awb: "7001", status: DELIVERED, direction: Forward, occurredAt: "2026-06-01T04:34:00Z"}]
"""
RESOURCES = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts:
    - {host: parcels.example.test, aggregators: [parcelkit, nimbuspost, bluedart]}
    - {host: other.example.test, aggregators: [Clickpost]}
  allowedNamespaces: {from: All}
  egress: {httpsOnly: false, allowedCIDRs: [127.0.0.0/8]}
"""
CLIENT = """
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: %(aggregator)s, namespace: acme}
spec:
  aggregator: %(aggregator)s
  serverRef: {name: main, namespace: trackpush}
  keys: [{secretKeyRef: {name: keys, key: first}}, {secretKeyRef: {name: keys, key: second}}]
  pushConfigRefs: [{name: oms}]
"""
PUSH = """
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec: {url: "%s"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {first: the-first-secret, second: the-second-secret}
"""
HOST = {"Host": "parcels.example.test"}
BODY = json.dumps(
    {
        "shipments": [
            {
                "waybill": "7001",
                "mode": "F",
                "rider": {"phone": "9000000001"},
                "scans": [{"group": "DL", "code": "X", "date": "01-06-2026", "time": "1004"}],
            }
        ]
    }
).encode()


def hexadecimal(content: bytes, secret: str) -> dict[str, str]:
    return {"X-Parcel-Signature": "sha256=" + hmac.digest(secret.encode(), content, hashlib.sha256).hex()}


def in_base64(content: bytes, secret: str) -> dict[str, str]:
    made = hmac.digest(secret.encode(), content, hashlib.sha256)
    return {"X-Hmac-SHA256": base64.b64encode(made).decode()}


class Rig:
    """A server that reads a folder, its client's endpoint, and a sender."""

    def __init__(self, folder: Path, sink: Sink, server: Server, session: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.sink = sink
        self._server = server
        self._session = session

    async def post(self, aggregator: str, content: bytes, headers: dict[str, str], suffix: str = "") -> tuple[int, Any]:
        url = f"http://{self._server.address}/rms/in/api/{aggregator}/notify{suffix}"
        async with self._session.post(url, data=content, headers=HOST | headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def pushed(self, count: int) -> dict[str, Any]:
        """The newest notification, once there are so many."""
        await until(lambda: len(self.sink.arrivals) == count, seconds=60, what=f"{count} pushes")
        notification: dict[str, Any] = json.loads(self.sink.arrivals[-1].body)
        return notification


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    folder = tmp_path / "resources"
    folder.mkdir()
    async with open_sink() as sink, aiohttp.ClientSession() as session:
        clients = "".join(CLIENT % {"aggregator": name} for name in ("parcelkit", "nimbuspost", "bluedart"))
        (folder / "resources.yaml").write_text(RESOURCES + clients + PUSH % sink.url)
        (folder / "parcelkit.yaml").write_text(DEFINITION)
        async with serving(tmp_path, source=ResourceFolder(folder)) as server:
            yield Rig(folder, sink, server, session)


async def test_a_signed_post_by_either_secret_is_pushed_as_the_definition_says(rig: Rig) -> None:
    assert await rig.post("parcelkit", BODY, hexadecimal(BODY, "the-first-secret")) == (
        200,
        {"accepted": 1, "duplicates": 0},
    )
    assert await rig.post("parcelkit", BODY, hexadecimal(BODY, "the-second-secret")) == (
        200,
        {"accepted": 0, "duplicates": 1},
    )
    notification = await rig.pushed(1)
    assert notification["aggregator"] == "parcelkit"
    assert notification["occurredAt"] == "2026-06-01T04:34:00Z"
    assert (notification["shipment"]["awb"], notification["shipment"]["direction"]) == ("7001", "forward")
    assert (notification["status"]["code"], notification["status"]["aggregatorCode"]) == ("DELIVERED", "DL/X")
    assert b"9000000001" not in rig.sink.arrivals[0].body


async def test_what_is_not_signed_is_401_and_a_key_in_the_path_is_enough(rig: Rig) -> None:
    assert (await rig.post("parcelkit", BODY, {}))[0] == 401
    assert (await rig.post("parcelkit", BODY, {"X-Parcel-Key": "the-first-secret"}))[0] == 401
    assert (await rig.post("parcelkit", BODY, hexadecimal(BODY, "wrong")))[0] == 401
    assert (await rig.post("parcelkit", BODY, {}, "/the-first-secret"))[1] == {"accepted": 1, "duplicates": 0}


async def test_aggregators_of_the_catalog_are_served_by_signature_and_by_two_headers(rig: Rig) -> None:
    nimbus = b'{"awb_number": "50001", "status": "delivered", "event_time": "2026-06-01 10:04:00"}'
    assert (await rig.post("nimbuspost", nimbus, in_base64(nimbus, "the-second-secret")))[1]["accepted"] == 1
    assert (await rig.post("nimbuspost", nimbus, in_base64(nimbus, "wrong")))[0] == 401
    both = {"client-id": "the-first-secret", "license-key": "the-second-secret"}
    shipment = {"WaybillNo": "60001", "Scans": {"ScanDetail": [{"ScanType": "DL", "ScanCode": "000"}]}}
    blue = json.dumps({"statustracking": [{"Shipment": shipment}]}).encode()
    assert (await rig.post("bluedart", blue, both))[1]["accepted"] == 1
    assert (await rig.post("bluedart", blue, {"client-id": "the-first-secret"}))[0] == 401
    assert (await rig.post("clickpost", b"{}", {}))[0] == 404


async def test_a_definition_of_the_folder_replaces_the_catalogs_while_the_server_runs(rig: Rig) -> None:
    body = b'{"number": "1", "state": "D"}'
    assert (await rig.post("nimbuspost", body, in_base64(body, "the-first-secret")))[1].get("unrecognised") == 1
    own = {
        "path": "nimbuspost",
        "fields": {"awb": "number"},
        "status": {"code": "state", "table": [{"when": "D", "status": "DELIVERED"}]},
    }
    resource = {
        "apiVersion": "trackpush.dev/v1alpha1",
        "kind": "AggregatorDefinition",
        "metadata": {"name": "nimbuspost", "namespace": "trackpush"},
        "spec": own,
    }
    (rig.folder / "nimbuspost.yaml").write_text(json.dumps(resource))
    key = {"X-Api-Key": "the-first-secret"}
    async with asyncio.timeout(60):
        while not (await rig.post("nimbuspost", body, key))[1].get("accepted"):
            pass  # the folder is read within a second
    assert (await rig.pushed(1))["status"]["code"] == "DELIVERED"
