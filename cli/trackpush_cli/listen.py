"""`trackpush listen`: forwards the pushes of one PushConfig to a developer's machine, signed as they would be."""

import base64
import http.client
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from trackpush_cli import names
from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import say
from trackpush_cli.portal_port import portal_client
from trackpush_cli.server_options import ServerChoice, server_options

_SECONDS = 15.0
_MAX_ANSWER = 64 * 1024


@click.command(
    "listen", epilog="Ctrl-C ends it. Exit code: 0; 1 if the server refused; 2 if there is no server or a wrong URL."
)
@click.option(
    "--push-config", required=True, metavar="NAMESPACE/NAME", help="The destination.", shell_complete=names.push_configs
)
@click.option(
    "--portal",
    metavar="LINK",
    envvar="TRACKPUSH_PORTAL_LINK",
    show_envvar=True,
    help="Listen by a link to the portal, whose role is operate, without access to the admin port.",
)
@click.option("--forward", required=True, metavar="URL", help="Where to post, like http://localhost:3000/webhook.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many pushes.")
@server_options
def command(*, push_config: str, portal: str | None, forward: str, count: int | None, server: ServerChoice) -> None:
    """Post each new push of a PushConfig to a URL on this machine, too.

    Each has the body and the signature that the client's endpoint gets. The endpoint gets its pushes as usual, and the
    answers of your program change nothing. Needs the role operate, because bodies contain personal data.
    """
    target = urlsplit(forward if "://" in forward else f"http://{forward}")
    if target.scheme not in {"http", "https"} or not target.hostname:
        raise click.BadParameter(f"{forward}: give http://HOST:PORT/PATH", param_hint="--forward")
    if push_config.count("/") != 1:
        raise click.BadParameter(f"{push_config}: give NAMESPACE/NAME", param_hint="--push-config")
    if portal is not None:
        _listen_by_portal(portal, push_config, forward, count)
        return
    tail, copies = server.open(), server.open()
    # Asked first: it fails at once if there is no such PushConfig, no server, or the token is wrong.
    copies.ask("GET", f"/api/v1/push-configs/{push_config}")
    say(f"{push_config}: new pushes are posted to {forward}; Ctrl-C ends it", err=True)
    forwarded = 0
    for event in tail.events(f"/api/v1/tail?{urlencode({'pushConfig': push_config})}"):
        if not isinstance(event, dict):
            say(f"{event} events were skipped: they arrive faster than they can be forwarded", err=True)
            continue
        for name, push in zip(event["pushes"], event.get("pushIds") or (), strict=False):
            if event["kind"] == "update" and name == push_config:
                say(
                    f"{event['awb'] or event['shipment']}  {event['status']}  {push}: {_forward(copies, push, forward)}"
                )
                forwarded += 1
        if forwarded == count:
            return


def _forward(port: AdminClient, push: str, url: str) -> str:
    """Post one push; returns the answer in a few words."""
    try:
        copy: dict[str, Any] = port.ask("POST", f"/api/v1/pushes/{push}/signed-copy")
    except ProblemsFoundError as error:
        return str(error)
    return _post(copy, url)


def _listen_by_portal(link: str, push_config: str, forward: str, count: int | None) -> None:
    port = portal_client(link)
    say(f"{push_config}: new pushes are posted to {forward}; Ctrl-C ends it", err=True)
    for number, push in enumerate(port.events(f"/portal/listen?{urlencode({'pushConfig': push_config})}"), 1):
        say(f"{push['awb'] or push['shipment']}  {push['status']}  {push['id']}: {_post(push, forward)}")
        if number == count:
            return
    raise ProblemsFoundError(f"{port.name}: it ended the connection; the link has expired or was revoked, or it stops")


def _post(copy: dict[str, Any], url: str) -> str:
    """Post the body of a push with its headers; returns the answer in a few words."""
    target = urlsplit(url if "://" in url else f"http://{url}")
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=_SECONDS)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    headers = {"User-Agent": "Trackpush/listen", **copy["headers"]}
    try:
        connection.request("POST", path, base64.b64decode(copy["bodyBase64"]), headers)
        answer = connection.getresponse()
        answer.read(_MAX_ANSWER)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no answer ({type(error).__name__}: {error})"
    finally:
        connection.close()
    return f"HTTP {answer.status}"
