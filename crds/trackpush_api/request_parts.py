"""Compiles the parts of requests that PushConfigs and notifications share: headers and signing secrets. Pure."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from trackpush_api.headers import objection_to_name, objection_to_value
from trackpush_api.kinds.request_parts import Header, Signing
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.secrets import SecretResolver

_SIGNING_BYTES: Final = (24, 64)


def compile_headers(
    resource: Resource, headers: Iterable[Header], field: str, resolver: SecretResolver, problems: list[Problem]
) -> list[tuple[str, str]]:
    """The headers with their values, in order. ``field`` is the list's path."""
    found: list[tuple[str, str]] = []
    names: set[str] = set()
    for index, header in enumerate(headers):
        place = f"{field}[{index}]"
        wrong = objection_to_name(header.name)
        if header.name.lower() in names:
            wrong = f"duplicate header {header.name}; remove one"
        if wrong is not None:
            problems.append(resource.problem(f"{place}.name", wrong, reason=Reason.INVALID))
        names.add(header.name.lower())
        found.append((header.name, _value(resource, header, place, resolver, problems)))
    return found


def compile_signing(
    resource: Resource, signing: Signing | None, field: str, resolver: SecretResolver, problems: list[Problem]
) -> tuple[str, ...]:
    """The signing secrets, in order. ``field`` is the path of ``signing``."""
    found = []
    for index, source in enumerate(signing.secrets if signing else ()):
        place = f"{field}.secrets[{index}]"
        value = resolver.value(source, place)
        if value is None:
            continue
        if not _is_signing_secret(value):
            message = "the Secret's value is not a signing secret: whsec_ and base64 of 24 to 64 bytes"
            problems.append(resource.problem(place, message, reason=Reason.SECRET_VALUE_INVALID))
        found.append(value)
    return tuple(found)


def _is_signing_secret(value: str) -> bool:
    try:
        size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False
    return value.startswith("whsec_") and _SIGNING_BYTES[0] <= size <= _SIGNING_BYTES[1]


def _value(resource: Resource, header: Header, field: str, resolver: SecretResolver, problems: list[Problem]) -> str:
    """The value as it is sent: without whitespace at its ends (RFC 9110, section 5.5)."""
    if header.value_from is not None:
        return resolver.header_value(header.value_from, f"{field}.valueFrom") or ""
    value = header.value or ""
    wrong = objection_to_value(value)
    if wrong is not None:
        problems.append(resource.problem(f"{field}.value", wrong, reason=Reason.INVALID))
    elif value != value.strip():
        message = "has whitespace at its ends, which is not sent; remove it"
        problems.append(resource.problem(f"{field}.value", message, Severity.WARNING))
    elif not value:
        problems.append(resource.problem(f"{field}.value", "is empty; set it or remove the header", Severity.WARNING))
    return value.strip()
