"""`test notification` against a real server with a folder of resources, and targets that really receive."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace

from support.bodies import body
from support.command import Result, invoked
from support.deadline import until
from support.serving import RoleTokens, role_tokens, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import AnnouncementTarget, Egress
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.server import Server

KEYS = (bytes(range(32)), bytes(range(32, 64)))
SECRETS = tuple("whsec_" + base64.b64encode(key).decode() for key in KEYS)

SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {{name: main, namespace: trackpush}}
spec:
  allowedNamespaces: {{from: All}}
  egress: {{httpsOnly: false, allowedCIDRs: {cidrs}}}
  notifications:
    - {{name: slack, format: Slack, urlFrom: {{secretKeyRef: {{name: hooks, key: slack}}}}}}
    - {{name: pager, url: "{url}"}}
"""
CLIENT = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: clickpost, namespace: acme}}
spec: {{aggregator: Clickpost, keys: [{{secretKeyRef: {{name: keys, key: clickpost}}}}]}}
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {{name: oms, namespace: acme}}
spec:
  url: "{url}"
  notifications:
    - name: ops
      urlFrom: {{secretKeyRef: {{name: keys, key: url}}}}
      events: [AccountSilent, PushesDead]
      signing: {{secrets: [{{secretKeyRef: {{name: keys, key: first}}}}, {{secretKeyRef: {{name: keys, key: next}}}}]}}
      headers: [{{name: X-Team, value: returns}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: acme}}
