"""The client of a server's portal, by a link."""

import http.client
from urllib.parse import urlsplit

import click

from trackpush_cli.admin_port import TIMEOUT, AdminClient


def portal_client(link: str) -> AdminClient:
    """The portal that a link leads to. The link is a secret, so no message contains it.

    Raises:
        click.BadParameter: it is not a link to a portal.
    """
    parts = urlsplit(link.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.fragment:
        raise click.BadParameter(
            "give the whole link, like https://HOST/portal/enter#tpl_…, in quotes", param_hint="--portal"
        )
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return AdminClient(
        kind(parts.hostname, parts.port, timeout=TIMEOUT),
        name=f"{parts.scheme}://{parts.netloc}",
        token=parts.fragment,
        advice="is this the portal's address?",
        refused="it refuses this link: it has expired, was revoked, or is not complete",
    )
