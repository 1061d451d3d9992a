"""The aggregators' side of the demo: posts bodies with the right key and checks the answers."""

import asyncio
import time
from typing import Self

import aiohttp
import msgspec

from trackpush_api.vocabulary import slug_of
from trackpush_cli.demo.expected import Expected
from trackpush_cli.demo.ledger import DemoPush, Ledger
from trackpush_cli.demo.story import Posting
from trackpush_cli.demo.view import ClientLine, DemoView
from trackpush_cli.senders import AggregatorSender
from trackpush_cli.target import WebhookTarget, target, usual_place

_TIMEOUT = aiohttp.ClientTimeout(total=20)
_OK = 200


class AggregatorSide:
    """Posts one body after the other, and records the results in the ledger. Use as an async context manager."""

    def __init__(self, url: str, keys: dict[str, str], expected: Expected, ledger: Ledger, view: DemoView) -> None:
        self._url = url
        self._keys = keys
        self._expected = expected
        self._ledger = ledger
        self._view = view
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, posting: Posting) -> None:
        """Post one body and check the counts in the answer."""
        expectations, duplicates = self._expected.of(posting)
        pushes = self._ledger.expect(expectations, time.monotonic())
        where = self._target(posting, self._keys[posting.account.name])
        clock, started = time.strftime("%H:%M:%S"), time.perf_counter()
        status, answer = await self._request("POST", where.origin + where.path, where.headers, posting.body)
        took = f"{(time.perf_counter() - started) * 1000:.1f} ms"
        counts = self._ledger.counts
        counts["posts"] += 1
        wanted = {"accepted": len(posting.updates) - duplicates, "duplicates": duplicates}
        problems = self._judge(posting, status, answer, wanted)
        self._ledger.problems += problems
        if status == _OK:
            for push in pushes:
                push.stored_at = time.monotonic()
            counts["accepted"] += wanted["accepted"]
            counts["duplicates"] += duplicates
            counts["probes"] += not posting.updates
        stored = f"{status or 'no answer'} {took}" if problems else f"{_count(wanted)} {took}"
        self._view.posted(_lines(posting, clock, stored, _note(posting, duplicates), pushes, refused=bool(problems)))

    async def probe(self, posting: Posting, method: str) -> None:
        """Send a panel's test of the URL: without key and body."""
        where = self._target(posting, None)
        status, _ = await self._request(method, where.origin + where.path, {}, b"")
        self._ledger.counts["posts"] += 1
        self._ledger.counts["probes"] += 1
        if status != _OK:
            self._ledger.problems.append(
                f"probe {method} {where.path} was answered {status or 'not at all'} instead of 200"
            )
        line = _lines(posting, time.strftime("%H:%M:%S"), str(status), "probe: not stored", [], refused=False)[0]
        line.label, line.shipment = f"{method} without a body", ""
        self._view.posted([line])

    def _target(self, posting: Posting, key: str | None) -> WebhookTarget:
        sender = AggregatorSender(posting.account.aggregator)
        return target(self._url, sender, key, usual_place(sender))

    async def _request(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            return 0, f"{type(error).__name__}: {error}".encode()

    def _judge(self, posting: Posting, status: int, answer: bytes, wanted: dict[str, int]) -> list[str]:
        if status != _OK:
            text = answer[:200].decode(errors="replace")
            return [f"{posting.label} was answered {status or 'not at all'} instead of 200: {text}"]
        problems = []
        try:
            given = msgspec.json.decode(answer, type=dict[str, int])
        except msgspec.MsgspecError:
            given = {}
        if {name: given.get(name, 0) for name in wanted} != wanted:
            problems.append(f"{posting.label} was answered {answer.decode(errors='replace')} instead of {wanted}")
        read_as = {f"{update.direction}/{update.status}" for update in posting.updates}
        if posting.wanted is not None and posting.wanted not in read_as:
            problems.append(f"{posting.label} was read as {', '.join(read_as)} instead of {posting.wanted}")
        return problems


def _count(wanted: dict[str, int]) -> str:
    accepted, duplicates = wanted["accepted"], wanted["duplicates"]
    parts = [f"{accepted} new"] if accepted else []
    parts += [f"{duplicates} dup"] if duplicates else []
    return "+".join(parts) or "200"


def _note(posting: Posting, duplicates: int) -> str:
    if not posting.updates:
        return "probe: not stored"
    return "duplicate: no push" if duplicates else "filtered: no push"


def _lines(
    posting: Posting, clock: str, stored: str, note: str, pushes: list[DemoPush], *, refused: bool
) -> list[ClientLine]:
    first = ClientLine(
        clock=clock,
        aggregator=slug_of(posting.account.aggregator),
        label=posting.label,
        shipment=posting.updates[0].awb or posting.updates[0].shipment if posting.updates else "",
        stored=stored,
        refused=refused,
    )
    if not pushes:
        first.note = note
        return [first]
    first.push = pushes[0]
    return [
        first,
        *(ClientLine(clock="", aggregator="", label="", shipment="", stored="", push=push) for push in pushes[1:]),
    ]
