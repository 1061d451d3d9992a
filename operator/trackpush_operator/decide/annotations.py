"""Decides which annotations the operator sets on a WebhookServer's Ingress. Pure.

Several tenants share an ingress controller, and some annotations reach beyond their own Ingress: they insert text into
the controller's configuration, or add hosts to the Ingress that `spec.hosts` doesn't name and that another server may
own.
"""

from collections.abc import Iterator
from typing import Final

from trackpush_api.kinds.webhook_server import Expose

_CONFIGURE: Final = "snippet"
"""Annotations of ingress-nginx, NGINX Ingress Controller and HAProxy that insert text into the configuration."""
_SECTIONS: Final = "config-"
"""Annotations of HAProxy Ingress that insert lines into a section of the configuration."""
_HOSTS: Final = ("server-alias", "server-alias-regex")
_DNS: Final = "external-dns.alpha.kubernetes.io/hostname"


def refused_annotations(expose: Expose | None) -> Iterator[str]:
    """Names of the Ingress's annotations that are refused."""
    if expose is None or expose.ingress is None:
        return
    for name in sorted(expose.ingress.annotations):
        short = name.rpartition("/")[2].lower()
        if _CONFIGURE in short or short.startswith(_SECTIONS) or short in _HOSTS or name == _DNS:
            yield name
