"""The result of a check."""

from typing import Literal

import msgspec


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One check of one thing."""

    check: str
    """What was checked: ``dns``, ``tls``, …; docs/cli.md lists them."""
    subject: str
    """Of what: a host, a URL, a resource."""
    result: Literal["ok", "warn", "fail"]
    message: str
    advice: str | None = None
    """What to do."""


def ok(check: str, subject: str, message: str) -> CheckResult:
    return CheckResult(check=check, subject=subject, result="ok", message=message)


def warn(check: str, subject: str, message: str, advice: str) -> CheckResult:
    """A check that succeeded with a doubt, or is impossible from here."""
    return CheckResult(check=check, subject=subject, result="warn", message=message, advice=advice)


def fail(check: str, subject: str, message: str, advice: str) -> CheckResult:
    """A failed check: updates are lost or delayed."""
    return CheckResult(check=check, subject=subject, result="fail", message=message, advice=advice)
