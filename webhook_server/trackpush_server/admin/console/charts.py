"""The charts of the server and of a PushConfig for the last hour."""

from trackpush_server.admin.console.chart import Chart, ChartLine, chart
from trackpush_server.admin.console.rendering import duration
from trackpush_server.admin.desk import AdminServices
from trackpush_server.telemetry.windows import Point


def of_server(desk: AdminServices) -> tuple[Chart, ...]:
    """Rates, latency, queue age and backlog of the whole server."""
    points = desk.windows.server.points(desk.wall())
    received = ChartLine(name="received", style="c", values=tuple(point.received for point in points))
    return (_rates(points, received), *_rest(points))


def of_push_config(desk: AdminServices, name: str) -> tuple[Chart, ...]:
    points = desk.windows.of(name).points(desk.wall())
    return (_rates(points), *_rest(points))


def _rates(points: tuple[Point, ...], *more: ChartLine) -> Chart:
    lines = (
        *more,
        ChartLine(name="delivered", style="a", values=tuple(point.delivered for point in points)),
        ChartLine(name="failed attempts", style="b", values=tuple(point.failed for point in points)),
    )
    return chart(name="rate", title="Rate, per second", starts=_starts(points), lines=lines, show=_rate)


def _rest(points: tuple[Point, ...]) -> tuple[Chart, ...]:
    latency = (
        ChartLine(name="median", style="a", values=tuple(point.p50 for point in points)),
        ChartLine(name="99th percentile", style="b", values=tuple(point.p99 for point in points)),
    )
    age = (ChartLine(name="queue age", style="b", values=tuple(point.queue_age for point in points)),)
    waiting = (ChartLine(name="pending pushes", style="c", values=tuple(float(point.pending) for point in points)),)
    starts = _starts(points)
    return (
        chart(name="latency", title="Time of an attempt", starts=starts, lines=latency, show=duration),
        chart(name="age", title="Age of the oldest pending push", starts=starts, lines=age, show=duration),
        chart(name="pending", title="Pending pushes", starts=starts, lines=waiting, show=lambda value: f"{value:,.4g}"),
    )


def _starts(points: tuple[Point, ...]) -> list[int]:
    return [point.at for point in points]


def _rate(value: float) -> str:
    return f"{value:,.3g}/s"
