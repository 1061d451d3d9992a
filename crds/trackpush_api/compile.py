"""compile: resources and Secrets → the routing table of one server, and everything that is wrong. Pure.

One broken resource never affects another. A PushConfig that can't be compiled is left out, but accounts still name
it: updates for it are stored with their pushes, which wait. The operator, which can't compile the world for each
change, puts the same parts together by itself: `accounts`, `destinations`, `settings`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from trackpush_api.accounts import (
    AccountContext,
    KeyClaim,
    claimed_keys,
    compile_account,
    find_server,
    serves_namespace,
)
from trackpush_api.destinations import compile_destination
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem
from trackpush_api.routing import Account, Destination, Egress, RoutingTable, ServerSettings
from trackpush_api.secrets import Secrets
from trackpush_api.settings import compile_egress, compile_settings

Labels = Mapping[str, Mapping[str, str]]
"""Labels of namespaces, by name."""


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A table (None when no server could be chosen) and all problems, in order of their places."""

    table: RoutingTable | None
    problems: tuple[Problem, ...]


def compile_table(
    resources: Sequence[Resource],
    secrets: Secrets,
    *,
    server: str | None = None,
    namespace_labels: Labels | None = None,
    last: ServerSettings | None = None,
) -> Compiled:
    """Compile for the WebhookServer ``server`` (``namespace/name``; may be None when there is exactly one).

    ``last``: settings to use where the server's own can't be compiled; without them there is no table then.
    """
    problems: list[Problem] = []
    chosen = _choose_server(resources, server, problems)
    table = None
    if chosen is not None:
        table = _Compiler(chosen, resources, secrets, namespace_labels or {}, problems).table(last)
    return Compiled(table=table, problems=tuple(sorted(problems, key=lambda problem: problem.order)))


def _choose_server(resources: Iterable[Resource], server: str | None, problems: list[Problem]) -> Resource | None:
    servers = [one for one in resources if one.kind == "WebhookServer"]
    names = ", ".join(one.full_name for one in servers) or "none"
    if server is not None:
        for one in servers:
            if one.full_name == server:
                return one if one.spec is not None else None
        problems.append(Problem(message=f"no WebhookServer {server} (found: {names}); fix --server or add it"))
    elif len(servers) == 1:
        return servers[0] if servers[0].spec is not None else None
    elif not servers:
        problems.append(Problem(message="no WebhookServer; add one: it says which hosts and limits apply"))
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
        self._servers = [one.full_name for one in resources if one.kind == "WebhookServer"]
        self._webhooks = sorted(
            (one for one in resources if one.kind == "AggregatorWebhook"),
            key=lambda one: one.order,  # the older keeps a key that two claim
        )
        self._keys: dict[KeyClaim, str] = {}
        self._pushes: dict[str, dict[str, Resource]] = defaultdict(dict)
        for one in resources:
            if one.kind == "PushConfig":
                self._pushes[one.namespace][one.name] = one

    def table(self, last: ServerSettings | None) -> RoutingTable | None:
        """The table; problems are noted on the way."""
        spec = self._server.spec
        assert isinstance(spec, WebhookServerSpec)
        compiled = compile_settings(self._server, secrets=self._secrets)
        self._problems.extend(compiled.problems)
        ours = [one for one in self._webhooks if self._is_ours(one)]
        served = [one for one in ours if serves_namespace(self._server, one.namespace, self._labels_of(one))]
        for one in served:
            for claim in claimed_keys(one, self._secrets):
                self._keys.setdefault(claim, one.full_name)
        accounts = tuple(sorted(self._accounts(ours), key=lambda one: one.name))
        destinations = tuple(self._destinations({one.namespace for one in served}, compile_egress(spec)))
        settings = compiled.settings or last
        if settings is None:  # only now, so that all problems are reported at once
            return None
        return RoutingTable(server=settings, accounts=accounts, destinations=destinations)

    def _is_ours(self, webhook: Resource) -> bool:
        found, problems = find_server(webhook, self._servers)
        self._problems.extend(problems)
        return found == self._server.full_name

    def _labels_of(self, webhook: Resource) -> Mapping[str, str]:
        return self._labels.get(webhook.namespace, {})

    def _accounts(self, webhooks: Iterable[Resource]) -> Iterable[Account]:
        for webhook in webhooks:
            context = AccountContext(
                server=self._server,
                namespace_labels=self._labels_of(webhook),
                secrets=self._secrets,
                push_configs=self._pushes[webhook.namespace],
                owner=self._keys.get,
                names_owners=all(one.file is not None for one in (webhook, self._server)),
            )
            compiled = compile_account(webhook, context)
            self._problems.extend(compiled.problems)
            if compiled.account is not None:
                yield compiled.account

    def _destinations(self, namespaces: Iterable[str], egress: Egress) -> Iterable[Destination]:
        """All of each namespace that an AggregatorWebhook is served from, whatever else is wrong with that one."""
        found = [one for namespace in namespaces for one in self._pushes[namespace].values()]
        for one in sorted(found, key=lambda one: one.full_name):
            compiled = compile_destination(one, secrets=self._secrets, egress=egress)
            self._problems.extend(compiled.problems)
            if compiled.destination is not None:
                yield compiled.destination
