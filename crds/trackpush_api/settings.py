"""WebhookServer → settings: what its pods need to know of it, besides how they are started. Pure."""

import ipaddress

import msgspec

from trackpush_api.accounts import forbidden_word
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.webhook_server import Encryption as EncryptionSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason
from trackpush_api.quantities import seconds
from trackpush_api.routing import (
    Egress,
    Encryption,
    Host,
    Limits,
    Postgres,
    Retention,
    ServerSettings,
    Sqlite,
    Storage,
)
from trackpush_api.secrets import Resolver, Secrets
from trackpush_api.vocabulary import Aggregator


class CompiledSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings and all problems. None when the spec is invalid, or the journal's place or a key of it isn't known.

    Then what a server has stays: one that was told half of it could open another journal, or store in clear.
    """

    settings: ServerSettings | None
    problems: tuple[Problem, ...] = ()


def compile_settings(server: Resource, *, secrets: Secrets) -> CompiledSettings:
    """Compile one WebhookServer, with the Secrets that it names."""
    spec = server.spec
    if not isinstance(spec, WebhookServerSpec):
        return CompiledSettings(settings=None)
    problems = [*_forbidden_words(server, spec), *_wrong_ranges(server, spec)]
    resolver = Resolver(server, secrets, problems)
    storage = _storage(spec, resolver)
    encryption = None if spec.encryption is None else _encryption(spec.encryption, resolver)
    if storage is None or (encryption is None) != (spec.encryption is None):
        return CompiledSettings(settings=None, problems=tuple(problems))
    return CompiledSettings(settings=_settings(server, spec, storage, encryption), problems=tuple(problems))


def compile_egress(spec: WebhookServerSpec) -> Egress:
    """Where its pushes may go: the part of the settings that PushConfigs depend on."""
    egress = spec.egress
    return Egress(
        https_only=egress.https_only,
        allowed_cidrs=tuple(egress.allowed_cidrs),
        denied_cidrs=tuple(egress.denied_cidrs),
        proxy=egress.proxy,
    )


def _storage(spec: WebhookServerSpec, resolver: Resolver) -> Storage | None:
    if spec.storage.postgres is None:
        return Sqlite()
    dsn = resolver.dsn(spec.storage.postgres.dsn_secret_ref, "spec.storage.postgres.dsnSecretRef")
    return None if dsn is None else Postgres(dsn=dsn)


def _encryption(spec: EncryptionSpec, resolver: Resolver) -> Encryption | None:
    """With all of its keys or not at all.

    Without the first, bodies would be stored under a key that is on its way out, and without another what is stored
    couldn't be read.
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
        hosts=tuple(Host(host=one.host, aggregators=frozenset(one.aggregators)) for one in spec.hosts),
        base_path=spec.base_path,
        limits=Limits(
            max_body_bytes=limits.max_body_bytes,
            header_timeout=seconds(limits.header_timeout),
            body_timeout=seconds(limits.body_timeout),
            idle_timeout=seconds(limits.idle_timeout),
            max_connections=limits.max_connections,
            max_concurrent_requests=limits.max_concurrent_requests,
        ),
        egress=compile_egress(spec),
        retention=Retention(delivered=seconds(spec.retention.delivered), dead=seconds(spec.retention.dead)),
        storage=storage,
        encryption=encryption,
    )


def _wrong_ranges(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    """Said here, and not at every push: a table with a range that can't be read would push to nobody."""
    problems = []
    for name, ranges in (("allowedCIDRs", spec.egress.allowed_cidrs), ("deniedCIDRs", spec.egress.denied_cidrs)):
        for index, text in enumerate(ranges):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                message = f"{text!r} is no CIDR ({error}); write for example 10.1.0.0/16"
                problems.append(server.problem(f"spec.egress.{name}[{index}]", message, reason=Reason.INVALID))
    return problems


def _forbidden_words(server: Resource, spec: WebhookServerSpec) -> list[Problem]:
    problems = []
    for index, host in enumerate(spec.hosts):
        url = f"https://{host.host}{spec.base_path}/{Aggregator.SHIPROCKET.path_segment}/notify"
        word = forbidden_word(url)
        if Aggregator.SHIPROCKET in host.aggregators and word is not None:
            message = f"Shiprocket's panel refuses {url}: it holds {word!r}; use another host or path for it"
            problems.append(server.problem(f"spec.hosts[{index}].host", message, reason=Reason.FORBIDDEN_WORD))
    return problems
