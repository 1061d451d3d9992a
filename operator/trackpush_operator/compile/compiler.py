"""Compiles the routing tables from the store, one resource at a time. No I/O.

It uses the same functions as `trackpush_api.compile.compile_table`; a property test checks that both give the same
result after any sequence of changes. A decision about one resource may affect others: resources whose key it takes, and
PushConfigs that become part of another server's table. These are returned as effects.

A table that is new to this process is held: none of its shards is written before every resource that could be in it was
decided. Otherwise the pods would get an incomplete table, and aggregators would get 401.
"""

from collections.abc import Callable, Mapping

import msgspec

from trackpush_api.accounts import (
    AccountContext,
    KeyClaim,
    claimed_keys,
    compile_account,
    serves_namespace,
)
from trackpush_api.definitions import DefinitionLibrary
from trackpush_api.destinations import compile_destination
from trackpush_api.kinds import AggregatorWebhookSpec, WebhookServerSpec
from trackpush_api.manifest import Resource, Secret
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.routing import Account, Egress, namespace_of
from trackpush_api.secrets import Secrets, readable
from trackpush_api.server_choice import Found, find_server, server_name
from trackpush_api.settings import compile_egress, compile_settings
from trackpush_api.shards import ReservedKey, ReservedKeys
from trackpush_api.signature_bounds import warn_of_secrets
from trackpush_operator.compile.definition_decisions import DefinitionDecisions
from trackpush_operator.compile.definitions import Definitions
from trackpush_operator.compile.entries import held_keys, is_same_tenant, resource_key
from trackpush_operator.compile.key_claims import Claim, KeyClaims
from trackpush_operator.compile.key_grace import GRACE_SECONDS, first_end, lacks_keys, with_grace
from trackpush_operator.compile.placement import Placement
from trackpush_operator.compile.references import Reference, References
from trackpush_operator.compile.verdicts import CompileVerdict, Effects, Rival
from trackpush_operator.options import KEY_MEMORY
from trackpush_operator.store.objects import Item, Key, Kind, resource_of, server_key
from trackpush_operator.store.resources import Ref, ResourceCache
from trackpush_operator.store.scope import Scope
from trackpush_operator.store.shard_revisions import Entry, EntryKey, ShardedTable


