"""Shows times to people: in UTC, in the reader's time zone (`--tz`, by default India's), and how long ago."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import click

from trackpush_cli.moments import show_moment
from trackpush_runtime.reader_time import DEFAULT_ZONE, INDIA, beside_utc

_KEY: Final = "trackpush.zone"


def read_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; ``local`` is this machine's.

    Raises:
        ValueError: the name is unknown.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  only here, for a fast start

    if name.upper() == "UTC":
        return UTC
    if name == "local":
        return datetime.now(UTC).astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if name == DEFAULT_ZONE:  # this machine has no time zone database
            return INDIA
        raise ValueError(f"unknown time zone {name[:64]!r}; write Asia/Kolkata, Europe/London, UTC or local") from None


def _chosen(ctx: click.Context, param: click.Parameter, value: str) -> None:
    try:
        ctx.meta[_KEY] = read_zone(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def tz_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--tz``; `show_time` uses its value."""
    return click.option(
        "--tz",
        envvar="TRACKPUSH_TZ",
        default=DEFAULT_ZONE,
        show_default=True,
        expose_value=False,
        callback=_chosen,
        help="Time zone shown beside UTC: an IANA name, local, or UTC for none. [env: TRACKPUSH_TZ]",
    )(command)


def show_time(milliseconds: int) -> str:
    """``2026-01-31 10:00:00.123Z (15:30:00 IST, 3 min ago)`` in the zone of ``--tz``."""
    ctx = click.get_current_context(silent=True)
    zone = INDIA if ctx is None else ctx.meta.get(_KEY, INDIA)
    return time_beside_utc(milliseconds, zone, time.time())


def show_time_text(text: str | None) -> str:
    """The same for a time of the admin API, RFC 3339; empty for None."""
    return "" if text is None else show_time(int(datetime.fromisoformat(text).timestamp() * 1000))


def time_beside_utc(milliseconds: int, zone: tzinfo, now: float) -> str:
    """The same, with the time of the reader as arguments. The local date is shown if it differs from UTC's."""
    at, current = datetime.fromtimestamp(milliseconds / 1000, UTC), datetime.fromtimestamp(now, UTC)
    return f"{show_moment(milliseconds)} ({beside_utc(at, zone, current)})"
