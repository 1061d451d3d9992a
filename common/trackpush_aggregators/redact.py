r"""Removes secrets from bodies before anything is stored, logged or pushed.

Aggregators echo the client's key: Shipway in ``hash`` and in the URL it calls back, Clickpost in its wrapper's
``internal`` (§6). The client's own endpoints have no use for it. All else stays byte for byte:
an AWB written as 19041424751540.0 or a price as 1.10 leaves as it came.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from trackpush_aggregators.raw import ELEMENTS, MEMBERS

REDACTED = "[redacted]"

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_TEXT = msgspec.json.Decoder(str)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")
_LONG_ENOUGH = 8
"""A shorter key is redacted only as a whole word: "k-1" is not redacted in "SKU-k-17"."""
_LONGEST_PATTERN = 1024
_USER = re.compile(r"(?<=//)[^/@?#]*@")
_AFTER_NOTIFY = re.compile(r"(?<=/notify/)[^?#]+")
_DEEPEST = 16
"""Levels of nesting in which `everywhere` looks: each is decoded once more."""
_PARAMETER = re.compile(r"([?&#])(?:([^=&#]*)=)?[^&#]+")

Changes = Mapping[str, Any]
"""New values by member name; a nested mapping changes members of that member."""


class SecretText:
    """A key to find in bodies, in every form that it can have in JSON and URLs."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._needle = key.encode("utf-8", "replace")
        # A key of unreserved characters looks the same in a URL, and in JSON unless written in \u escapes.
        self._plain = _UNRESERVED.fullmatch(key) is not None
        # Cutting the bytes out is safe if they can occur in strings only: no number contains such a letter.
        self._cuttable = self._plain and len(key) >= _LONG_ENOUGH and re.search("[A-DF-Za-df-z_~]", key) is not None
        self._escaped = b"\\" + self._needle

    def remove(self, body: bytes) -> bytes:
        """The JSON with the key replaced in every string; the same object if it doesn't contain the key."""
        if self._needle not in body and not self._may_hide(body):
            return body
        if self._cuttable and b"\\u" not in body and self._escaped not in body:
            return body.replace(self._needle, REDACTED.encode())
        cleaned = _STRING.sub(self._clean_token, body)
        return body if cleaned == body else cleaned

    def clean(self, text: str | None) -> str | None:
        """A text with the key replaced."""
        return None if text is None else self._pattern.sub(REDACTED, text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Built at the first use: this takes longer than all else for an update, and few bodies contain a key."""
        key = self._key
        pattern = "".join(map(_url_forms, key)) if len(key) <= _LONGEST_PATTERN else re.escape(key)
        if len(key) < _LONG_ENOUGH:
            pattern = f"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])"
        return re.compile(pattern)

    def _may_hide(self, body: bytes) -> bool:
        return b"\\u" in body or (not self._plain and (b"\\" in body or b"%" in body or b"+" in body))

    def _clean_token(self, token: re.Match[bytes]) -> bytes:
        text = _TEXT.decode(token[0])
        cleaned = self._pattern.sub(REDACTED, text)
        return token[0] if cleaned == text else msgspec.json.encode(cleaned)


class SecretTexts:
    """Several keys to find in bodies."""

    def __init__(self, secrets: Sequence[SecretText]) -> None:
        self._secrets = secrets

    def remove(self, body: bytes) -> bytes:
        """As `SecretText.remove`, for each of them."""
        for each in self._secrets:
            body = each.remove(body)
        return body

    def clean(self, text: str | None) -> str | None:
        """As `SecretText.clean`, for each of them."""
        for each in self._secrets:
            text = each.clean(text)
        return text


SecretFinder = SecretText | SecretTexts


def finder_of(key: str | None, others: Sequence[str] = ()) -> SecretFinder | None:
    """Finds the keys that are not empty; None without any."""
    if not others:
        return secret(key) if key else None
    keys = list(dict.fromkeys(filter(None, (key, *others))))
    if len(keys) > 1:
        return SecretTexts(tuple(map(secret, keys)))
    return secret(keys[0]) if keys else None


@lru_cache(maxsize=1024)
def secret(key: str) -> SecretText:
    """The `SecretText` for a key that is not empty."""
    return SecretText(key)


def _url_forms(character: str) -> str:
    """A pattern for one character, as it is or percent-encoded (once or twice, either case of hex digits)."""
    literal = re.escape(character)
    if _UNRESERVED.fullmatch(character):
        return literal
    once = quote(character.encode("utf-8", "replace"), safe="")
    forms = [literal, f"(?i:{once})", f"(?i:{once.replace('%', '%25')})"]
    return f"(?:{'|'.join([*forms, re.escape('+')] if character == ' ' else forms)})"


def change(body: bytes, changes: Changes) -> bytes:
    """The JSON object with some members changed; the others keep their bytes and their order."""
    members: dict[str, Any] = MEMBERS.decode(body)
    for name, new in changes.items():
        members[name] = msgspec.Raw(change(bytes(members[name]), new)) if isinstance(new, Mapping) else new
    return msgspec.json.encode(members)


def url(value: Any) -> Any:
    """A URL without user, parameters' values, fragment and what follows ``/notify/``; nothing else of it is secret.

    A value that is not a string is redacted as a whole; None and "" stay.
    """
    if not isinstance(value, str):
        return None if value is None else REDACTED
    if "@" in value:
        value = _USER.sub(f"{REDACTED}@", value)
    if "/notify/" in value:
        value = _AFTER_NOTIFY.sub(REDACTED, value)
    return _PARAMETER.sub(_without_value, value) if "?" in value or "&" in value or "#" in value else value


def _without_value(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if match[2] is None else f"{match[1]}{match[2]}={REDACTED}"


def members_changed(item: Mapping[str, Any], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Members of ``cleaned`` that are in the item with another value."""
    return {name: new for name, new in cleaned.items() if name in item and item[name] != new}


def everywhere(body: bytes, rules: Mapping[str, Callable[[Any], Any]]) -> bytes:
    """The JSON with the values of some members changed, at any depth; the same object if nothing changes.

    ``rules`` are by the member's name, or by ``parent.name`` for a member of an object that is itself a member.
    """
    names = {name.rpartition(".")[2] for name in rules}
    if b"\\u" not in body and not any(name.encode() in body for name in names):
        return body
    return _changed(body, rules, "", _DEEPEST)


def _changed(raw: bytes, rules: Mapping[str, Callable[[Any], Any]], parent: str, deep: int) -> bytes:
    begins = raw.lstrip()[:1]
    if not deep or begins not in {b"{", b"["}:
        return raw
    if begins == b"[":
        elements = list(map(bytes, ELEMENTS.decode(raw)))
        made = [_changed(element, rules, "", deep - 1) for element in elements]
        return raw if made == elements else msgspec.json.encode([msgspec.Raw(raw) for raw in made])
    members: dict[str, Any] = MEMBERS.decode(raw)
    changed: dict[str, Any] = {}
    for name, value in members.items():
        rule = rules.get(f"{parent}.{name}") or rules.get(name)
        if rule is None:
            new = _changed(bytes(value), rules, name, deep - 1)
            if new != bytes(value):
                changed[name] = msgspec.Raw(new)
        elif (given := msgspec.json.decode(value)) != (cleaned := rule(given)):
            changed[name] = cleaned
    return msgspec.json.encode(members | changed) if changed else raw
