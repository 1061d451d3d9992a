"""Renders line charts as SVG: no script, no inline style, readable in light and dark themes. Pure.

Lines differ by CSS class (`app.css`) and are named in a legend. Screen readers get a table instead of the chart.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import ceil, floor, log10

import msgspec

from trackpush_server.admin.console.rendering import NOTHING

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 12, 14, 34
"""The margins have room for labels that a phone can show legibly: there `app.css` makes them larger."""
_TICKS = 4
_TIMES = 6


class ChartLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: values by step; None is a gap."""

    name: str
    style: str
    """The CSS class: ``a``, ``b`` or ``c``."""
    values: tuple[float | None, ...]


class Tick(msgspec.Struct, frozen=True):
    """A label on an axis, with its position."""

    at: float
    text: str


class Hover(msgspec.Struct, frozen=True):
    """Tooltip of a step."""

    x: float
    width: float
    text: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """All data that the template draws."""

    name: str
    title: str
    width: int
    height: int
    left: int
    right: int
    bottom: int
    lines: tuple[tuple[ChartLine, str], ...]
    """Each line with the SVG path that draws it."""
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    hovers: tuple[Hover, ...]
    latest: tuple[tuple[str, str], ...]
    """Name and last value of each line."""


def chart(
    *, name: str, title: str, starts: Sequence[int], lines: Sequence[ChartLine], show: Callable[[float], str]
) -> Chart:
    """A chart of lines over time; ``starts`` are the starts of the steps, in seconds since the epoch."""
    top = _nice(max((value for line in lines for value in line.values if value is not None), default=0.0))
    plot_width, plot_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = plot_width / max(len(starts) - 1, 1)

    def x(number: int) -> float:
        return round(_LEFT + number * step, 1)

    def y(value: float) -> float:
        return round(_TOP + plot_height * (1 - value / top), 1)

    every = max(len(starts) // _TIMES, 1)
    return Chart(
        name=name,
        title=title,
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
        lines=tuple((line, _path(line.values, x, y)) for line in lines),
        rows=tuple(Tick(y(top * number / _TICKS), show(top * number / _TICKS)) for number in range(_TICKS + 1)),
        columns=tuple(
            Tick(x(number), _clock(start)) for number, start in enumerate(starts) if number and number % every == 0
        ),
        hovers=tuple(
            Hover(round(x(number) - step / 2, 1), round(step, 1), _told(start, number, lines, show))
            for number, start in enumerate(starts)
        ),
        latest=tuple((line.name, _last(line.values, show)) for line in lines),
    )


def _path(values: Sequence[float | None], x: Callable[[int], float], y: Callable[[float], float]) -> str:
    parts, pen = [], False
    for number, value in enumerate(values):
        if value is None:
            pen = False
            continue
        alone = not pen and (number + 1 == len(values) or values[number + 1] is None)
        parts.append(f"{'L' if pen else 'M'}{x(number)} {y(value)}" + ("h1" if alone else ""))
        pen = True
    return "".join(parts)


def _told(start: int, number: int, lines: Sequence[ChartLine], show: Callable[[float], str]) -> str:
    values = ((line.name, line.values[number]) for line in lines)
    return _clock(start) + "".join(f"\n{name}: {NOTHING if value is None else show(value)}" for name, value in values)


def _last(values: Sequence[float | None], show: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    return show(known[-1]) if known else NOTHING


def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")


def _nice(highest: float) -> float:
    """The next value that is 1, 2, 4, 5 or 10 times a power of ten."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(highest))
    return next(factor * power for factor in (1, 2, 4, 5, 10) if ceil(highest / power * 1e9) / 1e9 <= factor)
