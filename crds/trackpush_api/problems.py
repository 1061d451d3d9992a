"""A problem with a resource: who, where, what was found and what to do. Never a secret value."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """An error keeps (a part of) the resource from being served; a warning doesn't."""

    ERROR = "error"
    WARNING = "warning"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem. ``file`` and ``line`` (from 1) are None where the resource came from no file."""

    severity: Severity = Severity.ERROR
    resource: str | None = None
    """``AggregatorWebhook acme/clickpost``."""
    field: str | None = None
    """``spec.keys[0].secretKeyRef.key``."""
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """``acme.yaml:12: AggregatorWebhook acme/clickpost spec.keys[0]: …``."""
        place = f"{self.file}:{self.line}: " if self.line is not None else f"{self.file}: " if self.file else ""
        subject = " ".join(part for part in (self.resource, self.field) if part)
        warning = "warning: " if self.severity is Severity.WARNING else ""
        return f"{place}{warning}{subject}{': ' if subject else ''}{self.message}"

    @property
    def order(self) -> tuple[str, int, str]:
        """Sorts by place."""
        return (self.file or "", self.line or 0, self.field or "")
