"""Resolves references to Secrets; each failure becomes a problem that names Secret, key and what was found."""

from collections.abc import Mapping

from trackpush_api.dsn import why_unusable
from trackpush_api.encryption import parse_key
from trackpush_api.kinds.base import SecretKeySelector, SecretSource
from trackpush_api.manifest import Resource, Secret
from trackpush_api.problems import Problem, Reason, Severity

Secrets = Mapping[tuple[str, str], Secret]
_MOST_NAMES = 10


class Resolver:
    """Looks up values for one resource and notes what is wrong."""

    def __init__(self, resource: Resource, secrets: Secrets, problems: list[Problem]) -> None:
        self._resource = resource
        self._secrets = secrets
        self._problems = problems
        self.failed = False

    def value(self, source: SecretSource, field: str) -> str | None:
        """The value, without white space at its ends; None when there is none (noted as an error)."""
        return self.text(source.secret_key_ref, f"{field}.secretKeyRef")

    def text(self, reference: SecretKeySelector, field: str) -> str | None:
        """The same of a bare reference; ``field`` is where that stands."""
        secret = self._secrets.get((self._resource.namespace, reference.name))
        if secret is None:
            return self._fail(
                f"{field}.name",
                f'Secret "{reference.name}" is not in namespace "{self._resource.namespace}"; make it or fix the name',
                Reason.SECRET_NOT_FOUND,
            )
        if reference.key not in secret.values:
            found = ", ".join(f'"{key}"' for key in sorted(secret.values)[:_MOST_NAMES]) or "no keys"
            return self._fail(
                f"{field}.key",
                f'Secret "{reference.name}" has no key "{reference.key}" (found: {found}); add it or fix the key',
                Reason.SECRET_KEY_NOT_FOUND,
            )
        value = secret.values[reference.key]
        trimmed = (value or "").strip()
        if not trimmed:
            return self._fail(
                f"{field}.key",
                f'key "{reference.key}" of Secret "{reference.name}" is empty; set it',
                Reason.SECRET_VALUE_INVALID,
            )
        if trimmed != value:
            self._problems.append(
                self._resource.problem(
                    f"{field}.key",
                    f'key "{reference.key}" of Secret "{reference.name}" has white space at its ends, which is ignored;'
                    " write it without (printf, not echo)",
                    Severity.WARNING,
                )
            )
        return trimmed

    def header_value(self, source: SecretSource, field: str) -> str | None:
        """A value that may stand in a header: printable, one line."""
        value = self.value(source, field)
        if value is not None and not all(" " <= char <= "~" or char == "\t" for char in value):
            message = "the Secret's value has a line break or a character that no header may carry"
            return self._fail(field, message, Reason.SECRET_VALUE_INVALID)
        return value

    def dsn(self, reference: SecretKeySelector, field: str) -> str | None:
        """A connection string that the server can connect with, as far as its text tells."""
        value = self.text(reference, field)
        wrong = None if value is None else why_unusable(value)
        if wrong is not None:
            message = f'key "{reference.key}" of Secret "{reference.name}" {wrong}'
            return self._fail(f"{field}.key", message, Reason.SECRET_VALUE_INVALID)
        return value

    def encryption_key(self, source: SecretSource, field: str) -> bytes | None:
        """The 32 bytes of a key for the journal's bodies."""
        text = self.value(source, field)
        try:
            return None if text is None else parse_key(text)
        except ValueError as error:
            reference = source.secret_key_ref
            message = f'key "{reference.key}" of Secret "{reference.name}" {error}'
            self._fail(f"{field}.secretKeyRef.key", message, Reason.SECRET_VALUE_INVALID)
            return None

    def _fail(self, field: str, message: str, reason: Reason) -> str | None:
        self.failed = True
        self._problems.append(self._resource.problem(field, message, reason=reason))
        return None
