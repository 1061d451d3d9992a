"""Times and durations as people type and read them: `2h` ago, `2026-01-31`, `2026-01-31T10:00:00Z`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """The seconds of a text like ``25s``, ``1h30m`` or ``500ms``.

    Raises:
        ValueError: the text is not a duration.
    """
    position, seconds = 0, 0.0
    for match in _DURATION.finditer(text):
        if match.start() != position:
            break
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if position != len(text) or not text:
        raise ValueError(f"{text!r} is not a duration; write 500ms, 25s, 2h, 7d or 1h30m")
    return seconds


def parse_moment(text: str, now: datetime) -> datetime:
    """A point in time: ISO 8601 (UTC when no zone is given), a duration before ``now``, or ``now``.

    Raises:
        ValueError: the text is neither.
    """
    if text == "now":
        return now
    try:
        return now - timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write 2h (ago), 2026-01-31 or 2026-01-31T10:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def show_moment(milliseconds: int) -> str:
    """``2026-01-31 10:00:00.123Z`` for milliseconds since the epoch."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def show_duration(seconds: float) -> str:
    """The two largest units of a duration: ``4.2ms``, ``850ms``, ``4.2s``, ``12m05s``, ``3h20m``, ``2d04h``."""
    if seconds < 0.1:  # noqa: PLR2004  below, a tenth of a millisecond matters
        return f"{seconds * 1000:.1f}ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02d}h"
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


class Duration(click.ParamType[float]):
    """A duration option; gives seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or fail with the valid forms."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[datetime]):
    """An option with a point in time; its value is a datetime with a time zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse, or fail with the valid forms."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)
