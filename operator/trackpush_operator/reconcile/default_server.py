"""The WebhookServer that a release of the chart contains: applied when the kinds exist.

Helm can't install a kind and a resource of this kind in one step. The resource has no owner, so it stays when the
release is deleted, because it owns the journal.
"""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from trackpush_operator.kube.api import Body, Cluster
from trackpush_operator.kube.errors import ClusterError
from trackpush_operator.kube.kinds import SERVERS

_WANTED: Final = {"apiVersion": SERVERS.api_version, "kind": SERVERS.kind}
_log = structlog.get_logger("operator")


class NoDefaultServerError(Exception):
    """The file can't be read or is not a WebhookServer; the message says what to do."""


def read(file: Path) -> Body:
    """Read the manifest in a JSON file.

    Raises:
        NoDefaultServerError: the file can't be read or is not a WebhookServer.
    """
    try:
        body = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise NoDefaultServerError(f"--default-server {file}: {error}; name a JSON file of a WebhookServer") from None
    if not isinstance(body, dict) or {name: body.get(name) for name in _WANTED} != _WANTED:
        raise NoDefaultServerError(f"--default-server {file}: this is not a WebhookServer of {SERVERS.api_version}")
    return body


async def ensure(cluster: Cluster, body: Body) -> None:
    """Apply the WebhookServer. An error is logged and delays no other resource."""
    metadata = body["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    try:
        await cluster.apply(SERVERS, body)
    except ClusterError as error:
        _log.error("default_server_refused", server=name, reason=str(error))
    else:
        _log.info("default_server_applied", server=name)
