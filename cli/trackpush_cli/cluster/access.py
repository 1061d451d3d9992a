"""Reads objects from the API server as the user of a kubeconfig.

Synchronous, because a command needs only a few requests.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import urllib3
from kubernetes import config
from kubernetes.client.exceptions import ApiException

from trackpush_cli.cluster.impersonation import Impersonation, chosen
from trackpush_cli.errors import CommandError
from trackpush_operator.kube.api import Api

Body = dict[str, Any]
_PAGE: Final = 500
_TIMEOUT: Final = (10.0, 60.0)
"""Seconds to connect, and to wait for bytes."""


class AccessDeniedError(CommandError):
    """The user lacks a right; the message names it."""


class MissingError(CommandError):
    """The object does not exist, or its kind isn't installed."""


class ClusterFlags(NamedTuple):
    """The flags that select the cluster, as in kubectl."""

    kubeconfig: Path | None = None
    context: str | None = None
    impersonation: Impersonation = Impersonation()


class ClusterAccess:
    """The API server that a kubeconfig names."""

    def __init__(self, flags: ClusterFlags, *, instead: str) -> None:
        """Read the kubeconfig; ``instead`` says what to do without a cluster.

        Raises:
            CommandError: there is no usable kubeconfig.
        """
        file = None if flags.kubeconfig is None else str(flags.kubeconfig)
        try:
            self.client = config.new_client_from_config(config_file=file, context=flags.context)
            _, active = config.list_kube_config_contexts(config_file=file)
        except (config.ConfigException, OSError) as error:
            raise CommandError(
                f"no cluster: {str(error).strip().rstrip('.')}; set KUBECONFIG, or pass --kubeconfig and --context."
                f" Without a cluster: {instead}"
            ) from None
        # Try once, so that a wrong address is reported at once and not after three time-outs.
        self.client.rest_client.pool_manager.connection_pool_kw["retries"] = urllib3.Retry(0)
        named = flags.context or active["name"]
        contexts = {
            context["name"]: context["context"] for context in config.list_kube_config_contexts(config_file=file)[0]
        }
        self.context = named
        self.namespace: str = contexts.get(named, {}).get("namespace") or "default"
        """The namespace of the context, which kubectl uses without -n."""
        self.acting_as = chosen(flags.impersonation, flags.kubeconfig, named)

    def get(self, api: Api, namespace: str, name: str) -> Body:
        """One object.

        Raises:
            AccessDeniedError: the user may not read it.
            MissingError: it does not exist.
            CommandError: the API server didn't answer.
        """
        return self._ask(api, "get", api.path(namespace, name))

    def all(self, api: Api, namespace: str | None = None, *, labels: str = "") -> Iterator[Body]:
        """All objects of a kind, in one namespace or in all. Raises the same errors as `get`."""
        following = ""
        while True:
            query = [("limit", str(_PAGE)), ("labelSelector", labels), ("continue", following)]
            page = self._ask(api, "list", api.path(namespace), [pair for pair in query if pair[1]])
            yield from page.get("items") or ()
            following = (page.get("metadata") or {}).get("continue") or ""
            if not following:
                return

    def addressed(self, path: str, query: Sequence[tuple[str, str]] = ()) -> tuple[str, urllib3.HTTPHeaderDict]:
        """The URL of a path, and the headers for authentication."""
        _, url, headers, _, _ = self.client.param_serialize(
            "GET",
            path,
            query_params=list(query),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        all_headers = urllib3.HTTPHeaderDict(headers)
        for name, value in self.acting_as.headers():
            all_headers.add(name, value)
        return url, all_headers

    def _ask(self, api: Api, verb: str, path: str, query: Sequence[tuple[str, str]] = ()) -> Body:
        url, headers = self.addressed(path, query)
        try:
            answer = self.client.call_api("GET", url, headers, _request_timeout=_TIMEOUT)
            data = answer.read()
        except (urllib3.exceptions.HTTPError, OSError, ApiException) as error:
            raise CommandError(
                f"{self.client.configuration.host}: the API server doesn't answer ({type(error).__name__});"
                f" does `kubectl --context {self.context} get namespaces` work?"
            ) from None
        if answer.status == HTTPStatus.OK:
            found: Body = msgspec.json.decode(data)
            return found
        raise _refusal(answer.status, api, verb, path, data)


def _refusal(status: int, api: Api, verb: str, path: str, data: bytes) -> CommandError:
    told = _message(data)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AccessDeniedError(
            f"you may not {verb} {api.plural}: {told}; ask for a role that allows it (docs/cli.md)"
        )
    if status == HTTPStatus.NOT_FOUND:
        return MissingError(f"{path}: {told}; is Trackpush installed in this cluster?")
    return CommandError(f"{path}: {status} {told}")


def _message(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return data[:200].decode(errors="replace").strip()
