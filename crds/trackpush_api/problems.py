"""A problem with a resource: who, where, what was found and what to do. Never a secret value."""

from enum import StrEnum
from typing import Final

import msgspec

NOTIFYING: Final = "Notifying"
"""The condition of problems that concern only an entry of ``spec.notifications``."""


class Severity(StrEnum):
    """An error excludes the resource or a part of it; a warning doesn't."""

    ERROR = "error"
    WARNING = "warning"


class Reason(StrEnum):
    """Why a condition of a resource isn't True. Statuses contain these words, and users' scripts wait for them."""

    SERVER_NOT_FOUND = "ServerNotFound"
    SERVER_AMBIGUOUS = "ServerAmbiguous"
    SERVER_NOT_WATCHED = "ServerNotWatched"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    KEY_CONFLICT = "KeyConflict"
    INVALID = "Invalid"
    UNKNOWN_AGGREGATOR = "UnknownAggregator"
    SAMPLES_FAIL = "SamplesFail"
    PATH_CONFLICT = "PathConflict"
    FORBIDDEN_WORD = "ForbiddenWord"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  a word, no secret
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"  # noqa: S105  a word, no secret
    SECRET_VALUE_INVALID = "SecretValueInvalid"  # noqa: S105  same
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105  same
    SECRET_TOO_LARGE = "SecretTooLarge"  # noqa: S105  same
    PUSH_CONFIG_NOT_FOUND = "PushConfigNotFound"
    NO_PUSH_CONFIG = "NoPushConfig"

    @property
    def condition(self) -> str:
        """The condition that it concerns: ``Accepted`` (the resource in its context) or ``ResolvedRefs``."""
        return "ResolvedRefs" if self in _REFERENCES else "Accepted"


_REFERENCES = frozenset(
    {
        Reason.SECRET_NOT_FOUND,
        Reason.SECRET_KEY_NOT_FOUND,
        Reason.SECRET_VALUE_INVALID,
        Reason.SECRET_NOT_ALLOWED,
        Reason.SECRET_TOO_LARGE,
        Reason.PUSH_CONFIG_NOT_FOUND,
        Reason.NO_PUSH_CONFIG,
    }
)


_CONSEQUENCES = frozenset(
    {
        Reason.SECRET_NOT_FOUND,
        Reason.PUSH_CONFIG_NOT_FOUND,
        Reason.NO_PUSH_CONFIG,
        Reason.SERVER_NOT_FOUND,
        Reason.UNKNOWN_AGGREGATOR,
    }
)
"""Reasons that a named object is missing; it may be missing because it could not be read."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem. ``file`` and ``line`` (from 1) are None for a resource that isn't from a file."""

    severity: Severity = Severity.ERROR
    resource: str | None = None
    """The resource, such as ``AggregatorWebhook acme/clickpost``."""
    field: str | None = None
    """The field, such as ``spec.keys[0].secretKeyRef.key``."""
    message: str
    reason: Reason | None = None
    """Reason of the condition that becomes False. None for a hint, and for a problem that no resource causes."""
    file: str | None = None
    line: int | None = None
    follows: bool = False
    """Whether it is only a consequence of another problem, with a Secret."""
    only_notification: bool = False
    """Whether it excludes only an entry of ``spec.notifications``: everything else of the resource is served."""

    def __str__(self) -> str:
        """The problem in one line, such as ``acme.yaml:12: AggregatorWebhook acme/clickpost spec.keys[0]: …``."""
        place = f"{self.file}:{self.line}: " if self.line is not None else f"{self.file}: " if self.file else ""
        subject = " ".join(part for part in (self.resource, self.field) if part)
        warning = "warning: " if self.severity is Severity.WARNING else ""
        return f"{place}{warning}{subject}{': ' if subject else ''}{self.message}"

    @property
    def condition(self) -> str | None:
        """The condition that isn't True because of this problem."""
        if self.reason is None:
            return None
        return NOTIFYING if self.only_notification else self.reason.condition

    @property
    def is_about_secret(self) -> bool:
        """Whether a reference to a Secret or to a PushConfig can't be resolved."""
        return self.reason in _REFERENCES

    @property
    def order(self) -> tuple[bool, str, int, str]:
        """The sort key: by place, with possible consequences of other problems last."""
        return (
            self.follows or self.reason in _CONSEQUENCES,
            self.file or "",
            self.line or 0,
            self.field or "",
        )


def unexpected(resource: str, error: Exception, place: tuple[str | None, int | None] = (None, None)) -> Problem:
    """Report an exception during the compilation of a resource as a problem of this resource.

    Only the exception's type is shown, because its text may quote a Secret.
    """
    message = (
        f"can't be compiled ({type(error).__name__}) because of an error in Trackpush: undo the last change of the"
        " resource and of its Secrets, and report the error"
    )
    return Problem(
        resource=resource, field="spec", message=message, reason=Reason.INVALID, file=place[0], line=place[1]
    )