class Compiler:
    """The routing tables with their claims, references and verdicts."""

    def __init__(
        self,
        cache: ResourceCache,
        wall: Callable[[], float],
        *,
        grace_seconds: float = GRACE_SECONDS,
        key_memory: float = KEY_MEMORY,
        scope: Scope | None = None,
        library: DefinitionLibrary | None = None,
    ) -> None:
        self._scope = scope or Scope()
        self._wall = wall
        self._grace_seconds = grace_seconds
        self._placement = Placement()
        self.tables: Mapping[str, ShardedTable] = self._placement.tables
        """Tables by ``namespace/name`` of the server."""
        self.verdicts: dict[Key, CompileVerdict] = {}
        self.references = References()
        self.definitions = Definitions(cache, library or DefinitionLibrary())
        self._definition_decisions = DefinitionDecisions(
            cache,
            self.definitions,
            placement=self._placement,
            references=self.references,
            verdicts=self.verdicts,
        )
        self._claims = KeyClaims(key_memory)
        self._cache = cache
        self._awaited: dict[str, set[Key]] = {}

    def adopt(self, table: ShardedTable) -> set[Key]:
        """Start with a server's table from the cluster.

        It is held until all resources that may be in it are decided.
        """
        self._placement.tables[table.server] = table
        self._placement.secrets.start(table)
        inside = {resource_key(what) for what in table.ids() if not self._keeps(resource_key(what))}
        for what in table.ids():
            key = resource_key(what)
            claims, until = held_keys(table, what)
            self._claims.adopt(claims, key, until)
            if what[0] != "reserved":
                self._placement.adopt(key, table.server)
            entry = table.part_of(what).entries[what]
            if isinstance(entry, Account):
                self.definitions.users.replace(key, (table.server, entry.aggregator))
            # its resource is not watched, so nothing else will claim these keys for it
            if what[0] == "account" and self._keeps(key):
                mine = self._claims.claimed_by(key) | frozenset(claims)
                self._claims.replace(key, "", mine, now=self._wall())
        webhooks = self._cache.webhooks_of(table.server)
        pushes = {
            Key(Kind.PUSH, namespace, name)
            for namespace in {webhook.namespace for webhook in webhooks}
            for name in self._cache.push_configs(namespace)
        }
        definitions = self._definition_decisions.keys_of(table.server)
        keys = {server_key(table.server)} | inside | webhooks | pushes | definitions
        self._awaited[table.server] = set(keys)
        effects = Effects()
        # first, so that no AggregatorWebhook seems to name an unknown aggregator
        self._definition_decisions.put_in_use(table.server, effects)
        return keys | effects.again

    def _keeps(self, key: Key) -> bool:
        """Whether its entries stay because the operator doesn't watch its namespace."""
        return key.kind is not Kind.SERVER and self._scope.keeps(key.namespace)

    def is_held(self, server: str) -> bool:
        """Whether nothing of this server's table may be written yet."""
        return server not in self.tables or server in self._awaited

    def release(self, key: Key) -> set[str]:
        """Record that the resource was decided or can't be; returns the servers whose tables are no longer held."""
        released = set()
        for server, keys in list(self._awaited.items()):
            keys.discard(key)
            if not keys:
                del self._awaited[server]
                self._claims.finish(server)
                released.add(server)
        return released

    def decide(self, key: Key) -> Effects:
        """Decide about one resource by the current content of the cache.

        Never raises: an exception becomes the verdict about this resource, so that its status shows no older verdict.
        Its previous entries are still served.
        """
        effects = Effects()
        if self._keeps(key):
            return effects
        item = self._cache.items.get(key)
        try:
            self._decide(key, item, effects)
        except Exception as error:
            if item is None:
                raise
            placed = self._placement.placed(key)
            problem = unexpected(f"{key.kind} {key.full_name}", error)
            self.verdicts[key] = CompileVerdict(
                generation=item.generation, problems=(problem,), servers=placed, served=bool(placed)
            )
        return effects

    def _decide(self, key: Key, item: Item | None, effects: Effects) -> None:
        if key.kind is Kind.SERVER:
            self._decide_server(key, item, effects)
        elif key.kind is Kind.DEFINITION:
            self._definition_decisions.decide(key, effects)
        elif item is None:
            self._forget(key, effects)
        elif key.kind is Kind.WEBHOOK:
            self._decide_webhook(item, effects)
        else:
            self._decide_push(item, effects)

    def _decide_server(self, key: Key, item: Item | None, effects: Effects) -> None:
        if item is None:
            self._placement.tables.pop(key.full_name, None)
            self._awaited.pop(key.full_name, None)
            self.verdicts.pop(key, None)
            self.definitions.forget(key.full_name)
            return
        if key.full_name in self.tables:  # its hosts may name a deleted definition, or no longer
            self._definition_decisions.put_in_use(key.full_name, effects)
        resource, problems = resource_of(item)
        known = self.definitions.known(key.full_name)
        compiled = compile_settings(resource, secrets=self._secrets(item), known=known)
        table = self.tables.get(key.full_name)
        if compiled.settings is not None and table is not None:  # otherwise the previous entry stays
            self._placement.put(table, ("settings", key.full_name), compiled.settings, effects)
        if table is not None:
            self._dismiss(table, resource, effects)
        self.verdicts[key] = CompileVerdict(
            generation=item.generation,
            problems=(
                *problems,
                *compiled.problems,
                *warn_of_secrets(resource, self._placement.secrets.of(key.full_name)),
            ),
            servers=(key.full_name,),
            served=compiled.settings is not None,
        )

    def _dismiss(self, table: ShardedTable, server: Resource, effects: Effects) -> None:
        """Remove entries of unwatched namespaces that the server certainly no longer serves."""
        spec = server.spec
        if not isinstance(spec, WebhookServerSpec) or spec.allowed_namespaces.from_ != "Same":
            return
        for what in list(table.ids()):
            key = resource_key(what)
            if what[0] != "settings" and key.namespace != server.namespace and self._keeps(key):
                self._placement.put(table, what, None, effects)
                kept = frozenset(claim for claim in self._claims.claimed_by(key) if claim[0] != table.server)
                self._claim(key, "", kept, effects)

    def _forget(self, key: Key, effects: Effects) -> None:
        if key.kind is Kind.WEBHOOK:
            self._claim(key, "", frozenset(), effects)
            self._note_use(key, None, effects)
            self._definition_decisions.note_use(key, None, effects)
        self._placement.place(key, {}, effects)
        self.verdicts.pop(key, None)

    def _decide_webhook(self, item: Item, effects: Effects) -> None:
        key = item.key
        before = self.verdicts.get(key)
        webhook, invalid = resource_of(item)
        name, lost = self._find_server(key, webhook)
        server = None if name is None else self._server(name)
        if name is not None and server is None:
            self._keep(item, name, invalid)
            return
        secrets: Secrets = self._secrets(item)
        if server is not None and isinstance(server.spec, WebhookServerSpec):
            secrets = readable(secrets, server.spec)
        labels = self._cache.labels.get(key.namespace, {})
        allowed = server is not None and serves_namespace(server, key.namespace, labels)
        claims = claimed_keys(webhook, secrets) if allowed else frozenset()
        rivals = self._claim(key, item.order, frozenset((name or "", claim) for claim in claims), effects)
        self._note_use(key, Reference(name if allowed else None, item.links.push_configs), effects)
        use = (name, item.links.aggregator) if name and allowed and item.links.aggregator else None
        self._definition_decisions.note_use(key, use, effects)
        account, problems = None, (*invalid, *lost)
        if server is not None:
            context = AccountContext(
                server=server,
                namespace_labels=labels,
                secrets=secrets,
                push_configs=self._cache.push_configs(key.namespace),
                owner=lambda claim: self._owner(server.full_name, claim),
                known=self.definitions.known(server.full_name),
            )
            compiled = compile_account(webhook, context)
            account, problems = compiled.account, (*problems, *compiled.problems)
        is_served = account is not None
        if name is not None and lacks_keys(problems):
            account, problems = self._in_grace(webhook, name, account, problems, effects)
        if account is not None:
            account = msgspec.structs.replace(account, tenant=self._cache.tenant(item))
        self._placement.place(key, {} if account is None or name is None else {name: account}, effects)
        self.verdicts[key] = CompileVerdict(
            generation=item.generation,
            problems=problems,
            servers=() if name is None else (name,),
            served=is_served,
            rivals=rivals,
            succeeded=() if before is None or rivals else before.rivals or before.succeeded,
        )

    def _claim(self, key: Key, order: str, claims: frozenset[Claim], effects: Effects) -> tuple[Rival, ...]:
        """Replace the claims of a resource; returns the owners of keys that it claimed but did not get."""
        is_final = not any(self.is_held(server) for server, _ in claims)
        now = self._wall()
        touched = self._claims.replace(key, order, claims, now=now, is_final=is_final)
        effects.again |= touched.claimants
        for holder in touched.holders | {key}:
            self._reserve(holder, now, effects)
        owners = ((claim[0], self._claims.owner(claim)) for claim in sorted(claims))
        return tuple(
            dict.fromkeys(
                Rival(server, owner.full_name) for server, owner in owners if owner is not None and owner != key
            )
        )

    def _reserve(self, key: Key, now: float, effects: Effects) -> None:
        """Store reserved keys in the tables, so that they survive a restart of the operator."""
        reserved = self._claims.reserved_for(key)
        what: EntryKey = ("reserved", key.full_name)
        for table in self.tables.values():
            mine = sorted((claim, until) for (server, claim), until in reserved.items() if server == table.server)
            keys = tuple(ReservedKey(aggregator=key[0], digest=key[1], until=round(until)) for key, until in mine)
            self._placement.put(table, what, ReservedKeys(name=key.full_name, keys=keys) if keys else None, effects)
        if reserved:
            effects.wait(key, min(reserved.values()) - now)

    def _find_server(self, key: Key, webhook: Resource) -> Found:
        labels = self._cache.labels.get(key.namespace, {})
        placed = self._placement.placed(key)

        def allows(name: str) -> bool:
            server = self._server(name)
            # it is unknown which namespaces an invalid server allows, so it keeps what it serves
            return name in placed if server is None else serves_namespace(server, key.namespace, labels)

        unseen = self._unwatched_server(webhook)
        if unseen is not None:
            return None, (unseen,)
        return find_server(webhook, self._cache.servers, allows, placed, shared=self._scope.shared)

    def _unwatched_server(self, webhook: Resource) -> Problem | None:
        """The problem of a resource whose server is in a namespace that the operator doesn't watch."""
        spec = webhook.spec
        wanted = server_name(webhook, spec) if isinstance(spec, AggregatorWebhookSpec) else None
        if wanted is None or self._scope.watches(namespace_of(wanted)):
            return None
        message = (
            f"the operator doesn't watch the namespace of WebhookServer {wanted}: what that serves stays as it is, and"
            " changes of this resource have no effect; have the operator watch it (watch.namespaces of the chart)"
        )
        return webhook.problem("spec.serverRef", message, reason=Reason.SERVER_NOT_WATCHED)

    def _in_grace(
        self,
        webhook: Resource,
        server: str,
        account: Account | None,
        problems: tuple[Problem, ...],
        effects: Effects,
    ) -> tuple[Account | None, tuple[Problem, ...]]:
        """The account, including keys in grace whose Secrets are missing, and a hint about them."""
        key, now = Key(Kind.WEBHOOK, webhook.namespace, webhook.name), self._wall()
        before = self._placement.entry(server, key).get(server)
        if not isinstance(before, Account):
            return account, problems
        account = with_grace(account, before, now=now, seconds=self._grace_seconds)
        end = first_end(account)
        if end is None:
            return account, problems
        effects.wait(key, end - now)
        message = "for a minute, requests with a key that was served before get 503 instead of 401; restore the Secret"
        return account, (*problems, webhook.problem("spec.keys", message, Severity.WARNING))

    def _keep(self, item: Item, server: str, invalid: tuple[Problem, ...]) -> None:
        """Keep the entries of a resource whose server's spec is invalid."""
        resource, _ = resource_of(item)
        message = f"WebhookServer {server} is invalid; see its conditions"
        problem = resource.problem("spec.serverRef", message, reason=Reason.SERVER_NOT_FOUND)
        placed = self._placement.placed(item.key)
        self.verdicts[item.key] = CompileVerdict(
            generation=item.generation, problems=(*invalid, problem), servers=placed, served=bool(placed)
        )

    def _decide_push(self, item: Item, effects: Effects) -> None:
        key = item.key
        resource, invalid = resource_of(item)
        secrets = self._secrets(item)
        problems: dict[Problem, None] = dict.fromkeys(invalid)
        entries: dict[str, Entry] = {}
        servers = self.references.servers(key.namespace)
        tenant = self._cache.tenant(item)
        for name in servers:
            server = self._server(name)
            if server is None:  # the previous entries stay
                kept = self._placement.entry(name, key)
                entries |= {place: entry for place, entry in kept.items() if is_same_tenant(entry, tenant)}
                continue
            assert isinstance(server.spec, WebhookServerSpec)
            permitted = readable(secrets, server.spec)
            known = self.definitions.known(name)
            compiled = compile_destination(resource, secrets=permitted, egress=compile_egress(server.spec), known=known)
            problems |= dict.fromkeys(compiled.problems)
            if compiled.destination is not None:
                entries[name] = msgspec.structs.replace(compiled.destination, tenant=tenant)
        if not servers:
            problems |= dict.fromkeys(self._problems_without_server(resource, secrets))
        self._placement.place(key, entries, effects)
        self.verdicts[key] = CompileVerdict(
            generation=item.generation,
            problems=tuple(problems),
            servers=servers,
            served=bool(servers) and len(entries) == len(servers),
            used=self.references.is_used(key.namespace, key.name),
        )

    def _problems_without_server(self, resource: Resource, secrets: Secrets) -> tuple[Problem, ...]:
        """The problems of a PushConfig that no AggregatorWebhook sends to.

        Its addresses are checked against the egress rules of each server that would serve its namespace, or against the
        default ranges. So an address to which no push may go is reported at once. One server that permits it is enough.
        """
        labels = self._cache.labels.get(resource.namespace, {})
        found = [self._server(name) for name in self._cache.servers]
        egresses = [
            compile_egress(server.spec)
            for server in found
            if server is not None
            and isinstance(server.spec, WebhookServerSpec)
            and serves_namespace(server, resource.namespace, labels)
        ]
        rules = [msgspec.structs.replace(egress, https_only=False) for egress in egresses or [Egress()]]
        tries = [compile_destination(resource, secrets=secrets, egress=egress).problems for egress in rules]
        return min(tries, key=len)

    def _note_use(self, key: Key, use: Reference | None, effects: Effects) -> None:
        change = self.references.replace(key, use)
        names = self._cache.push_configs(key.namespace) if change.all else change.names
        effects.again |= {Key(Kind.PUSH, key.namespace, name) for name in names}

    def _server(self, name: str) -> Resource | None:
        """The WebhookServer, if its spec is valid."""
        item = self._cache.server(name)
        resource = None if item is None else resource_of(item)[0]
        return None if resource is None or resource.spec is None else resource

    def _owner(self, server: str, claim: KeyClaim) -> str | None:
        owner = self._claims.owner((server, claim))
        return None if owner is None else owner.full_name

    def _secrets(self, item: Item) -> dict[Ref, Secret]:
        refs = [(item.key.namespace, name) for name in item.links.secrets]
        found = {ref: self._cache.secrets.get(ref) for ref in refs}
        return {ref: secret for ref, secret in found.items() if secret is not None}
