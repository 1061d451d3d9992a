"""Compiles a PushConfig to a destination: one resource at a time, all its problems at once."""

from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import msgspec

from trackpush_api.aggregators.names import BUILT_IN, KnownAggregators
from trackpush_api.authorization import client_credentials, fixed_authorization
from trackpush_api.certificates import check_certificates
from trackpush_api.expressions import InvalidExpressionError, compile_expression
from trackpush_api.headers import objection_to_size
from trackpush_api.kinds.push_config import FilterSpec, PushConfigSpec, RetrySpec
from trackpush_api.manifest import Resource
from trackpush_api.notifications import compile_notifications
from trackpush_api.portal_label import is_portals
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.quantities import seconds
from trackpush_api.request_parts import compile_headers, compile_signing
from trackpush_api.routing import Destination, Egress, Filter, RateLimit, Retry, TlsMaterial
from trackpush_api.secrets import SecretResolver, Secrets
from trackpush_api.status_names import objection_to_filter, objections_to_expression
from trackpush_api.url_checks import rules_of, url_problems
from trackpush_api.vocabulary import Direction

T = TypeVar("T", Filter, Retry)
_MOST_TIMEOUT = 120.0
_MOST_STEPS = 32


class CompiledDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination, or None if the PushConfig has an error (then its pushes wait), and all problems."""

    destination: Destination | None
    problems: tuple[Problem, ...] = ()


def compile_destination(
    resource: Resource, *, secrets: Secrets, egress: Egress, known: KnownAggregators = BUILT_IN
) -> CompiledDestination:
    """Compile one PushConfig for a server with these egress rules. Secrets are those of its namespace.

    Never raises: one client's resource must not delay another client's.
    """
    if not isinstance(resource.spec, PushConfigSpec):
        return CompiledDestination(destination=None)
    try:
        return _compile(resource, resource.spec, secrets, egress, known)
    except Exception as error:  # noqa: BLE001  whatever is wrong with it concerns this resource alone
        return CompiledDestination(destination=None, problems=(unexpected(resource.title, error, resource.place),))


def _compile(
    resource: Resource, spec: PushConfigSpec, secrets: Secrets, egress: Egress, known: KnownAggregators
) -> CompiledDestination:
    problems: list[Problem] = []
    resolver = SecretResolver(resource, secrets, problems)
    headers = _headers(resource, spec, resolver, problems)
    compiled = Destination(
        name=resource.full_name,
        url=spec.url,
        headers=headers,
        oauth2=client_credentials(resource, spec.auth, egress, resolver, problems),
        tls=_tls(spec, resolver),
        signing=compile_signing(resource, spec.signing, "spec.signing", resolver, problems),
        payload_format=spec.payload.format,
        filter=_same(_filter(spec)),
        timeout=seconds(spec.delivery.timeout),
        retry=_same(_retry(spec.delivery.retry)),
        max_concurrency=spec.delivery.max_concurrency,
        rate_limit=_rate(spec),
        ordered=spec.delivery.ordering == "PerShipment",
        drop_late=spec.delivery.late_updates == "Drop",
        suspended=spec.suspend,
        portal=is_portals(resource.labels),
    )
    check_certificates(resource, compiled.tls, problems)
    _check(resource, spec, egress, problems)
    _check_expression(resource, spec.filter.expression, known, problems)
    _check_statuses(resource, spec.filter, known, problems)
    broken = any(problem.severity is Severity.ERROR for problem in problems)
    notified = compile_notifications(resource, spec.notifications, secrets=secrets, egress=egress)
    complete = msgspec.structs.replace(compiled, announcement_targets=notified.targets)
    return CompiledDestination(destination=None if broken else complete, problems=(*problems, *notified.problems))


def _check(resource: Resource, spec: PushConfigSpec, egress: Egress, problems: list[Problem]) -> None:
    problems.extend(url_problems(resource, "spec.url", spec.url, rules_of(egress)))
    if not 0 < seconds(spec.delivery.timeout) <= _MOST_TIMEOUT:
        problems.append(
            resource.problem("spec.delivery.timeout", "must be more than 0 and at most 2m", reason=Reason.INVALID)
        )
    if spec.delivery.rate_limit is not None and seconds(spec.delivery.rate_limit.per) <= 0:
        problems.append(resource.problem("spec.delivery.rateLimit.per", "must be more than 0", reason=Reason.INVALID))
    if seconds(spec.delivery.retry.max_age) <= 0:
        problems.append(resource.problem("spec.delivery.retry.maxAge", "must be more than 0", reason=Reason.INVALID))


def _check_expression(
    resource: Resource, expression: str | None, known: KnownAggregators, problems: list[Problem]
) -> None:
    if expression is None:
        return
    try:
        compile_expression(expression)
    except InvalidExpressionError as error:
        problems.append(resource.problem("spec.filter.expression", str(error), reason=Reason.INVALID))
        return
    objections = objections_to_expression(expression, known.profiles)
    problems.extend(resource.problem("spec.filter.expression", objection, Severity.WARNING) for objection in objections)


def _check_statuses(resource: Resource, wanted: FilterSpec, known: KnownAggregators, problems: list[Problem]) -> None:
    if any(name not in known.profiles for name in wanted.aggregators or ()):
        return  # whoever defines it later may use any code
    aggregators = [known.profiles[name] for name in wanted.aggregators or known.profiles]
    for index, status in enumerate(wanted.statuses or ()):
        objection = objection_to_filter(status, aggregators)
        if objection is not None:
            problems.append(resource.problem(f"spec.filter.statuses[{index}]", objection, Severity.WARNING))


def _headers(
    resource: Resource, spec: PushConfigSpec, resolver: SecretResolver, problems: list[Problem]
) -> tuple[tuple[str, str], ...]:
    headers = compile_headers(resource, spec.headers, "spec.headers", resolver, problems)
    if spec.auth is not None:
        if any(name.lower() == "authorization" for name, _ in headers):
            message = "headers also contains Authorization; keep one of them"
            problems.append(resource.problem("spec.auth", message, reason=Reason.INVALID))
        headers.extend(fixed_authorization(resource, spec.auth, resolver, problems))
    excess = objection_to_size(headers)
    if excess is not None:
        problems.append(resource.problem("spec.headers", excess, reason=Reason.INVALID))
    return tuple(headers)


def _tls(spec: PushConfigSpec, resolver: SecretResolver) -> TlsMaterial | None:
    tls = spec.tls
    if tls is None:
        return None
    return TlsMaterial(
        ca=resolver.pem(tls.ca, "spec.tls.ca") if tls.ca else None,
        certificate=resolver.pem(tls.certificate, "spec.tls.certificate") if tls.certificate else None,
        private_key=resolver.pem(tls.private_key, "spec.tls.privateKey") if tls.private_key else None,
    )


def _filter(spec: PushConfigSpec) -> Filter:
    wanted = spec.filter
    return Filter(
        statuses=None if wanted.statuses is None else frozenset(wanted.statuses),
        directions=None
        if wanted.directions is None
        else frozenset(Direction(direction.lower()) for direction in wanted.directions),
        aggregators=None if wanted.aggregators is None else frozenset(wanted.aggregators),
        expression=wanted.expression,
    )


def _retry(retry: RetrySpec) -> Retry:
    max_age = seconds(retry.max_age)
    if retry.schedule is not None:
        return Retry(schedule=tuple(seconds(delay) for delay in retry.schedule), max_age=max_age)
    if retry.backoff is None:
        return Retry(max_age=max_age)
    most = seconds(retry.backoff.max)
    steps = [min(seconds(retry.backoff.initial) * float(retry.backoff.factor) ** n, most) for n in range(_MOST_STEPS)]
    schedule = [steps[0], *(later for earlier, later in pairwise(steps) if later != earlier)]
    return Retry(schedule=tuple(schedule), max_age=max_age)


@lru_cache(maxsize=1024)
def _same(part: T) -> T:
    """One object for equal parts, to save memory: most destinations have the same filter and retries."""
    return part


def _rate(spec: PushConfigSpec) -> RateLimit | None:
    rate = spec.delivery.rate_limit
    return None if rate is None else RateLimit(requests=rate.requests, per=max(seconds(rate.per), 0.001))
