"""The request that people are shown is the one that is sent, without its secrets; curl sends it again."""

import asyncio
import base64
import os
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from support.rows import every_row
from trackpush_api.routing import Destination, OAuth2
from trackpush_server.pusher.preview import HIDDEN, PushContent, RequestPreview, curl, preview

CONTENT = PushContent(
    push_id="psh_1",
    account="acme/clickpost",
    notification=b'{"type":"tracking.updated","aggregator":"Clickpost"}',
    raw=b'{"name":"Asha\'s $HOME `x` \\"y\\" \xe0\xa4\x86"}',
    late=True,
    replays=2,
)
SECRET = "whsec_" + base64.b64encode(b"secret-of-32-bytes-for-signatures").decode()


def shown(**fields: Any) -> RequestPreview:
    given = {"name": "acme/oms", "url": "https://example.com/hook", **fields}
    found = preview(Destination(**given), CONTENT, timestamp=1_700_000_000)
    assert found is not None
    return found


def headers(request: RequestPreview) -> Mapping[str, str]:
    return {header.name: header.value for header in request.headers}


SECRETS: dict[str, tuple[dict[str, Any], str]] = {
    "a header": ({"headers": (("X-Api-Key", "hunter2"),)}, "hunter2"),
    "basic": ({"headers": (("Authorization", "Basic aHVudGVyMg=="),)}, "aHVudGVyMg"),
    "OAuth": ({"oauth2": OAuth2(token_url="https://t.example.com", client_id="i", client_secret="hunter2")}, "hunter2"),
    "the signing secret": ({"signing": (SECRET,)}, SECRET[6:]),
    "the query": ({"url": "https://example.com/hook?key=hunter2&x=y"}, "hunter2"),
    "a query without names": ({"url": "https://example.com/hook?hunter2"}, "hunter2"),
}  # fmt: skip


@every_row(("name", "case"), SECRETS.items())
def test_no_secret_is_shown(name: str, case: tuple[dict[str, Any], str]) -> None:
    del name
    fields, secret = case
    request = shown(**fields)
    assert secret not in msgspec.json.encode(request).decode()
    assert secret not in curl(request)
    assert HIDDEN in msgspec.json.encode(request).decode(), "it says that something is hidden"


def test_the_exact_body_is_shown_in_the_form_of_the_push_config() -> None:
    raw = shown(payload_format="Raw")
    assert raw.body == CONTENT.raw
    canonical = shown()
    assert canonical.body.startswith(b'{"id":"psh_1","late":true,"type":"tracking.updated"')
    assert canonical.body.endswith(b'"raw":' + CONTENT.raw + b"}")
    assert headers(canonical)["Content-Length"] == str(len(canonical.body))
    assert headers(canonical)["trackpush-replay"] == "2"
    assert (headers(canonical)["webhook-id"], headers(canonical)["webhook-timestamp"]) == ("psh_1", "1700000000")


def test_an_unusable_url_has_no_request() -> None:
    assert preview(Destination(name="acme/oms", url="https://"), CONTENT, timestamp=1) is None


@pytest.mark.usefixtures("processes")
async def test_a_shell_that_runs_the_command_gives_curl_the_request_with_the_variables_in_place(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "curl").write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    (tmp_path / "curl").chmod(0o755)
    request = shown(
        url="https://example.com/ho$ok`?key=k&x=y",
        headers=(("X-Api-Key", "k"),),
        signing=(SECRET,),
        payload_format="Raw",
    )
    variables = {"KEY": "a b", "X": "c", "X_API_KEY": "d'e", "WEBHOOK_SIGNATURE": "v1,f"}
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", curl(request)), stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables}
    )
    out, _ = await process.communicate()
    given = out.decode().split("\0")[:-1]
    assert given[:3] == ["-X", "POST", "https://example.com/ho$ok`?key=a b&x=c"]
    assert {"X-Api-Key: d'e", "webhook-signature: v1,f", "webhook-id: psh_1"} <= set(given)
    assert given[-2:] == ["--data-raw", CONTENT.raw.decode()]
    assert shlex.split(curl(request)), "it is one command"
