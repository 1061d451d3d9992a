"""How much the operator writes."""

import io

import pytest
import structlog

from trackpush_operator.logs import configure
from trackpush_runtime.logs import LogLevel


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", ["debug", "info", "warning"]), ("info", ["info", "warning"]), ("error", [])],
)
def test_lines_below_the_level_are_not_written(level: LogLevel, written: list[str]) -> None:
    out = io.StringIO()
    configure("json", out, level=level)
    try:
        log = structlog.get_logger()
        for name in ("debug", "info", "warning"):
            getattr(log, name)(f"a_{name}_event")
        assert [line for line in ("debug", "info", "warning") if f"a_{line}_event" in out.getvalue()] == written
    finally:
        structlog.reset_defaults()
