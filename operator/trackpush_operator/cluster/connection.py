"""Where the API server is and who we are: in the pod's service account, or a kubeconfig as kubectl reads it."""

import os
from pathlib import Path

import kopf
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class NoClusterError(Exception):
    """Neither a service account nor a usable kubeconfig; the text tells what to set."""


async def configuration(kubeconfig: Path | None = None, context: str | None = None) -> Configuration:
    """The client's configuration: a given kubeconfig, else the service account, else ``$KUBECONFIG`` or ~/.kube/config.

    Raises:
        NoClusterError: there is none, or it can't be read.
    """
    found = Configuration()
    try:
        if kubeconfig is None and context is None and _IN_CLUSTER in os.environ:
            config.load_incluster_config(client_configuration=found)
        else:
            path = None if kubeconfig is None else str(kubeconfig)
            await config.load_kube_config(config_file=path, context=context, client_configuration=found)
    except (config.ConfigException, OSError) as error:
        raise NoClusterError(
            f"no cluster: {error}; set KUBECONFIG, pass --kubeconfig, or run in a pod with a service account"
        ) from error
    found.client_session_kwargs = {"trust_env": _has_proxy()}
    return found


def _has_proxy() -> bool:
    """Whether the environment names a proxy; aiohttp looks it up in a thread for each request, so only then."""
    return any(name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items())


async def kopf_connection(found: Configuration) -> kopf.ConnectionInfo:
    """The same for kopf's watches; read anew at each login, so that a rotated token is taken."""
    value = await found.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
    scheme, _, token = value.rpartition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        scheme=scheme.capitalize() or None,
        token=token or None,
        username=found.username or None,
        password=found.password or None,
        proxy_url=found.proxy or None,
        trust_env=_has_proxy(),
    )
