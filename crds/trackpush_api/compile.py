"""Compiles resources and Secrets to the routing table of one server, and collects all problems. Pure.

An invalid resource never affects another one. A PushConfig that can't be compiled is left out, but accounts still name
it: updates for it are stored with their pushes, which wait. The operator can't compile everything for each change, so
it combines the same parts itself: `accounts`, `destinations`, `settings`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from trackpush_api.accounts import (
    AccountContext,
    KeyClaim,
    claimed_keys,
    compile_account,
    serves_namespace,
)
from trackpush_api.aggregators.names import BUILT_IN
from trackpush_api.definitions import (
    CompiledDefinitions,
    DefinitionLibrary,
    FormerDefinitions,
    check_definition,
    compile_definitions,
)
from trackpush_api.destinations import compile_destination
from trackpush_api.kinds import AggregatorWebhookSpec, WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.namespaces import Claimed, Memory, NamespaceInputs, NamespacePart, by_namespace
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import Egress, RoutingTable, ServerSettings
from trackpush_api.secrets import Secrets, readable
from trackpush_api.server_choice import Found, find_server
from trackpush_api.settings import compile_egress, compile_settings
from trackpush_api.signature_bounds import count_secrets, warn_of_secrets
from trackpush_api.vocabulary import AggregatorName

Labels = Mapping[str, Mapping[str, str]]
"""Labels of namespaces, by name."""
NO_LIBRARY: Final = DefinitionLibrary()


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
    library: DefinitionLibrary = NO_LIBRARY,
) -> Compiled:
    """Compile for the WebhookServer ``server`` (``namespace/name``; may be None when there is exactly one).

    ``last``: settings to use if the server's own can't be compiled; without them there is no table then.
    Their AggregatorDefinitions are used in place of those that are broken now, or deleted while a resource names them.
    ``library`` checks AggregatorDefinitions and has those of the catalog.
    ``memory``: results of earlier calls; only the parts that a change affects are compiled again.
    """
    problems: list[Problem] = []
    chosen = _choose_server(resources, server, problems)
    table = None
    if chosen is not None:
        compiler = _Compiler(chosen, resources, secrets, namespace_labels or {}, problems)
        table = compiler.table(last, memory or Memory(), library)
    else:
        for resource in resources:
            problems.extend(check_definition(resource, library))
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
        self._definitions = [resource for resource in resources if resource.kind == "AggregatorDefinition"]
        self._known = BUILT_IN
        self._keys: dict[KeyClaim, str] = {}

    def table(self, last: ServerSettings | None, memory: Memory, library: DefinitionLibrary) -> RoutingTable | None:
        """The table; problems are recorded on the way."""
        spec = self._server.spec
        assert isinstance(spec, WebhookServerSpec)
        defined = self._define(last, memory, library)
        self._known = defined.known
        self._problems.extend(defined.problems)
        compiled = compile_settings(self._server, secrets=self._secrets, known=defined.known)
        self._problems.extend(compiled.problems)
        memory.prepare(self._server, (*self._choices(), defined.known), self._labels, self._inputs)
        claims = {name: memory.claims(name, self._claims) for name in self._inputs}
        by_age = sorted((claim for found in claims.values() for claim in found), key=lambda claim: claim.order)
        for claimed in by_age:  # if two claim a key, the older one keeps it
            self._keys.setdefault(claimed.key, claimed.webhook)
        egress = compile_egress(spec)
        parts = []
        for name, found in claims.items():
            owners = tuple(self._keys[claim.key] for claim in found)
            parts.append(memory.part(name, owners, lambda inputs: self._compile(inputs, egress)))
            self._problems.extend(parts[-1].problems)
        accounts = sorted((account for part in parts for account in part.accounts), key=lambda entry: entry.name)
        self._problems.extend(warn_of_secrets(self._server, count_secrets(accounts)))
        settings = compiled.settings or last
        if settings is None:  # not earlier, so that all problems are reported at once
            return None
        return RoutingTable(
            server=msgspec.structs.replace(settings, definitions=defined.definitions),
            accounts=tuple(accounts),
            destinations=tuple(
                sorted(
                    (destination for part in parts for destination in part.destinations), key=lambda entry: entry.name
                )
            ),
        )

    def _define(self, last: ServerSettings | None, memory: Memory, library: DefinitionLibrary) -> CompiledDefinitions:
        namespace = self._server.namespace
        mine = [found for found in self._definitions if found.namespace == namespace]
        former = {} if last is None else {found.name: found for found in last.definitions}
        deleted = former.keys() - {found.name for found in mine}
        used = {server.namespace for server in self._servers.values()}
        for other in self._definitions:
            if other.namespace not in used:
                message = f"no WebhookServer is in namespace {other.namespace}, so nothing uses this definition"
                self._problems.append(other.problem("metadata.namespace", message, Severity.WARNING))
            if other.namespace != namespace:
                self._problems.extend(memory.checked(other, lambda found: check_definition(found, library)))
        return compile_definitions(
            mine,
            library,
            namespace=namespace,
            former=FormerDefinitions(definitions=former, named=frozenset(self._named()) if deleted else ()),
            check=lambda found, _: memory.checked(found, lambda given: check_definition(given, library)),
        )

    def _named(self) -> Iterator[AggregatorName]:
        """The aggregators that the server's hosts and AggregatorWebhooks name."""
        assert isinstance(self._server.spec, WebhookServerSpec)
        for host in self._server.spec.hosts:
            yield from host.aggregators or ()
        for inputs in self._inputs.values():
            for webhook in inputs.webhooks:
                spec = webhook.spec
                if isinstance(spec, AggregatorWebhookSpec) and self._find_server(webhook)[0] == self._server.full_name:
                    yield spec.aggregator

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
                known=self._known,
                names_owners=all(resource.file is not None for resource in (webhook, self._server)),
            )
            account = compile_account(webhook, context)
            part.problems.extend(account.problems)
            if account.account is not None:
                part.accounts.append(account.account)
        for push in pushes.values() if is_served else ():
            compiled = compile_destination(push, secrets=self._readable(inputs), egress=egress, known=self._known)
            part.problems.extend(compiled.problems)
            if compiled.destination is not None:
                part.destinations.append(compiled.destination)
        return part