stringData: {{clickpost: key-of-acme-0001, url: "{url}", first: "{first}", next: "{next}"}}
"""
HOOKS = """
apiVersion: v1
kind: Secret
metadata: {{name: hooks, namespace: trackpush}}
stringData: {{slack: "{url}"}}
"""


class Rig(NamedTuple):
    """A server, a sink that is every endpoint, and the folder of resources."""

    server: Server
    sink: Sink
    tokens: RoleTokens
    folder: Path

    async def run(self, *arguments: str, token: Path | None = None) -> Result:
        where = ("--admin", self.server.admin_address, "--token-file", str(token or self.tokens.operate))
        return await invoked("test", "notification", *arguments, *where)

    def write(self, name: str, text: str, **values: object) -> None:
        text = text.format(url=self.sink.url, first=SECRETS[0], next=SECRETS[1], **values)
        (self.folder / name).write_text(text)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    resources = tmp_path / "resources"
    resources.mkdir()
    tokens = role_tokens(tmp_path)
    async with open_sink() as sink:
        for name, text in (("server.yaml", SERVER), ("acme.yaml", CLIENT)):
            values = {"url": sink.url, "first": SECRETS[0], "next": SECRETS[1], "cidrs": "[127.0.0.0/8]"}
            (resources / name).write_text(text.format(**values))
        async with serving(tmp_path, source=ResourceFolder(resources), **tokens.options) as server:
            yield Rig(server, sink, tokens, resources)


def signatures(arrival: Arrival) -> str:
    """What the header webhook-signature must contain, by the rules of Standard Webhooks."""
    signed = f"{arrival.webhook_id}.{arrival.headers['webhook-timestamp']}.".encode() + arrival.body
    return " ".join(f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}" for key in KEYS)


async def test_a_push_configs_target_gets_a_signed_marked_message_that_is_audited(rig: Rig) -> None:
    done = await rig.run("--push-config", "acme/oms")

    assert done.exit_code == 0, done
    assert "PushConfig/acme/oms/ops: HTTP 200 in " in done.stdout
    (arrival,) = rig.sink.arrivals
    assert arrival.headers["webhook-signature"] == signatures(arrival)
    assert (arrival.headers["trackpush-test"], arrival.headers["x-team"]) == ("1", "returns")
    assert arrival.headers["content-type"] == "application/json"
    told = json.loads(arrival.body)
    assert (told["id"], told["type"], told["data"]["test"]) == (arrival.webhook_id, "PushesDead", True)
    assert told["data"]["events"][0]["name"] == "acme/oms"
    assert arrival.webhook_id.startswith("ann_")
    assert arrival.webhook_id in done.stdout
    headers = {"Authorization": f"Bearer {rig.tokens.view.read_text()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://{rig.server.admin_address}/api/v1/audits") as answer,
    ):
        audits = (await answer.json())["audits"]
    assert [(entry["action"], entry["target"]) for entry in audits] == [
        ("notification.test", "PushConfig/acme/oms/ops")
    ]


async def test_a_notification_without_its_secret_is_not_sent_and_is_sent_as_soon_as_the_secret_exists(
    rig: Rig,
) -> None:
    before = await rig.run()
    missing = await rig.run("--name", "slack")
    async with aiohttp.ClientSession() as session:
        url = f"http://{rig.server.address}/rms/in/api/clickpost/notify?key=key-of-acme-0001"
        async with session.post(url, data=body("clickpost", mark=1, shipment=1, second=1)) as answer:
            assert answer.status == 200
    await until(lambda: len(rig.sink.arrivals) == 2, seconds=30, what="the push arrives nevertheless")
    rig.write("hooks.yaml", HOOKS)
    await until(lambda: "slack" in str(_targets(rig)), seconds=30, what="the new Secret is served")
    after = await rig.run("--name", "slack", "--event", "accountsilent", "-o", "json")

    assert (before.exit_code, before.stdout.count("HTTP 200")) == (0, 1)
    assert missing.exit_code == 2
    assert "WebhookServer trackpush/main has no notification slack that can be sent (found: pager)" in missing.stderr
    (view,) = after.json["notifications"]
    assert (view["target"], view["delivered"], view["event"]) == (
        "WebhookServer/trackpush/main/slack", True, "AccountSilent",
    )  # fmt: skip
    text = json.loads(rig.sink.arrivals[-1].body)["text"]
    assert text.startswith("*Test, nothing has happened: The account example/example has been silent since ")


async def test_a_changed_notification_is_served_without_a_new_channel_for_the_pushes(rig: Rig) -> None:
    channel = rig.server._dispatcher._channels["acme/oms"]
    attempts = channel._attempts
    endpoint = channel.endpoint
    rig.write("acme.yaml", CLIENT.replace("X-Team", "X-Group"))
    await until(lambda: "X-Group" in str(_headers(rig)), seconds=30, what="the change is served")

    assert rig.server._dispatcher._channels["acme/oms"] is channel
    assert channel._attempts is attempts
    assert channel.endpoint is endpoint
    done = await rig.run("--push-config", "acme/oms")
    assert done.exit_code == 0
    assert rig.sink.arrivals[-1].headers["x-group"] == "returns"


async def test_a_target_that_refuses_is_reported_and_its_url_is_never_shown(rig: Rig) -> None:
    async def refuse(arrival: Arrival) -> web.Response:
        return web.Response(status=403, text=f"invalid_token for {arrival.headers['host']}/hooks/shipments")

    rig.sink.behaviour = refuse
    done = await rig.run("--push-config", "acme/oms")

    assert done.exit_code == 1
    assert "PushConfig/acme/oms/ops: HTTP 403: invalid_token" in done.stdout
    assert "1 notification not accepted: PushConfig/acme/oms/ops" in done.stderr


async def test_unknown_names_are_explained_and_nothing_is_sent(rig: Rig) -> None:
    none = await rig.run("--push-config", "acme/nothing")
    other = await rig.run("--push-config", "acme/oms", "--name", "opps")
    viewer = await rig.run(token=rig.tokens.view)

    assert (none.exit_code, other.exit_code, viewer.exit_code) == (2, 2, 1)
    assert "no PushConfig acme/nothing is served here" in none.stderr
    assert "PushConfig acme/oms has no notification opps that can be sent (found: ops)" in other.stderr
    assert "operate" in viewer.stderr
    assert rig.sink.arrivals == []


async def test_a_test_message_passes_the_egress_guard(tmp_path: Path) -> None:
    async with open_sink() as sink:
        target = AnnouncementTarget(name="WebhookServer/trackpush/main/pager", url=sink.url)
        given = table()
        settings = replace(given.server, egress=Egress(), announcement_targets=(target,))
        async with serving(tmp_path, replace(given, server=settings)) as server:
            done = await invoked("test", "notification", "--admin", server.admin_address)

    assert done.exit_code == 1
    assert "WebhookServer/trackpush/main/pager: denied: " in done.stdout
    assert sink.arrivals == []


def _targets(rig: Rig) -> object:
    table = rig.server._tables.table
    return None if table is None else table.server.announcement_targets


def _headers(rig: Rig) -> object:
    table = rig.server._tables.table
    assert table is not None
    return [target.headers for target in table.destination_by_name["acme/oms"].announcement_targets]
