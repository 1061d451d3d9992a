"""Compiles ``spec.notifications`` of a resource to announcement targets. Pure.

An error in an entry concerns this entry alone: the resource is served, and its other notifications are sent.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from trackpush_api.headers import objection_to_size
from trackpush_api.kinds.notification import NotificationSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity, unexpected
from trackpush_api.request_parts import compile_headers, compile_signing
from trackpush_api.routing import AnnouncementTarget, Egress
from trackpush_api.secrets import SecretResolver, Secrets
from trackpush_api.url_checks import rules_of, url_problems
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS

_FIELD: Final = "spec.notifications"
_PUBLIC_SLACK = (
    "whoever can read this resource can post to the channel; put the URL into a Secret, and name it in urlFrom"
)


class CompiledNotifications(msgspec.Struct, frozen=True, kw_only=True):
    """The targets to which messages can be sent, and all problems."""

    targets: tuple[AnnouncementTarget, ...] = ()
    problems: tuple[Problem, ...] = ()


def compile_notifications(
    resource: Resource, entries: Iterable[NotificationSpec], *, secrets: Secrets, egress: Egress
) -> CompiledNotifications:
    """Compile the notifications of a WebhookServer or a PushConfig. Never raises."""
    targets: list[AnnouncementTarget] = []
    problems: list[Problem] = []
    for index, entry in enumerate(entries):
        compiler = _EntryCompiler(resource, entry, f"{_FIELD}[{index}]", secrets)
        try:
            target = compiler.compile(egress)
        except Exception as error:  # noqa: BLE001  whatever is wrong with it concerns this entry alone
            target = None
            compiler.problems.append(unexpected(resource.title, error, resource.place))
        if target is not None and not any(problem.severity is Severity.ERROR for problem in compiler.problems):
            targets.append(target)
        problems += [_with_consequence(problem, entry.name) for problem in compiler.problems]
    return CompiledNotifications(targets=tuple(targets), problems=tuple(problems))


class _EntryCompiler:
    """Compiles one entry."""

    def __init__(self, resource: Resource, entry: NotificationSpec, field: str, secrets: Secrets) -> None:
        self.problems: list[Problem] = []
        self._resource = resource
        self._entry = entry
        self._field = field
        self._resolver = SecretResolver(resource, secrets, self.problems)

    def compile(self, egress: Egress) -> AnnouncementTarget | None:
        """The target, or None without a URL; `problems` says whether it may be used."""
        entry, field = self._entry, self._field
        url = self._url()
        if url is not None:
            self._check(url, egress)
        headers = compile_headers(self._resource, entry.headers, f"{field}.headers", self._resolver, self.problems)
        excess = objection_to_size(headers)
        if excess is not None:
            self._add("headers", excess, Reason.INVALID)
        signing = compile_signing(self._resource, entry.signing, f"{field}.signing", self._resolver, self.problems)
        if url is None:
            return None
        return AnnouncementTarget(
            name=f"{self._resource.kind}/{self._resource.full_name}/{entry.name}",
            url=url,
            format=entry.format,
            events=frozenset(ANNOUNCEMENT_KINDS if entry.events is None else entry.events),
            signing=signing,
            headers=tuple(headers),
        )

    def _url(self) -> str | None:
        if self._entry.url_from is None:
            if self._entry.format == "Slack":
                self.problems.append(self._resource.problem(f"{self._field}.url", _PUBLIC_SLACK, Severity.WARNING))
            return self._entry.url
        url = self._resolver.value(self._entry.url_from, f"{self._field}.urlFrom")
        if url is None or url.startswith(("https://", "http://")):
            return url
        # checked here, because the message about an unknown scheme would quote the beginning of the Secret's value
        message = "the Secret's value is not a URL: write https://HOST/PATH"
        self._add("urlFrom", message, Reason.SECRET_VALUE_INVALID)
        return None

    def _check(self, url: str, egress: Egress) -> None:
        """Check the URL by the rules for pushes. Their messages never quote its path."""
        is_secret = self._entry.url_from is not None
        found = url_problems(
            self._resource, f"{self._field}.{'urlFrom' if is_secret else 'url'}", url, rules_of(egress)
        )
        self.problems += [_of_secret(problem) if is_secret else problem for problem in found]

    def _add(self, member: str, message: str, reason: Reason) -> None:
        self.problems.append(self._resource.problem(f"{self._field}.{member}", message, reason=reason))


def _of_secret(problem: Problem) -> Problem:
    """The same problem of a URL that a Secret contains."""
    reason = None if problem.reason is None else Reason.SECRET_VALUE_INVALID
    return msgspec.structs.replace(problem, message=f"the Secret's value: {problem.message}", reason=reason)


def _with_consequence(problem: Problem, name: str) -> Problem:
    if problem.severity is not Severity.ERROR:
        return problem
    message = f"{problem.message} (until then, notification {name} is not sent)"
    return msgspec.structs.replace(problem, message=message, only_notification=True)
