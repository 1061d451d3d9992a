"""Keeps the compiled parts of each namespace, so that a change compiles only the affected namespaces. Pure.

A namespace depends on its own resources and Secrets, on the WebhookServer, and on the owners of the keys that it
claims. Resources are compared by identity: a file that did not change keeps its objects.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from trackpush_api.accounts import KeyClaim
from trackpush_api.manifest import Resource, Secret
from trackpush_api.problems import Problem
from trackpush_api.routing import Account, Destination
from trackpush_api.secrets import Secrets


class Claimed(NamedTuple):
    """A key, and the AggregatorWebhook that would be served with it."""

    order: str
    webhook: str
    key: KeyClaim


class NamespaceInputs(msgspec.Struct, kw_only=True):
    """Everything in one namespace."""

    namespace: str
    webhooks: list[Resource] = []
    pushes: list[Resource] = []
    secrets: Secrets = {}

    def is_same(self, other: "NamespaceInputs") -> bool:
        """Whether both have the same content. Resources are compared by identity, Secrets by their values."""
        return (
            self.webhooks == other.webhooks
            and self.pushes == other.pushes
            and dict(self.secrets) == dict(other.secrets)
        )


class NamespacePart(msgspec.Struct, kw_only=True):
    """A namespace's part of a table."""

    accounts: list[Account] = []
    destinations: list[Destination] = []
    problems: list[Problem] = []


class _Remembered(msgspec.Struct, kw_only=True):
    inputs: NamespaceInputs
    claims: tuple[Claimed, ...] | None = None
    owners: tuple[str, ...] = ()
    part: NamespacePart | None = None


def by_namespace(resources: Sequence[Resource], secrets: Secrets) -> dict[str, NamespaceInputs]:
    """All resources and Secrets except WebhookServers, by namespace."""
    found: dict[str, NamespaceInputs] = {}
    mine: dict[str, dict[tuple[str, str], Secret]] = {}
    for resource in resources:
        if resource.kind in {"AggregatorWebhook", "PushConfig"}:
            inputs = found.get(resource.namespace)
            if inputs is None:
                own = mine[resource.namespace] = {}
                inputs = found[resource.namespace] = NamespaceInputs(namespace=resource.namespace, secrets=own)
            (inputs.webhooks if resource.kind == "AggregatorWebhook" else inputs.pushes).append(resource)
    for identity, secret in secrets.items():
        if identity[0] in mine:
            mine[identity[0]][identity] = secret
    return found


class Memory:
    """The results of the last compilation. Not thread-safe."""

    def __init__(self) -> None:
        self.compiled = 0
        """Number of namespaces compiled so far."""
        self._server: Resource | None = None
        self._others: tuple[object, ...] = ()
        self._definitions: dict[str, tuple[Resource, tuple[Problem, ...]]] = {}
        self._remembered: dict[str, _Remembered] = {}

    def prepare(
        self,
        server: Resource,
        servers: tuple[object, ...],
        labels: Mapping[str, Mapping[str, str]],
        inputs: Mapping[str, NamespaceInputs],
    ) -> None:
        """Forget all results that depend on a change."""
        others = (servers, {name: dict(of_name) for name, of_name in labels.items()})
        if server is not self._server or others != self._others:
            self._remembered.clear()
            self._server, self._others = server, others
        known = self._remembered
        self._remembered = {
            name: known[name] if name in known and known[name].inputs.is_same(found) else _Remembered(inputs=found)
            for name, found in inputs.items()
        }

    def checked(self, resource: Resource, check: Callable[[Resource], tuple[Problem, ...]]) -> tuple[Problem, ...]:
        """The result of a check of an AggregatorDefinition, which takes long: its samples are read."""
        known = self._definitions.get(resource.full_name)
        if known is None or known[0] is not resource:
            known = self._definitions[resource.full_name] = (resource, check(resource))
        return known[1]

    def claims(self, namespace: str, find: Callable[[NamespaceInputs], tuple[Claimed, ...]]) -> tuple[Claimed, ...]:
        known = self._remembered[namespace]
        if known.claims is None:
            known.claims = find(known.inputs)
        return known.claims

    def part(
        self, namespace: str, owners: tuple[str, ...], compile_it: Callable[[NamespaceInputs], NamespacePart]
    ) -> NamespacePart:
        """The part of a namespace; ``owners`` are the owners of the keys that it claims."""
        known = self._remembered[namespace]
        if known.part is None or known.owners != owners:
            known.part, known.owners = compile_it(known.inputs), owners
            self.compiled += 1
        return known.part
