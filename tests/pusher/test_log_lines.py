"""A client's server can't fill the log."""

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.push import PushTelemetry


def test_an_endpoint_that_changes_its_state_all_the_time_writes_few_lines_and_others_still_write_theirs() -> None:
    telemetry = PushTelemetry(CollectorRegistry(), BoundedLabels())
    with capture_logs() as lines:
        for number in range(1000):
            telemetry.changed("acme/oms", ("open", "closed")[number % 2], "HTTP 500")
        telemetry.changed("globex/oms", "open", "HTTP 500")

    assert sum(line["push_config"] == "acme/oms" for line in lines) <= 10
    assert [line["state"] for line in lines if line["push_config"] == "globex/oms"] == ["open"]


def test_very_many_kinds_share_one_allowance_until_the_windows_of_the_first_are_over() -> None:
    now = 0.0
    throttle = LogThrottle(most=1, per=10.0, clock=lambda: now)
    assert sum(throttle.allow(f"first {number}") is not None for number in range(5000)) < 1100
    now = 11.0

    assert all(throttle.allow(f"then {number}") is not None for number in range(500))
