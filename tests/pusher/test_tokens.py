"""A token endpoint that fails is the endpoint's failure: pushes wait, nothing is burnt, and nobody else suffers."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from pusher.rig import QUICK, open_rig
from support.authority import Authority, failing, hanging, open_authority
from support.deadline import until
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_server.journal.search import PushQuery
from trackpush_server.journal.sqlite.file_reader import JournalReader
from trackpush_server.pusher import breaker as breaker_module

NEVER_AGAIN = Retry(schedule=(3600.0,), max_age=72 * 3600.0, jitter=0.0)


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes after 20 ms instead of 5 s."""
    monkeypatch.setattr(breaker_module, "PROBE_DELAYS", (0.02,))


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with open_authority() as opened:
        yield opened


@pytest.fixture
async def sink(authority: Authority) -> AsyncIterator[Sink]:
    """A client that takes what carries a valid token."""

    async def judge(arrival: Arrival) -> int:
        return 200 if authority.takes(arrival.headers.get("authorization", "")) else 401

    async with open_sink(judge) as opened:
        yield opened


def to(sink: Sink, authority: Authority, name: str = "acme/oms", **options: object) -> Destination:
    destination = Destination(name=name, url=sink.url, retry=QUICK, oauth2=authority.credentials)
    return msgspec.structs.replace(destination, **options)


@pytest.mark.parametrize("status", [503, 401, 400])
async def test_a_failing_token_endpoint_opens_the_breaker_and_all_is_delivered_when_it_is_back(
    tmp_path: Path, authority: Authority, sink: Sink, status: int
) -> None:
    authority.override = failing(status, '{"error": "invalid_client", "error_description": "no such client"}')
    async with open_rig(tmp_path, to(sink, authority, retry=NEVER_AGAIN)) as rig:
        await rig.post(*range(50))
        await rig.until_breaker("open")
        asked = len(authority.asked)
        await until(lambda: len(authority.asked) > asked + 3, seconds=5, what="probes ask for a token")
        (trouble,) = rig.dispatcher.troubles()
        assert trouble.cause == f"token: HTTP {status} invalid_client"
        await rig.journal.pushes.flush()
        with JournalReader(tmp_path) as reader:
            rows = reader.list_pushes(PushQuery(limit=50)).rows
        assert {row.state.name for row in rows} == {"PENDING"}
        assert {row.error for row in rows if row.tries} == {f"{trouble.cause}: no such client"}
        assert sink.arrivals == []
        authority.override = None
        await rig.until_ended(50)
        assert {state for _, state in rig.seen.ends} == {"delivered"}
        assert {result for _, result in rig.seen.attempts} == {"token", "2xx"}


async def test_a_token_endpoint_that_hangs_slows_no_other_push_config(
    tmp_path: Path, authority: Authority, sink: Sink
) -> None:
    authority.override = hanging
    async with open_sink() as healthy:
        other = Destination(name="zen/shop", url=healthy.url, retry=QUICK)
        async with open_rig(tmp_path, to(sink, authority), other) as rig:
            await rig.post(*range(100), to=("acme/oms", "zen/shop"))
            await rig.until_ended(100)
            assert {name for name, _ in rig.seen.ends} == {"zen/shop"}
            assert len(authority.asked) == 1, "all pushes wait for the same request"
            assert rig.channel().in_flight == 16


async def test_a_revoked_token_costs_one_attempt_nothing_and_the_id_stays(
    tmp_path: Path, authority: Authority, sink: Sink
) -> None:
    async with open_rig(tmp_path, to(sink, authority)) as rig:
        await rig.post(1)
        await rig.until_ended(1)
        authority.valid.clear()
        await rig.post(2)
        await rig.until_ended(2)
        assert [result for _, result in rig.seen.attempts] == ["2xx", "2xx"]
        refused, taken = sink.by_mark()[2]
        assert (refused.webhook_id, refused.body) == (taken.webhook_id, taken.body)


async def test_a_client_that_refuses_every_token_is_failing_after_five_pushes(
    tmp_path: Path, authority: Authority, sink: Sink
) -> None:
    authority.takes = lambda _: False  # type: ignore[method-assign]
    async with open_rig(tmp_path, to(sink, authority, retry=NEVER_AGAIN)) as rig:
        await rig.post(*range(30))
        await rig.until_breaker("open")
        (trouble,) = rig.dispatcher.troubles()
        assert trouble.cause == "HTTP 401"
        assert len(authority.asked) <= 2
        assert rig.seen.ends == []


async def test_another_secret_asks_for_another_token_and_the_old_version_ends_its_pushes(
    tmp_path: Path, authority: Authority, sink: Sink
) -> None:
    authority.secret = "the new one"
    async with open_rig(tmp_path, to(sink, authority)) as rig:
        await rig.post(1)
        await rig.until_breaker("open")
        rotated = msgspec.structs.replace(authority.credentials, client_secret="the new one")
        rig.apply(to(sink, authority, oauth2=rotated))
        await rig.until_ended(1)
        assert authority.asked[-1].credentials == ("track:push", "the new one")
