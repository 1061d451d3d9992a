"""Resolves references to Secrets; each failure becomes a problem that names Secret, key and what was found."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from trackpush_api.dsn import why_unusable
from trackpush_api.encryption import parse_key
from trackpush_api.headers import MOST_VALUE, objection_to_value
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.base import SecretKeySelector, SecretSource
from trackpush_api.manifest import MOST_SECRET_BYTES, Resource, Secret
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.suggestions import closest

Secrets = Mapping[tuple[str, str], Secret]
_MOST_NAMES = 10
_PEM_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----.*?-----END \1-----", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def readable(secrets: Secrets, server: WebhookServerSpec) -> Secrets:
    """The Secrets that a server's resources may read; those without the required label have no values."""
    label = server.secrets.required_label
    if label is None:
        return secrets
    return {
        ref: secret
        if secret.labels.get(label.name) == label.value
        else msgspec.structs.replace(secret, values={}, lacks_label=f"{label.name}: {label.value}")
        for ref, secret in secrets.items()
    }


class SecretResolver:
    """Looks up values for one resource, and records errors."""

    def __init__(self, resource: Resource, secrets: Secrets, problems: list[Problem]) -> None:
        self._resource = resource
        self._secrets = secrets
        self._problems = problems
        self.failed = False

    def value(self, source: SecretSource, field: str) -> str | None:
        """The value, without whitespace at its ends; None if it is missing (recorded as an error)."""
        return self.text(source.secret_key_ref, f"{field}.secretKeyRef")

    def text(self, reference: SecretKeySelector, field: str) -> str | None:
        """The same as `value` for a bare reference; ``field`` is the reference's own path."""
        value = self._present(reference, field)
        trimmed = (value or "").strip()
        if trimmed != (value or ""):
            self._problems.append(
                self._resource.problem(
                    f"{field}.key",
                    f'key "{reference.key}" of Secret "{reference.name}" has whitespace at its ends, which is ignored;'
                    " write it without (printf, not echo)",
                    Severity.WARNING,
                )
            )
        return trimmed or None

    def pem(self, source: SecretSource, field: str) -> str | None:
        """The BEGIN…END blocks of a PEM text, as OpenSSL reads them; the whole text if there is no block.

        Text around the blocks is a comment in any language (RFC 7468, section 2), and a final newline is usual.
        """
        value = self._present(source.secret_key_ref, f"{field}.secretKeyRef")
        if value is None:
            return None
        return "\n".join(found[0] for found in _PEM_BLOCK.finditer(value)) or value.strip()

    def inbound_key(self, source: SecretSource, field: str) -> str | None:
        """A key with which an aggregator can authenticate: one line of text."""
        value = self.value(source, field)
        if value is None:
            return None
        reference = source.secret_key_ref
        subject = f'key "{reference.key}" of Secret "{reference.name}"'
        if _CONTROL.search(value):
            message = f"{subject} contains a line break or a control character, which no aggregator can send; remove it"
        elif len(value) > MOST_VALUE:
            message = f"{subject} has {len(value)} characters; use at most {MOST_VALUE}"
        else:
            return value
        return self._fail(f"{field}.secretKeyRef.key", message, Reason.SECRET_VALUE_INVALID)

    def _present(self, reference: SecretKeySelector, field: str) -> str | None:
        """The value in the Secret; None if it is missing or only whitespace (recorded as an error)."""
        secret = self._secrets.get((self._resource.namespace, reference.name))
        if secret is None:
            return self._fail(
                f"{field}.name",
                f'Secret "{reference.name}" is not in namespace "{self._resource.namespace}";'
                f" {self._meant(reference.name)}",
                Reason.SECRET_NOT_FOUND,
            )
        refusal = _refusal(secret, reference)
        if refusal is not None:
            return self._fail(f"{field}.name", *refusal)
        if reference.key not in secret.values:
            found = ", ".join(f'"{key}"' for key in sorted(secret.values)[:_MOST_NAMES]) or "no keys"
            return self._fail(
                f"{field}.key",
                f'Secret "{reference.name}" has no key "{reference.key}" (found: {found});'
                f" {_hint(reference.key, secret.values) or 'add it or fix the key'}",
                Reason.SECRET_KEY_NOT_FOUND,
            )
        value = secret.values[reference.key]
        if value is None:
            message = (
                f'key "{reference.key}" of Secret "{reference.name}" can\'t be read as text; correct it in the Secret'
            )
            return self._fail(f"{field}.key", message, Reason.SECRET_VALUE_INVALID, follows=True)
        if not value.strip():
            return self._fail(
                f"{field}.key",
                f'key "{reference.key}" of Secret "{reference.name}" is empty; set it',
                Reason.SECRET_VALUE_INVALID,
            )
        return value

    def header_value(self, source: SecretSource, field: str) -> str | None:
        """A value that is valid in a header: printable, one line."""
        value = self.value(source, field)
        wrong = None if value is None else objection_to_value(value)
        return (
            value if wrong is None else self._fail(field, f"the Secret's value: {wrong}", Reason.SECRET_VALUE_INVALID)
        )

    def dsn(self, reference: SecretKeySelector, field: str) -> str | None:
        """A connection string, checked as far as its text allows."""
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

    def _meant(self, name: str) -> str:
        names = (other for namespace, other in self._secrets if namespace == self._resource.namespace)
        return _hint(name, names) or "create it or fix the name"

    def _fail(self, field: str, message: str, reason: Reason, *, follows: bool = False) -> str | None:
        self.failed = True
        problem = self._resource.problem(field, message, reason=reason)
        self._problems.append(msgspec.structs.replace(problem, follows=follows))
        return None


def _refusal(secret: Secret, reference: SecretKeySelector) -> tuple[str, Reason] | None:
    """The reason why a whole Secret is refused, or None."""
    if secret.lacks_label is not None:
        message = (
            f'Secret "{reference.name}" does not carry the label "{secret.lacks_label}", which the WebhookServer'
            " requires (spec.secrets.requiredLabel); label the Secret, or name another one"
        )
        return message, Reason.SECRET_NOT_ALLOWED
    if secret.too_large is not None:
        message = (
            f'Secret "{reference.name}" has {secret.too_large} bytes, and at most {MOST_SECRET_BYTES} are read;'
            f' move key "{reference.key}" into a Secret of its own'
        )
        return message, Reason.SECRET_TOO_LARGE
    return None


def _hint(text: str, words: Iterable[str]) -> str | None:
    near = closest(text, words)
    return None if near is None else f"did you mean {near}?"
