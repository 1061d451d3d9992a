"""compile: resources and Secrets → the routing table of one server, and everything that is wrong. Pure. DESIGN §5.

One broken resource never affects another. A PushConfig that can't be compiled is left out, but accounts still name
it: updates for it are stored with their pushes, which wait.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from trackpush_api.destinations import destination
from trackpush_api.kinds import AggregatorWebhookSpec, WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Severity
from trackpush_api.quantities import seconds
from trackpush_api.routing import (
    Account,
    Destination,
    Egress,
    Host,
    Limits,
    Retention,
    RoutingTable,
    ServerSettings,
    digest_key,
)
from trackpush_api.secrets import Resolver, Secrets
from trackpush_api.vocabulary import FORBIDDEN_URL_WORDS, Aggregator

_SHORT_KEY = 8
Labels = Mapping[str, Mapping[str, str]]


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
) -> Compiled:
    """Compile for the WebhookServer ``server`` (``namespace/name``; may be None when there is exactly one)."""
    problems: list[Problem] = []
    chosen = _choose_server(resources, server, problems)
    table = None if chosen is None else _Compiler(chosen, resources, secrets, namespace_labels or {}, problems).table()
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
        assert isinstance(server.spec, WebhookServerSpec)
        self._server = server
        self._spec = server.spec
        self._resources = resources
        self._secrets = secrets
        self._labels = namespace_labels
        self._problems = problems
        self._servers = [one.full_name for one in resources if one.kind == "WebhookServer"]
        self._keys: dict[tuple[Aggregator, str], str] = {}
        self._pushes: dict[str, list[Resource]] = defaultdict(list)
        for one in resources:
            if one.kind == "PushConfig":
                self._pushes[one.namespace].append(one)

    def table(self) -> RoutingTable:
        """The table; problems are noted on the way."""
        settings = self._settings()
        accounts = []
        webhooks = [one for one in self._resources if one.kind == "AggregatorWebhook"]
        for one in sorted(webhooks, key=lambda one: one.order):  # the older keeps a key that two claim
            if self._is_ours(one) and isinstance(one.spec, AggregatorWebhookSpec):
                account = self._account(one, one.spec)
                if account is not None:
                    accounts.append(account)
        destinations = self._destinations({one.name.partition("/")[0] for one in accounts}, settings.egress)
        return RoutingTable(
            server=settings,
            accounts=tuple(sorted(accounts, key=lambda one: one.name)),
            destinations=tuple(sorted(destinations, key=lambda one: one.name)),
        )

    def _is_ours(self, webhook: Resource) -> bool:
        spec = webhook.spec
        if not isinstance(spec, AggregatorWebhookSpec):
            return False
        if spec.server_ref is None:
            if len(self._servers) == 1:
                return True
            names = ", ".join(self._servers)
            self._problems.append(
                webhook.problem("spec.serverRef", f"is missing and there are several ({names}); set it")
            )
            return False
        wanted = f"{spec.server_ref.namespace or webhook.namespace}/{spec.server_ref.name}"
        if wanted not in self._servers:
            names = ", ".join(self._servers)
            self._problems.append(
                webhook.problem("spec.serverRef", f"no WebhookServer {wanted} (found: {names}); fix it")
            )
        return wanted == self._server.full_name

    def _account(self, webhook: Resource, spec: AggregatorWebhookSpec) -> Account | None:
        if not self._is_allowed(webhook):
            return None
        digests = self._digests(webhook, spec)
        if not digests:
            return None
        return Account(
            name=webhook.full_name,
            aggregator=spec.aggregator,
            key_digests=digests,
            destinations=self._targets(webhook, spec),
            statuses=None if spec.statuses is None else frozenset(spec.statuses),
            suspended=spec.suspend,
        )

    def _is_allowed(self, webhook: Resource) -> bool:
        allowed = self._spec.allowed_namespaces
        if allowed.from_ == "All" or webhook.namespace == self._server.namespace:
            return True
        labels = self._labels.get(webhook.namespace, {})
        if allowed.selector is not None and allowed.selector.match_labels.items() <= labels.items():
            return True
        self._problems.append(
            webhook.problem(
                "metadata.namespace",
                f"WebhookServer {self._server.full_name} doesn't serve namespace {webhook.namespace}"
                f" (allowedNamespaces.from: {allowed.from_}); allow it there",
            )
        )
        return False

    def _digests(self, webhook: Resource, spec: AggregatorWebhookSpec) -> tuple[str, ...]:
        resolver = Resolver(webhook, self._secrets, self._problems)
        digests: list[str] = []
        for index, source in enumerate(spec.keys):
            field = f"spec.keys[{index}]"
            key = resolver.value(source, field)
            if key is None:
                continue
            digest = digest_key(key)
            owner = self._keys.setdefault((spec.aggregator, digest), webhook.full_name)
            if owner != webhook.full_name:
                self._problems.append(
                    webhook.problem(field, "this key is taken by an older AggregatorWebhook; use another key")
                )
                continue
            self._warn(webhook, spec, field, key)
            if digest not in digests:
                digests.append(digest)
        return tuple(digests)

    def _warn(self, webhook: Resource, spec: AggregatorWebhookSpec, field: str, key: str) -> None:
        if len(key) < _SHORT_KEY:
            self._problems.append(
                webhook.problem(
                    field, "this key is short and can be guessed; use 16 characters or more", Severity.WARNING
                )
            )
        if spec.aggregator is Aggregator.SHIPROCKET and _forbidden_word(key) is not None:
            self._problems.append(
                webhook.problem(
                    field,
                    f"this key holds {_forbidden_word(key)!r}, so Shiprocket's panel refuses it in a URL;"
                    " put it into the token field",
                    Severity.WARNING,
                )
            )

    def _targets(self, webhook: Resource, spec: AggregatorWebhookSpec) -> tuple[str, ...]:
        present = [one.full_name for one in self._pushes[webhook.namespace]]
        if spec.push_config_refs is None:
            if not present:
                self._problems.append(
                    webhook.problem(
                        "spec.pushConfigRefs",
                        f"namespace {webhook.namespace} has no PushConfig: updates are stored but go nowhere; add one",
                        Severity.WARNING,
                    )
                )
            return tuple(sorted(present))
        targets = []
        for index, reference in enumerate(spec.push_config_refs):
            name = f"{webhook.namespace}/{reference.name}"
            targets.append(name)
            if name not in present:
                self._problems.append(
                    webhook.problem(
                        f"spec.pushConfigRefs[{index}].name",
                        f"no PushConfig {name}; its pushes wait until it is there",
                    )
                )
        return tuple(dict.fromkeys(targets))

    def _destinations(self, namespaces: set[str], egress: Egress) -> list[Destination]:
        found = []
        for namespace in sorted(namespaces):
            for one in self._pushes[namespace]:
                compiled = destination(one, self._secrets, egress, self._problems)
                if compiled is not None:
                    found.append(compiled)
        return found

    def _settings(self) -> ServerSettings:
        spec = self._spec
        self._check_words()
        if spec.storage.postgres is not None:
            self._problems.append(
                self._server.problem(
                    "spec.storage.postgres", "PostgreSQL is not supported by this version; use storage.sqlite"
                )
            )
        return ServerSettings(
            name=self._server.full_name,
            hosts=tuple(Host(host=one.host, aggregators=frozenset(one.aggregators)) for one in spec.hosts),
            base_path=spec.base_path,
            limits=Limits(
                max_body_bytes=spec.limits.max_body_bytes,
                header_timeout=seconds(spec.limits.header_timeout),
                body_timeout=seconds(spec.limits.body_timeout),
                idle_timeout=seconds(spec.limits.idle_timeout),
                max_connections=spec.limits.max_connections,
                max_concurrent_requests=spec.limits.max_concurrent_requests,
            ),
            egress=Egress(
                https_only=spec.egress.https_only,
                allowed_cidrs=tuple(spec.egress.allowed_cidrs),
                denied_cidrs=tuple(spec.egress.denied_cidrs),
                proxy=spec.egress.proxy,
            ),
            retention=Retention(delivered=seconds(spec.retention.delivered), dead=seconds(spec.retention.dead)),
        )

    def _check_words(self) -> None:
        for index, host in enumerate(self._spec.hosts):
            url = f"https://{host.host}{self._spec.base_path}/st/notify"
            word = _forbidden_word(url)
            if Aggregator.SHIPROCKET in host.aggregators and word is not None:
                self._problems.append(
                    self._server.problem(
                        f"spec.hosts[{index}].host",
                        f"Shiprocket's panel refuses {url}: it holds {word!r}; use another host or path for it",
                    )
                )


def _forbidden_word(text: str) -> str | None:
    return next((word for word in FORBIDDEN_URL_WORDS if word in text.lower()), None)
