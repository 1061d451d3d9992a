"""The parts of `--receivers`, without processes: frames, the journal from afar, the table's part, the sums."""

import asyncio
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from support.serving import account, table
from trackpush_api.routing import Destination, Filter, Limits, Postgres
from trackpush_api.vocabulary import Aggregator
from trackpush_runtime import sockets
from trackpush_runtime.errors import CannotStartError
from trackpush_server.journal.model import JournalUnavailableError, NewPush, NewUpdate
from trackpush_server.receiver.serving import Serving
from trackpush_server.receiving import table as part
from trackpush_server.receiving import wire
from trackpush_server.receiving.desk import AppendRelay
from trackpush_server.receiving.remote import RemoteJournal
from trackpush_server.telemetry import summed
from trackpush_server.telemetry.summed import Summed


def update(number: int = 1, body: bytes = b"{}") -> NewUpdate:
    return NewUpdate(
        key=number.to_bytes(16, "big"),
        account="acme/clickpost",
        received_at=1,
        occurred_at=None,
        shipment="1",
        awb="1",
        forward_awb=None,
        order_id=None,
        status="DELIVERED",
        notification=b"{}",
        body=body,
        pushes=(NewPush("acme/push", drop_late=True),),
    )


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 300), max_size=12))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(wire.frame(wire.FrameKind.APPEND, payload) for payload in payloads)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = wire.Frames()
    found = [frame for start, end in itertools.pairwise(edges) for frame in frames.feed(stream[start:end])]

    assert found == [(wire.FrameKind.APPEND, payload) for payload in payloads]


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(wire.WireError):
        list(wire.Frames().feed(b"GET / HTTP/1.1\r\n"))


def test_an_update_is_the_same_after_its_way() -> None:
    requests: wire.Appends = [(7, (update(1), update(2, b"\xff\x00")))]
    [(kind, payload)] = wire.Frames().feed(wire.appends(requests))

    assert (kind, wire.read_appends(payload)) == (wire.FrameKind.APPEND, requests)


class Stub:
    """A journal whose answers the test gives."""

    def __init__(self) -> None:
        self.unavailable: str | None = None
        self.asked: list[tuple[tuple[NewUpdate, ...], asyncio.Future[int]]] = []

    def append(self, updates: object) -> asyncio.Future[int]:
        if self.unavailable is not None:
            raise JournalUnavailableError(self.unavailable)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.asked.append((tuple(updates), done))  # type: ignore[arg-type]
        return done


