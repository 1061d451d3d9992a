"""Compiles a WebhookServer to the settings of its pods. Pure."""

from ipaddress import ip_address

import msgspec

from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.names import BUILT_IN, KnownAggregators, check_aggregator
from trackpush_api.egress import read_network
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.webhook_server import EncryptionSpec
from trackpush_api.kubernetes_names import annotation_problems, label_problems, objection_to_server_name
from trackpush_api.manifest import Resource
from trackpush_api.notifications import compile_notifications
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.quantities import seconds
from trackpush_api.routing import (
    Egress,
    Encryption,
    Host,
    Limits,
    PortalSettings,
    Postgres,
    Retention,
    ServerSettings,
    Sqlite,
    Storage,
)
from trackpush_api.secrets import SecretResolver, Secrets
from trackpush_api.target import InvalidUrlError, read_url


class CompiledSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings and all problems. None if the spec is invalid, or the journal's place or a key is unknown.

    Then the server keeps its current settings: with incomplete settings it could open another journal, or store
    unencrypted bodies.
    """

    settings: ServerSettings | None
    problems: tuple[Problem, ...] = ()


def compile_settings(server: Resource, *, secrets: Secrets, known: KnownAggregators = BUILT_IN) -> CompiledSettings:
    """Compile one WebhookServer, with the Secrets that it names. Never raises."""
    if not isinstance(server.spec, WebhookServerSpec):
        return CompiledSettings(settings=None)
    try:
        return _compile(server, server.spec, secrets, known)
    except Exception as error:  # noqa: BLE001  what a server has stays
        return CompiledSettings(settings=None, problems=(unexpected(server.title, error, server.place),))


def _compile(server: Resource, spec: WebhookServerSpec, secrets: Secrets, known: KnownAggregators) -> CompiledSettings:
    problems = [*_forbidden_words(server, spec), *_egress(server, spec), *_hosts(server, spec), *_names(server, spec)]
    problems += _unknown_aggregators(server, spec, known)
    resolver = SecretResolver(server, secrets, problems)
    storage = _storage(spec, resolver)
    encryption = None if spec.encryption is None else _encryption(spec.encryption, resolver)
    notified = compile_notifications(server, spec.notifications, secrets=secrets, egress=compile_egress(spec))
    problems += notified.problems
    if storage is None or (encryption is None) != (spec.encryption is None):
        return CompiledSettings(settings=None, problems=tuple(problems))
    settings = msgspec.structs.replace(
        _settings(server, spec, storage, encryption), announcement_targets=notified.targets
    )
    return CompiledSettings(settings=settings, problems=tuple(problems))


def compile_egress(spec: WebhookServerSpec) -> Egress:
    """The egress rules: the part of the settings that PushConfigs depend on."""
    egress = spec.egress
    return Egress(
        https_only=egress.https_only,
        allowed_cidrs=tuple(egress.allowed_cidrs),
        denied_cidrs=tuple(egress.denied_cidrs),
        proxy=egress.proxy,
    )


def _storage(spec: WebhookServerSpec, resolver: SecretResolver) -> Storage | None:
    if spec.storage.postgres is None:
        return Sqlite()
    dsn = resolver.dsn(spec.storage.postgres.dsn_secret_ref, "spec.storage.postgres.dsnSecretRef")
    return None if dsn is None else Postgres(dsn=dsn)


def _encryption(spec: EncryptionSpec, resolver: SecretResolver) -> Encryption | None:
    """The encryption settings; None unless every key is known.

    Without the first key, bodies would be encrypted with an old key. Without another key, stored bodies couldn't be
    read.
    """
    found = [resolver.encryption_key(source, f"spec.encryption.keys[{n}]") for n, source in enumerate(spec.keys)]
    keys = tuple(dict.fromkeys(key for key in found if key is not None))
    return None if None in found else Encryption(keys=keys, decrypt_only=spec.decrypt_only)


def _settings(
    server: Resource, spec: WebhookServerSpec, storage: Storage, encryption: Encryption | None
) -> ServerSettings:
    limits = spec.limits
    return ServerSettings(
        name=server.full_name,
        hosts=tuple(
            Host(
                host=host.host,
                aggregators=frozenset(PROFILES if host.aggregators is None else host.aggregators),
                every=host.aggregators is None,
            )
            for host in spec.hosts
        ),
        base_path=spec.base_path,
        limits=Limits(
            max_body_bytes=limits.max_body_bytes,
            max_updates_per_body=limits.max_updates_per_body,
            header_timeout=seconds(limits.header_timeout),
            body_timeout=seconds(limits.body_timeout),
            idle_timeout=seconds(limits.idle_timeout),
            max_connections=limits.max_connections,
            max_connections_per_peer=limits.max_connections_per_peer or -(-limits.max_connections // 2),
            max_concurrent_requests=limits.max_concurrent_requests,
        ),
        egress=compile_egress(spec),
        retention=Retention(
            delivered=seconds(spec.retention.delivered),
            dead=seconds(spec.retention.dead),
            unrecognised=seconds(spec.retention.unrecognised),
        ),
        storage=storage,
        encryption=encryption,
        portal=None if spec.portal is None else PortalSettings(host=spec.portal.host, edit=spec.portal.edit),
    )


def _egress(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    """Check the ranges here and not at every push, because a table with an invalid range would push nothing."""
    problems = []
    for name, ranges in (("allowedCIDRs", spec.egress.allowed_cidrs), ("deniedCIDRs", spec.egress.denied_cidrs)):
        for index, text in enumerate(ranges):
            field = f"spec.egress.{name}[{index}]"
            try:
                network = read_network(text)
            except ValueError as error:
                problems.append(server.problem(field, str(error), reason=Reason.INVALID))
                continue
            if ip_address(text.partition("/")[0]) != network.network_address:
                message = (
                    f"{text} is read as {network}: the bits after /{network.prefixlen} are ignored; write {network}"
                )
                problems.append(server.problem(field, message, Severity.WARNING))
    try:
        if spec.egress.proxy is not None:
            read_url(spec.egress.proxy)
    except InvalidUrlError as error:
        problems.append(server.problem("spec.egress.proxy", str(error), reason=Reason.INVALID))
    return problems


def _names(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    """Names of children that Kubernetes would refuse."""
    wrong = [("metadata.name", objection_to_server_name(server.name))]
    selector = spec.allowed_namespaces.selector
    labels = {} if selector is None else selector.match_labels
    wrong += label_problems("spec.allowedNamespaces.selector.matchLabels", labels)
    wrong += label_problems("spec.podTemplate.labels", {} if spec.pod_template is None else spec.pod_template.labels)
    ingress = None if spec.expose is None else spec.expose.ingress
    if ingress is not None:
        wrong += annotation_problems("spec.expose.ingress.annotations", ingress.annotations)
    if spec.pod_template is not None:
        wrong += annotation_problems("spec.podTemplate.annotations", spec.pod_template.annotations)
    return [server.problem(field, text, reason=Reason.INVALID) for field, text in wrong if text is not None]


def _hosts(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    """Check hosts by the rules of URLs, because aggregators need them in URLs."""
    problems = []
    hosts = [(f"spec.hosts[{index}].host", host.host) for index, host in enumerate(spec.hosts)]
    hosts += [] if spec.portal is None else [("spec.portal.host", spec.portal.host)]
    for field, host in hosts:
        try:
            read_url(f"https://{host}/")
        except InvalidUrlError as error:
            problems.append(server.problem(field, str(error), reason=Reason.INVALID))
    return problems


def _unknown_aggregators(server: Resource, spec: WebhookServerSpec, known: KnownAggregators) -> list[Problem]:
    found = (
        check_aggregator(server, f"spec.hosts[{index}].aggregators[{position}]", name, known)
        for index, host in enumerate(spec.hosts)
        for position, name in enumerate(host.aggregators or ())
    )
    return [problem for problem in found if problem is not None]


def _forbidden_words(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    problems = []
    for index, host in enumerate(spec.hosts):
        for facts in (known for name, known in PROFILES.items() if host.serves(name)):
            url = f"https://{host.host}{spec.base_path}/{facts.path_segment}/notify"
            word = facts.refused_word(url)
            if word is not None:
                name = facts.aggregator
                message = f"{name}'s panel refuses {url}: it contains {word!r}; use another host or path for it"
                problems.append(server.problem(f"spec.hosts[{index}].host", message, reason=Reason.FORBIDDEN_WORD))
    return problems
