"""Which annotations the operator sets on a WebhookServer's Ingress. Pure.

Ingress controllers are shared. Some of their annotations reach beyond the Ingress itself: they put text into the
controller's configuration, or give the Ingress hosts that `spec.hosts` doesn't name and another server may own.
"""

from collections.abc import Iterator
from typing import Final

from trackpush_api.kinds.webhook_server import Expose

_CONFIGURE: Final = "snippet"
"""ingress-nginx, NGINX Ingress Controller, HAProxy: text for the configuration."""
_SECTIONS: Final = "config-"
"""HAProxy Ingress: lines for a section of the configuration."""
_HOSTS: Final = ("server-alias", "server-alias-regex")
_DNS: Final = "external-dns.alpha.kubernetes.io/hostname"


def refused_annotations(expose: Expose | None) -> Iterator[str]:
    """Names of annotations of the Ingress that are refused."""
    if expose is None or expose.ingress is None:
        return
    for name in sorted(expose.ingress.annotations):
        short = name.rpartition("/")[2].lower()
        if _CONFIGURE in short or short.startswith(_SECTIONS) or short in _HOSTS or name == _DNS:
            yield name