class Pair:
    """A journal, a desk before it, and the journal from afar, with the frames between them in lists."""

    def __init__(self) -> None:
        self.journal = Stub()
        self.frames: list[bytes] = []
        self.remote = RemoteJournal(self.frames.append)
        self.answers: list[bytes] = []
        self.desk = AppendRelay(self.journal, self.answers.append)

    async def pass_on(self) -> None:
        await asyncio.sleep(0)
        for frame in self.frames:
            self.desk.take(frame[wire.HEAD.size :])
        self.frames.clear()

    async def pass_back(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for frame in self.answers:
            self.remote.answered(frame[wire.HEAD.size :])
        self.answers.clear()


async def test_no_append_is_done_before_the_journal_is_and_what_comes_together_is_one_frame() -> None:
    pair = Pair()
    first, second = pair.remote.append([update(1)]), pair.remote.append([update(2), update(3)])
    await asyncio.sleep(0)
    assert len(pair.frames) == 1
    await pair.pass_on()
    await pair.pass_back()
    assert not first.done()
    assert [len(updates) for updates, _ in pair.journal.asked] == [1, 2]
    pair.journal.asked[1][1].set_result(1)
    pair.journal.asked[0][1].set_result(0)
    await asyncio.sleep(0)
    await pair.pass_back()
    assert (first.result(), second.result()) == (0, 1)


async def test_a_refusal_says_whether_it_passes_quickly() -> None:
    pair = Pair()
    waits = pair.remote.append([update(1)])
    await pair.pass_on()
    pair.journal.asked[0][1].set_exception(JournalUnavailableError("overloaded"))
    await pair.pass_back()
    with pytest.raises(JournalUnavailableError):
        await waits
    assert pair.remote.unavailable is None
    pair.journal.unavailable = "the disk is full"
    refused = pair.remote.append([update(1)])
    await pair.pass_on()
    await pair.pass_back()
    with pytest.raises(JournalUnavailableError):
        await refused
    assert pair.remote.unavailable is not None
    pair.journal.unavailable = None
    again = pair.remote.append([update(1)])
    await pair.pass_on()
    pair.journal.asked[-1][1].set_result(1)
    await pair.pass_back()
    assert (await again, pair.remote.unavailable) == (1, None)


async def test_when_the_main_process_is_gone_nothing_that_waits_is_taken_for_stored() -> None:
    pair = Pair()
    sent, unsent = pair.remote.append([update(1)]), None
    await pair.pass_on()
    unsent = pair.remote.append([update(2)])
    pair.remote.lose()
    for future in (sent, unsent):
        with pytest.raises(JournalUnavailableError, match="main process is gone"):
            await future
    with pytest.raises(JournalUnavailableError):
        pair.remote.append([update(3)])
    await asyncio.sleep(0)
    assert not pair.frames


async def test_what_waits_for_the_main_process_is_bounded_in_bytes() -> None:
    pair = Pair()
    body = b"x" * (1024 * 1024)
    held = [pair.remote.append([update(number, body)]) for number in range(32)]
    with pytest.raises(JournalUnavailableError, match="overloaded"):
        pair.remote.append([update(33)])
    await asyncio.sleep(0)
    assert len(pair.frames) == 32, "large frames would hold the main process up"
    await pair.pass_on()
    for _, done in pair.journal.asked:
        done.set_result(1)
    await pair.pass_back()
    assert all(future.done() for future in held)
    assert pair.remote._waiting_bytes == 0
    pair.remote.append([update(34)])


def test_the_part_of_a_table_decides_as_the_whole_and_holds_nothing_of_how_to_push() -> None:
    whole = table(
        *[account(Aggregator.CLICKPOST, f"key-{number}", name=f"c{number}/a") for number in range(600)],
        destinations=[
            Destination(
                name="acme/push",
                url="https://marked.example",
                headers=(("X", "marked-secret"),),
                signing=("whsec_marked",),
                filter=Filter(statuses=frozenset({"DELIVERED"}), expression="late == false"),
                drop_late=True,
            )
        ],
        limits=Limits(max_connections=5, max_connections_per_peer=4, max_concurrent_requests=3),
    )
    settings = msgspec.structs.replace(whole.server, storage=Postgres(dsn="postgresql://u:marked@db/trackpush"))
    frame = part.pack(msgspec.structs.replace(whole, server=settings), number=4, complete=False, receivers=2)
    packed, found = part.unpack(frame[wire.HEAD.size :])

    assert b"marked" not in frame
    assert (packed.number, packed.complete) == (4, False)
    assert found.accounts == whole.accounts
    assert found.account_by_digest.keys() == whole.account_by_digest.keys()
    assert [(destination.name, destination.filter, destination.drop_late) for destination in found.destinations] == [
        (destination.name, destination.filter, destination.drop_late) for destination in whole.destinations
    ]
    assert (found.server.limits.max_connections, found.server.limits.max_concurrent_requests) == (3, 2)
    assert found.server.limits.max_connections_per_peer == 2
    assert msgspec.structs.replace(
        found.server.limits, max_connections=5, max_connections_per_peer=4, max_concurrent_requests=3
    ) == (whole.server.limits)
    Serving(found)


def test_sums_hold_what_each_process_counted_and_gauges_of_the_living_only() -> None:
    def counting(requests: int) -> CollectorRegistry:
        registry = CollectorRegistry()
        counter = Counter("requests", "Text.", ["code", "push_config"], registry=registry)
        counter.labels("200", "acme/a").inc(requests)
        counter.labels("200", "acme/b").inc(requests)
        Histogram("seconds", "Text.", registry=registry, buckets=(1.0, 2.0)).observe(1.5)
        Gauge("open", "Text.", registry=registry).set(requests)
        return registry

    main = counting(0)
    ended: summed.Samples = {}
    summed.add(ended, summed.without(summed.samples_of(counting(3)), ["open"]))
    summed.retain(ended, {"acme/a"})
    living = summed.samples_of(counting(4))
    text = generate_latest(Summed(main, [ended, living, living])).decode()

    assert 'requests_total{code="200",push_config="acme/a"} 11.0' in text
    assert 'requests_total{code="200",push_config="acme/b"} 8.0' in text
    assert 'seconds_bucket{le="1.0"} 0.0' in text
    assert 'seconds_bucket{le="2.0"} 4.0' in text
    assert "seconds_count 4.0" in text
    assert "seconds_sum 6.0" in text
    assert "\nopen 8.0" in text
    frames = wire.Frames().feed(wire.counts(living))
    assert [wire.read_counts(payload) for _, payload in frames] == [living]


def test_an_address_that_is_shared_among_ours_is_in_use_for_others() -> None:
    with (
        sockets.bind(("127.0.0.1", 0), purpose="--listen") as reserved,
        sockets.share(reserved) as first,
        sockets.share(reserved) as second,
    ):
        first.listen()
        second.listen()
        with pytest.raises(CannotStartError, match="in use"):
            sockets.bind(reserved.getsockname(), purpose="--listen")
