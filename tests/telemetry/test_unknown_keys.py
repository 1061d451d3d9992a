"""Requests with an unknown key are counted by aggregator and host, in bounded memory, over all processes."""

from trackpush_server.receiving import wire
from trackpush_server.telemetry.unknown_keys import MOST_PLACES, OTHER_HOSTS, UnknownKeys


class Wall:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_requests_are_counted_by_aggregator_and_host_with_the_first_and_the_last_time() -> None:
    wall = Wall()
    keys = UnknownKeys(wall)
    keys.count("clickpost", "a.example")
    wall.now = 1060.0
    keys.count("clickpost", "a.example")
    wall.now = 1030.0
    keys.count("shipway", "")

    counted = keys.counted()
    assert counted.since == 1_000_000
    assert [(place.aggregator, place.host, place.count) for place in counted.places] == [
        ("clickpost", "a.example", 2),
        ("shipway", "no host", 1),
    ]
    assert (counted.places[0].first_at, counted.places[0].last_at) == (1_000_000, 1_060_000)


def test_a_flood_of_hosts_takes_bounded_memory_and_no_request_is_lost() -> None:
    keys = UnknownKeys()
    for number in range(5 * MOST_PLACES):
        keys.count("clickpost", f"{number}.{'long' * 100}")
    places = keys.counted().places
    assert len(places) == MOST_PLACES + 1
    assert max(len(place.host) for place in places) == 253
    assert sum(place.count for place in places) == 5 * MOST_PLACES
    (others,) = [place for place in places if place.host == OTHER_HOSTS]
    assert others.count == 4 * MOST_PLACES


def test_counts_of_receiving_processes_are_added_once() -> None:
    main, process = UnknownKeys(), UnknownKeys()
    main.count("clickpost", "a.example")
    process.count("clickpost", "a.example")
    process.count("st", "b.example")
    taken = process.take()
    assert taken is not None
    frame = wire.unknown_keys(taken)
    main.add(wire.read_unknown_keys(frame[wire.HEAD.size :]))
    assert process.take() is None
    assert {(place.aggregator, place.count) for place in main.counted().places} == {("clickpost", 2), ("st", 1)}
