"""Label values are bounded, whatever the number of PushConfigs."""

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.journal.model import PendingCount
from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.telemetry.labels import MOST_PUSH_CONFIGS, BoundedLabels
from trackpush_server.telemetry.push import PushTelemetry
from trackpush_server.telemetry.queues import QueueTelemetry

NAMES = [f"ns/{number}" for number in range(MOST_PUSH_CONFIGS + 50)]


def snapshot(name: str, breaker: str) -> ChannelSnapshot:
    return ChannelSnapshot(
        push_config=name,
        in_memory=1,
        in_flight=1,
        lanes=1,
        concurrency=1,
        spilled=False,
        breaker=breaker,
        reason="",
        next_try_at=None,
        consecutive_failures=0,
        last_success_at=None,
    )


def test_push_configs_beyond_the_bound_share_one_label_and_nothing_is_lost() -> None:
    registry = CollectorRegistry()
    push = PushTelemetry(registry, BoundedLabels())
    for name in NAMES:
        push.attempted(name, "2xx", 0.01)
        push.ended(name, "delivered", 0.02)

    text = generate_latest(registry).decode()
    assert text.count("trackpush_push_attempts_total{") == MOST_PUSH_CONFIGS + 1
    assert 'trackpush_push_attempts_total{push_config="_other",result="2xx"} 50.0' in text
    assert 'trackpush_pushes_ended_total{push_config="_other",state="delivered"} 50.0' in text
    assert "trackpush_push_latency_seconds_count 250.0" in text


def test_a_push_config_that_is_gone_gives_its_label_to_another() -> None:
    registry = CollectorRegistry()
    labels = BoundedLabels(1)
    push = PushTelemetry(registry, labels)
    push.attempted("a/old", "2xx", 0.01)
    push.attempted("a/new", "2xx", 0.01)

    push.forget(labels.retain(["a/new"]))
    push.attempted("a/new", "2xx", 0.01)

    text = generate_latest(registry).decode()
    assert "a/old" not in text
    assert 'trackpush_push_attempts_total{push_config="a/new",result="2xx"} 1.0' in text


def test_gauges_of_queues_are_bounded_too_and_the_oldest_age_wins() -> None:
    registry = CollectorRegistry()
    queues = QueueTelemetry(registry, BoundedLabels(), wall=lambda: 1000.0)
    queues.pending = [PendingCount(name, 2, 900_000 - index) for index, name in enumerate(NAMES)]
    queues.channels = [snapshot(name, "open") for name in NAMES]

    text = generate_latest(registry).decode()
    assert text.count("trackpush_pending_pushes{") == MOST_PUSH_CONFIGS + 1
    assert 'trackpush_pending_pushes{push_config="_other"} 100.0' in text
    assert 'trackpush_queue_age_seconds{push_config="_other"} 100.249' in text
    assert 'trackpush_breaker_state{push_config="_other",state="open"} 50.0' in text
    assert 'trackpush_breaker_state{push_config="ns/0",state="open"} 1.0' in text
    assert 'trackpush_breaker_state{push_config="ns/0",state="closed"} 0.0' in text


def test_old_queues_and_failing_clients_have_their_name_however_many_others_there_are() -> None:
    registry = CollectorRegistry()
    queues = QueueTelemetry(registry, BoundedLabels(1), wall=lambda: 10_000.0)
    counts = {"a/first": 9_999_000, "a/young": 9_990_000, "a/old": 1_000_000}
    queues.pending = [PendingCount(name, 1, at) for name, at in counts.items()]
    queues.channels = [
        snapshot("a/first", "closed"),
        replace(snapshot("a/gone", "gone"), since=5_000.0),
        replace(snapshot("a/first", "closed"), push_config="a/slow", failing_since=6_000.0),
        snapshot("a/waits", "suspended"),
    ]
    queues._labels.of("a/first")

    text = generate_latest(registry).decode()
    assert 'trackpush_queue_age_seconds{push_config="a/old"} 9000.0' in text
    assert 'trackpush_queue_age_seconds{push_config="_other"} 10.0' in text
    assert 'trackpush_endpoint_failing_timestamp_seconds{push_config="a/gone",state="gone"} 5000.0' in text
    assert 'trackpush_endpoint_failing_timestamp_seconds{push_config="a/slow",state="failing"} 6000.0' in text
    assert text.count("trackpush_endpoint_failing_timestamp_seconds{") == 2


def test_the_age_that_autoscalers_look_at_is_the_oldest_of_what_could_be_sent() -> None:
    registry = CollectorRegistry()
    queues = QueueTelemetry(registry, BoundedLabels(), wall=lambda: 1000.0)
    assert "trackpush_ready_queue_age_seconds 0.0" in generate_latest(registry).decode()
    since = (None, 990.0, 940.5, 1001.0)
    queues.channels = [
        replace(snapshot("a/b", "closed"), push_config=f"a/{number}", ready_since=ready)
        for number, ready in enumerate(since)
    ]
    assert "trackpush_ready_queue_age_seconds 59.5" in generate_latest(registry).decode()


def test_a_flood_of_lines_is_held_back_and_counted() -> None:
    now = 0.0
    throttle = LogThrottle(most=2, per=10.0, clock=lambda: now)

    assert [throttle.allow("x") for _ in range(5)] == [0, 0, None, None, None]
    assert throttle.allow("y") == 0
    now = 10.0
    assert throttle.allow("x") == 3
    assert [throttle.allow("x") for _ in range(2)] == [0, None]
