"""Checks resources and Secrets by compiling them. Pure."""

from collections.abc import Iterator

from trackpush_api.problems import Problem, Severity
from trackpush_cli.doctor.outcome import CheckResult, fail, ok, warn
from trackpush_cli.doctor.subject import CheckScope, sources

_SECRETS = "secrets"
_RESOURCES = "resources"
_WORDS = "url-words"


def examine(subject: CheckScope) -> Iterator[CheckResult]:
    """Check the words in URLs, then each resource and the Secrets that it names."""
    yield from _words(subject)
    if subject.unread_secrets is not None:
        yield warn(
            _SECRETS, "all", f"can't be read: {subject.unread_secrets}", "run doctor as a user who may read them"
        )
    for resource in subject.resources:
        found = [problem for problem in subject.problems if problem.resource == resource.title]
        told = [problem for problem in found if subject.unread_secrets is None or not problem.is_about_secret]
        yield from (_outcome(problem) for problem in told if not _is_word(problem))
        if not found and resource.spec is not None:
            count = sum(1 for _ in sources(resource.spec))
            keys = f", all values from Secrets exist ({count})" if count else ""
            yield ok(_RESOURCES, resource.title, f"valid{keys}")
    for problem in subject.problems:
        if problem.resource is None:
            yield _outcome(problem)


def _words(subject: CheckScope) -> Iterator[CheckResult]:
    found = [problem for problem in subject.problems if _is_word(problem)]
    yield from (_outcome(problem, _WORDS) for problem in found)
    if not found:
        for aggregator, url in subject.urls():
            if aggregator == "Shiprocket":
                yield ok(_WORDS, url, "contains no word that Shiprocket's panel refuses")


def _is_word(problem: Problem) -> bool:
    return problem.reason is not None and problem.reason.value == "ForbiddenWord"


def _outcome(problem: Problem, check: str | None = None) -> CheckResult:
    name = check or (_SECRETS if problem.is_about_secret else _RESOURCES)
    subject = problem.resource or problem.file or "resources"
    message, _, advice = problem.message.rpartition("; ")
    text = f"{problem.field}: {message or advice}" if problem.field else message or advice
    make = warn if problem.severity is Severity.WARNING else fail
    return make(name, subject, text, advice if message else "see docs/operator.md")
