"""compile: resources and Secrets → the routing table of one server, and all problems. Pure.

One broken resource never affects another. A PushConfig that can't be compiled is left out, but accounts still name
it: updates for it are stored with their pushes, which wait. The operator, which can't compile the world for each
change, puts the same parts together by itself: `accounts`, `destinations`, `settings`.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from trackpush_api.accounts import (
    AccountContext,
    KeyClaim,
    claimed_keys,
    compile_account,
    serves_namespace,
)
from trackpush_api.destinations import compile_destination
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.namespaces import Claimed, Memory, NamespaceInputs, NamespacePart, by_namespace
from trackpush_api.problems import Problem
from trackpush_api.routing import Egress, RoutingTable, ServerSettings
from trackpush_api.secrets import Secrets, readable
from trackpush_api.server_choice import Found, find_server
from trackpush_api.settings import compile_egress, compile_settings

Labels = Mapping[str, Mapping[str, str]]
"""Labels of namespaces, by name."""


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A table (None if no server could be chosen) and all problems, in order of their places."""

    table: RoutingTable | None
    problems: tuple[Problem, ...]


def compile_table(
    resources: Sequence[Resource],
    secrets: Secrets,
    *,
    server: str | None = None,
    namespace_labels: Labels | None = None,
    last: ServerSettings | None = None,
    memory: Memory | None = None,
) -> Compiled:
    """Compile for the WebhookServer ``server`` (``namespace/name``; may be None when there is exactly one).

    ``last``: settings to use if the server's own can't be compiled; without them there is no table then.
    ``memory``: results of earlier calls; only the parts that a change affects are compiled again.
    """
    problems: list[Problem] = []
    chosen = _choose_server(resources, server, problems)
    table = None
    if chosen is not None:
        table = _Compiler(chosen, resources, secrets, namespace_labels or {}, problems).table(last, memory or Memory())
    return Compiled(table=table, problems=tuple(sorted(problems, key=lambda problem: problem.order)))


def _choose_server(resources: Iterable[Resource], server: str | None, problems: list[Problem]) -> Resource | None:
    servers = [resource for resource in resources if resource.kind == "WebhookServer"]
    names = ", ".join(server.full_name for server in servers) or "none"
    if server is not None:
        for candidate in servers:
            if candidate.full_name == server:
                return candidate if candidate.spec is not None else None
        problems.append(Problem(message=f"no WebhookServer {server} (found: {names}); fix --server or add it"))
    elif len(servers) == 1:
        return servers[0] if servers[0].spec is not None else None
    elif not servers:
        problems.append(Problem(message="no WebhookServer; add one: it defines the hosts and limits"))
    else:
        problems.append(Problem(message=f"several WebhookServers ({names}); name one with --server NAMESPACE/NAME"))
    return None


class _Compiler:
    """Compiles for one server."""

    def __init__(
        self,
        server: Resource,
        resources: Sequence[Resource],
        secrets: Secrets,
        namespace_labels: Labels,
        problems: list[Problem],
    ) -> None:
        self._server = server
        self._secrets = secrets
        self._labels = namespace_labels
        self._problems = problems
        self._servers = {resource.full_name: resource for resource in resources if resource.kind == "WebhookServer"}
        self._inputs = by_namespace(resources, secrets)
        self._keys: dict[KeyClaim, str] = {}

    def table(self, last: ServerSettings | None, memory: Memory) -> RoutingTable | None:
        """The table; problems are noted on the way."""
        spec = self._server.spec
        assert isinstance(spec, WebhookServerSpec)
        compiled = compile_settings(self._server, secrets=self._secrets)
        self._problems.extend(compiled.problems)
        memory.prepare(self._server, self._choices(), self._labels, self._inputs)
        claims = {name: memory.claims(name, self._claims) for name in self._inputs}
        by_age = sorted((claim for found in claims.values() for claim in found), key=lambda claim: claim.order)
        for claimed in by_age:  # the older keeps a key that two claim
            self._keys.setdefault(claimed.key, claimed.webhook)
        egress = compile_egress(spec)
        parts = []
        for name, found in claims.items():
            owners = tuple(self._keys[claim.key] for claim in found)
            parts.append(memory.part(name, owners, lambda inputs: self._compile(inputs, egress)))
            self._problems.extend(parts[-1].problems)
        settings = compiled.settings or last
        if settings is None:  # only now, so that all problems are reported at once
            return None
        return RoutingTable(
            server=settings,
            accounts=tuple(
                sorted((account for part in parts for account in part.accounts), key=lambda entry: entry.name)
            ),
            destinations=tuple(
                sorted(
                    (destination for part in parts for destination in part.destinations), key=lambda entry: entry.name
                )
            ),
        )

    def _claims(self, inputs: NamespaceInputs) -> tuple[Claimed, ...]:
        if not self._serves(inputs.namespace):
            return ()
        return tuple(
            Claimed(webhook.order, webhook.full_name, key)
            for webhook in inputs.webhooks
            if self._find_server(webhook)[0] == self._server.full_name
            for key in sorted(claimed_keys(webhook, self._readable(inputs)))
        )

    def _readable(self, inputs: NamespaceInputs) -> Secrets:
        assert isinstance(self._server.spec, WebhookServerSpec)
        return readable(inputs.secrets, self._server.spec)

    def _serves(self, namespace: str) -> bool:
        return self._allows(self._server.full_name, namespace)

    def _allows(self, server: str, namespace: str) -> bool:
        return serves_namespace(self._servers[server], namespace, self._labels.get(namespace, {}))

    def _find_server(self, webhook: Resource) -> Found:
        return find_server(webhook, self._servers, lambda name: self._allows(name, webhook.namespace))

    def _choices(self) -> tuple[object, ...]:
        """Everything that the choice of a server depends on."""
        specs = ((name, server.spec) for name, server in self._servers.items())
        return tuple(
            (name, spec.allowed_namespaces if isinstance(spec, WebhookServerSpec) else None) for name, spec in specs
        )

    def _compile(self, inputs: NamespaceInputs, egress: Egress) -> NamespacePart:
        """Compile one namespace.

        Its PushConfigs are compiled if one of its AggregatorWebhooks is served, even with other errors.
        """
        part = NamespacePart()
        is_served = False
        pushes = {push.name: push for push in inputs.pushes}
        for webhook in inputs.webhooks:
            found, problems = self._find_server(webhook)
            part.problems.extend(problems)
            if found != self._server.full_name:
                continue
            is_served = is_served or self._serves(webhook.namespace)
            context = AccountContext(
                server=self._server,
                namespace_labels=self._labels.get(webhook.namespace, {}),
                secrets=self._readable(inputs),
                push_configs=pushes,
                owner=self._keys.get,
                names_owners=all(resource.file is not None for resource in (webhook, self._server)),
            )
            account = compile_account(webhook, context)
            part.problems.extend(account.problems)
            if account.account is not None:
                part.accounts.append(account.account)
        for push in pushes.values() if is_served else ():
            compiled = compile_destination(push, secrets=self._readable(inputs), egress=egress)
            part.problems.extend(compiled.problems)
            if compiled.destination is not None:
                part.destinations.append(compiled.destination)
        return part
