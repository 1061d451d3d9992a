"""The result of a check."""

from typing import Literal

import msgspec


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of one check."""

    check: str
    """The kind of check: ``dns``, ``tls``, …; docs/cli.md lists them."""
    subject: str
    """What was checked: a host, a URL or a resource."""
    result: Literal["ok", "warn", "fail"]
    message: str
    advice: str | None = None
    """What to do about it."""


def ok(check: str, subject: str, message: str) -> CheckResult:
    return CheckResult(check=check, subject=subject, result="ok", message=message)


def warn(check: str, subject: str, message: str, advice: str) -> CheckResult:
    """The result of a check that found a possible problem, or could not be made from here."""
    return CheckResult(check=check, subject=subject, result="warn", message=message, advice=advice)


def fail(check: str, subject: str, message: str, advice: str) -> CheckResult:
    """The result of a failed check: updates are lost or delayed."""
    return CheckResult(check=check, subject=subject, result="fail", message=message, advice=advice)
