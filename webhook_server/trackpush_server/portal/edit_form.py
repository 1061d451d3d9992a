"""The form of a PushConfig: reads what a person sent, and shows it again without credentials. Pure.

Field names: ``url``; ``header-N`` and ``value-N`` for each header; ``signing`` and ``signing-secret``; ``status``,
``direction`` and ``aggregator`` (several times), ``codes`` and ``expression``; ``suspend``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from trackpush_api.portal_change import PortalChange, SigningChange
from trackpush_api.routing import Destination, Filter
from trackpush_api.vocabulary import Direction, Status

MOST_HEADERS: Final = 32
SPARE_ROWS: Final = 2
"""Empty rows for new headers."""
SIGNING: Final[Mapping[SigningChange, str]] = {
    "Keep": "Keep as it is",
    "Replace": "Use this secret",
    "Rotate": "Rotate: sign with this secret and with the current one",
    "Off": "Do not sign",
}
DIRECTIONS: Final = ("Forward", "RTO", "Reverse")
_STATUSES: Final = frozenset(Status)


SentForm = Mapping[str, Sequence[str]]
"""The values of each field."""


class HeaderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of headers; never with a value."""

    name: str = ""
    is_set: bool = False
    """Whether it has a value now, which is kept if none is entered."""


class ShownConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the form shows."""

    url: str = ""
    headers: tuple[HeaderRow, ...] = ()
    signing: SigningChange = "Keep"
    signing_secrets: int = 0
    """Number of secrets that pushes are signed with now."""
    statuses: frozenset[str] = frozenset()
    codes: str = ""
    """The aggregators' own codes, separated by blanks."""
    directions: frozenset[str] = frozenset()
    aggregators: frozenset[str] = frozenset()
    expression: str = ""
    suspend: bool = False


def read_form(form: SentForm, *, change_id: str, client: str, namespace_uid: str, name: str) -> PortalChange:
    """The change that a person asks for.

    Raises:
        ValueError: a field is too long, or has an impossible value; the message is for people.
    """
    wanted = {
        "id": change_id,
        "client": client,
        "namespaceUid": namespace_uid,
        "name": name,
        "url": _text(form, "url").strip(),
        "headers": _headers(form),
        "signing": _text(form, "signing") or "Keep",
        "signingSecret": _text(form, "signing-secret").strip() or None,
        "filter": {
            "statuses": [*_texts(form, "status"), *_text(form, "codes").replace(",", " ").split()],
            "directions": _texts(form, "direction"),
            "aggregators": _texts(form, "aggregator"),
            "expression": _text(form, "expression").strip(),
        },
        "suspend": _text(form, "suspend") == "yes",
    }
    if not wanted["url"]:
        raise ValueError("URL: is missing; enter one")
    return msgspec.convert(wanted, type=PortalChange)


def shown_change(change: PortalChange, current: ShownConfig) -> ShownConfig:
    """A change that was refused, to correct it. Entered credentials must be entered again."""
    known = {row.name.lower() for row in current.headers if row.is_set}
    rows = (HeaderRow(name=header.name, is_set=header.name.lower() in known) for header in change.headers)
    wanted = change.filter
    return ShownConfig(
        url=change.url,
        headers=tuple(rows),
        signing=change.signing,
        signing_secrets=current.signing_secrets,
        statuses=frozenset(wanted.statuses) & _STATUSES,
        codes=" ".join(status for status in wanted.statuses if status not in _STATUSES),
        directions=frozenset(wanted.directions),
        aggregators=frozenset(wanted.aggregators),
        expression=wanted.expression,
        suspend=change.suspend,
    )


def shown_destination(destination: Destination | None) -> ShownConfig:
    """What the server uses now."""
    if destination is None:
        return ShownConfig()
    chosen: Filter = destination.filter
    statuses = chosen.statuses or frozenset()
    return ShownConfig(
        url=destination.url,
        headers=tuple(HeaderRow(name=name, is_set=True) for name, _ in destination.headers),
        signing_secrets=len(destination.signing),
        statuses=statuses & _STATUSES,
        codes=" ".join(sorted(statuses - _STATUSES)),
        directions=frozenset(map(_direction, chosen.directions or ())),
        aggregators=chosen.aggregators or frozenset(),
        expression=chosen.expression or "",
        suspend=destination.suspended,
    )


def _direction(direction: Direction) -> str:
    return next(name for name in DIRECTIONS if name.lower() == direction.value.lower())


def _headers(form: SentForm) -> list[dict[str, str | None]]:
    """The rows with a name, in order. An empty value keeps the current one."""
    rows = []
    for index in range(MOST_HEADERS + SPARE_ROWS):
        name = _text(form, f"header-{index}").strip()
        if name:
            rows.append({"name": name, "value": _text(form, f"value-{index}") or None})
    return rows


def _text(form: SentForm, name: str) -> str:
    return next(iter(form.get(name, ())), "")


def _texts(form: SentForm, name: str) -> list[str]:
    return list(form.get(name, ()))
