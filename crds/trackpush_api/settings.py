"""WebhookServer → settings: what its pods need to know of it, besides how they are started. Pure."""

import ipaddress

import msgspec

from trackpush_api.accounts import forbidden_word
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason
from trackpush_api.quantities import seconds
from trackpush_api.routing import Egress, Host, Limits, Retention, ServerSettings
from trackpush_api.vocabulary import Aggregator


class CompiledSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings (None when the spec is invalid) and all problems."""

    settings: ServerSettings | None
    problems: tuple[Problem, ...] = ()


def compile_settings(server: Resource) -> CompiledSettings:
    """Compile one WebhookServer."""
    spec = server.spec
    if not isinstance(spec, WebhookServerSpec):
        return CompiledSettings(settings=None)
    problems = [*_forbidden_words(server, spec), *_wrong_ranges(server, spec)]
    if spec.storage.postgres is not None:
        message = "PostgreSQL is not supported by this version; use storage.sqlite"
        problems.append(server.problem("spec.storage.postgres", message, reason=Reason.UNSUPPORTED))
    return CompiledSettings(settings=_settings(server, spec), problems=tuple(problems))


def compile_egress(spec: WebhookServerSpec) -> Egress:
    """Where its pushes may go: the part of the settings that PushConfigs depend on."""
    egress = spec.egress
    return Egress(
        https_only=egress.https_only,
        allowed_cidrs=tuple(egress.allowed_cidrs),
        denied_cidrs=tuple(egress.denied_cidrs),
        proxy=egress.proxy,
    )


def _settings(server: Resource, spec: WebhookServerSpec) -> ServerSettings:
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
