"""What a check came to."""

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
    """Works, or can't be known from here; somebody should look."""
    return CheckResult(check=check, subject=subject, result="warn", message=message, advice=advice)


def fail(check: str, subject: str, message: str, advice: str) -> CheckResult:
    """Updates are lost or delayed by it."""
    return CheckResult(check=check, subject=subject, result="fail", message=message, advice=advice)
