"""Compiles an AggregatorWebhook to an account: one resource at a time, in an explicit context. Pure.

A key belongs to one AggregatorWebhook of a server. The context tells the owner of each key, so a caller that compiles
many resources first collects the claims of all (`claimed_keys`).
"""

from collections.abc import Callable, Collection, Mapping

import msgspec

from trackpush_api.aggregators.names import BUILT_IN, KnownAggregators, check_aggregator
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.kinds import AggregatorWebhookSpec, WebhookServerSpec
from trackpush_api.kinds.aggregator_webhook import LEAST_EXPECTED, MOST_EXPECTED
from trackpush_api.kinds.webhook_server import AllowedNamespaces
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.quantities import seconds
from trackpush_api.routing import Account, digest_key
from trackpush_api.secrets import SecretResolver, Secrets
from trackpush_api.status_names import objection_to_account
from trackpush_api.suggestions import closest
from trackpush_api.vocabulary import AggregatorName

_SHORT_KEY = 8
KeyClaim = tuple[AggregatorName, str]
"""An aggregator and the digest of a key. Only one AggregatorWebhook of a server can have it."""


class AccountContext(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an account depends on besides its own resource."""

    server: Resource
    """The WebhookServer that serves it; its spec is valid."""
    namespace_labels: Mapping[str, str] = {}
    secrets: Secrets
    """The Secrets of its namespace; at least those that it names and that exist."""
    push_configs: Collection[str]
    """Names of the PushConfigs of its namespace."""
    owner: Callable[[KeyClaim], str | None]
    """Returns ``namespace/name`` of the AggregatorWebhook that owns this key: the oldest of the server that claims it.
    """
    known: KnownAggregators = BUILT_IN
    """The aggregators of the server."""
    names_owners: bool = False
    """Whether the reader of the problems may know about all namespaces."""


class CompiledAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account, or None if no part of it can be served, and all problems."""

    account: Account | None
    problems: tuple[Problem, ...] = ()


def serves_namespace(server: Resource, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a WebhookServer's allowedNamespaces include this namespace."""
    if not isinstance(server.spec, WebhookServerSpec):
        return False
    allowed = server.spec.allowed_namespaces
    if allowed.from_ == "All" or namespace == server.namespace:
        return True
    return allowed.selector is not None and allowed.selector.match_labels.items() <= labels.items()


def claimed_keys(webhook: Resource, secrets: Secrets) -> frozenset[KeyClaim]:
    """The keys that a resource claims. Never raises, like `compile_account`."""
    spec = webhook.spec
    if not isinstance(spec, AggregatorWebhookSpec):
        return frozenset()
    try:
        resolver = SecretResolver(webhook, secrets, [])
        keys = [resolver.inbound_key(source, "") for source in spec.keys]
        return frozenset((spec.aggregator, digest_key(key)) for key in keys if key is not None)
    except Exception:  # noqa: BLE001  compiling it says what is wrong
        return frozenset()


def compile_account(webhook: Resource, context: AccountContext) -> CompiledAccount:
    """Compile one AggregatorWebhook that names the context's server.

    Never raises: one client's resource must not delay another client's.
    """
    if not isinstance(webhook.spec, AggregatorWebhookSpec):
        return CompiledAccount(account=None)
    try:
        return _compile(webhook, webhook.spec, context)
    except Exception as error:  # noqa: BLE001  whatever is wrong with it concerns this resource alone
        return CompiledAccount(account=None, problems=(unexpected(webhook.title, error, webhook.place),))


def _compile(webhook: Resource, spec: AggregatorWebhookSpec, context: AccountContext) -> CompiledAccount:
    refused = _refusal(webhook, context)
    named = check_aggregator(webhook, "spec.aggregator", spec.aggregator, context.known)
    if refused is None and named is not None and named.severity is Severity.ERROR:
        refused = named
    if refused is not None:
        return CompiledAccount(account=None, problems=(refused,))
    problems = [] if named is None else [named]
    facts = context.known.profiles[spec.aggregator]
    keys = _keys(webhook, spec, context, problems)
    for index, status in enumerate(spec.statuses or ()):
        objection = objection_to_account(status, facts)
        if objection is not None:
            problems.append(webhook.problem(f"spec.statuses[{index}]", objection, Severity.WARNING))
    account = Account(
        name=webhook.full_name,
        aggregator=spec.aggregator,
        key_digests=tuple(keys),
        destinations=_targets(webhook, spec, context.push_configs, problems),
        statuses=None if spec.statuses is None else frozenset(spec.statuses),
        suspended=spec.suspend,
        expect_every=_expect_every(webhook, spec, problems),
        secrets=tuple(keys.values()) if facts.signed else (),
    )
    return CompiledAccount(account=account if keys else None, problems=tuple(problems))


def _expect_every(webhook: Resource, spec: AggregatorWebhookSpec, problems: list[Problem]) -> float | None:
    """The seconds of ``expectEvery``. A wrong value must not stop updates: the account is served, but not watched."""
    if spec.expect_every is None:
        return None
    found = seconds(spec.expect_every)
    if LEAST_EXPECTED <= found <= MOST_EXPECTED:
        return found
    message = (
        f"found {spec.expect_every}, must be between 1m and 90d; until you correct it, silence of this account is not"
        " reported"
    )
    problems.append(webhook.problem("spec.expectEvery", message))
    return None


def _refusal(webhook: Resource, context: AccountContext) -> Problem | None:
    server = context.server
    assert isinstance(server.spec, WebhookServerSpec)
    if serves_namespace(server, webhook.namespace, context.namespace_labels):
        return None
    return webhook.problem(
        "metadata.namespace",
        f"WebhookServer {server.full_name} doesn't serve namespace {webhook.namespace}"
        f" (allowedNamespaces.from: {_allowed(server.spec.allowed_namespaces)}); allow it there",
        reason=Reason.NAMESPACE_NOT_ALLOWED,
    )


def _allowed(allowed: AllowedNamespaces) -> str:
    labels = {} if allowed.selector is None else allowed.selector.match_labels
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"{allowed.from_}, of namespaces with the labels {wanted}" if wanted else allowed.from_


def _keys(
    webhook: Resource, spec: AggregatorWebhookSpec, context: AccountContext, problems: list[Problem]
) -> dict[str, str]:
    """The keys that the account may use, by their digests."""
    resolver = SecretResolver(webhook, context.secrets, problems)
    keys: dict[str, str] = {}
    facts = context.known.profiles[spec.aggregator]
    for index, source in enumerate(spec.keys):
        field = f"spec.keys[{index}]"
        key = resolver.inbound_key(source, field)
        if key is None:
            continue
        digest = digest_key(key)
        owner = context.owner((spec.aggregator, digest))
        if owner not in (webhook.full_name, None):
            message = f"this key is taken by {_owner(owner, webhook, context)}; use another key"
            problems.append(webhook.problem(field, message, reason=Reason.KEY_CONFLICT))
            continue
        problems.extend(_hints(webhook, facts, field, key))
        keys.setdefault(digest, key)
    return keys


def _owner(owner: str | None, webhook: Resource, context: AccountContext) -> str:
    """The owner of the key. An owner in another namespace is named only to a reader of all files, not in a status."""
    is_known = owner is not None and (context.names_owners or owner.startswith(f"{webhook.namespace}/"))
    return f"AggregatorWebhook {owner}" if is_known else "another AggregatorWebhook"


def _hints(webhook: Resource, facts: AggregatorProfile, field: str, key: str) -> list[Problem]:
    hints = []
    if len(key) < _SHORT_KEY:
        message = "this key is short and can be guessed; use 16 characters or more"
        hints.append(webhook.problem(field, message, Severity.WARNING))
    word = facts.refused_word(key)
    if word is not None:
        name = facts.aggregator
        message = f"this key contains {word!r}, so {name}'s panel refuses it in a URL; put it into the token field"
        hints.append(webhook.problem(field, message, Severity.WARNING))
    return hints


def _targets(
    webhook: Resource, spec: AggregatorWebhookSpec, present: Collection[str], problems: list[Problem]
) -> tuple[str, ...]:
    namespace = webhook.namespace
    if spec.push_config_refs is None:
        if not present:
            message = f"namespace {namespace} has no PushConfig: updates are stored but not pushed; add a PushConfig"
            problems.append(
                webhook.problem("spec.pushConfigRefs", message, Severity.WARNING, reason=Reason.NO_PUSH_CONFIG)
            )
        return tuple(sorted(f"{namespace}/{name}" for name in present))
    for index, reference in enumerate(spec.push_config_refs):
        if reference.name not in present:
            near = closest(reference.name, present)
            hint = f"; did you mean {near}?" if near else ""
            message = f"no PushConfig {namespace}/{reference.name}; its pushes wait until it exists{hint}"
            field = f"spec.pushConfigRefs[{index}].name"
            problems.append(webhook.problem(field, message, reason=Reason.PUSH_CONFIG_NOT_FOUND))
    return tuple(dict.fromkeys(f"{namespace}/{reference.name}" for reference in spec.push_config_refs))
