"""The resolver: one lookup per name at a time, short memory, and no name holds up another."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from outbound.kit import BODY, PUSH_HEADERS, open_sender, post_once
from outbound.servers import polite, serve
from support.deadline import until
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.resolver import Resolver, system_lookup
from trackpush_server.outbound.transport import HttpTransport


class Names:
    """A name server: counts, and hangs for names that begin with ``slow``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.gate.wait(20)
        if host.startswith("none"):
            return []
        if host.startswith("broken"):
            raise OSError(-2, "Name or service not known")
        return ["127.0.0.1"]


@pytest.fixture
def names() -> Iterator[Names]:
    found = Names()
    yield found
    found.gate.set()


async def test_many_at_once_share_one_lookup_and_the_next_seconds_need_none(names: Names) -> None:
    resolver = Resolver(names)
    answers = await asyncio.gather(*(resolver.addresses("oms.example") for _ in range(100)))
    assert answers == [["127.0.0.1"]] * 100
    await resolver.addresses("oms.example")
    assert names.asked == ["oms.example"]


async def test_an_answer_is_forgotten_after_its_time(names: Names) -> None:
    resolver = Resolver(names, ttl=0.0)
    for _ in range(3):
        await resolver.addresses("oms.example")
    assert len(names.asked) == 3


@pytest.mark.parametrize("host", ["broken.example", "none.example"])
async def test_a_failure_is_reported_to_all_who_wait_and_not_repeated_at_once(names: Names, host: str) -> None:
    resolver = Resolver(names)
    for _ in range(2):
        for answer in await asyncio.gather(*(resolver.addresses(host) for _ in range(5)), return_exceptions=True):
            assert isinstance(answer, AttemptError)
            assert answer.failure is Failure.DNS
            assert host in answer.detail
    assert names.asked == [host]


async def test_a_name_server_that_hangs_delays_nobody_else(names: Names) -> None:
    transport = HttpTransport(lookup=names)
    async with serve(polite) as server, open_sender(server.url, transport=transport):
        slow = [
            asyncio.ensure_future(
                post_once(
                    server.url.replace("127.0.0.1", f"slow-{number}.example"),
                    transport=HttpTransport(lookup=names),
                    timeout=0.5,
                )
            )
            for number in range(30)
        ]
        await until(lambda: len(names.asked) == 30, seconds=5, what="all hang")
        async with open_sender(server.url.replace("127.0.0.1", "oms.example"), transport=transport) as sender:
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        answers = await asyncio.gather(*slow)
        assert {answer.failure for answer in answers} == {Failure.TIMEOUT}
        assert all("resolving slow-" in str(answer.detail) for answer in answers)


async def test_a_name_that_hangs_is_looked_up_once_however_often_it_is_wanted(names: Names) -> None:
    resolver = Resolver(names)
    for _ in range(5):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await resolver.addresses("slow.example")
    assert names.asked == ["slow.example"]
    names.gate.set()
    assert await resolver.addresses("slow.example") == ["127.0.0.1"]
    assert names.asked == ["slow.example"]


async def test_closing_waits_for_no_name_server(names: Names) -> None:
    resolver = Resolver(names)
    waiting = asyncio.ensure_future(resolver.addresses("slow.example"))
    await until(lambda: bool(names.asked), seconds=5, what="a lookup")
    await resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_addresses_that_refuse_are_passed_over() -> None:
    async with serve(polite) as server:
        transport = HttpTransport(lookup=lambda _: ["127.0.0.9", "::1", "127.0.0.1"])
        answer = await post_once(server.url.replace("127.0.0.1", "many.example"), transport=transport)
        assert answer.status == 200


def test_the_systems_resolver_knows_this_machine() -> None:
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
