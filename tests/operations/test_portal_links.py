"""Links: a revocation reaches every replica soon, and a journal that fails admits nobody."""

import msgspec
import pytest

from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.portal_links import MOST_LINKS, PortalLink
from trackpush_server.operations.portal_links import FRESH_SECONDS, LinkRefusedError, PortalLinkError, PortalLinks


class Stored:
    """A `PortalLinkStore` in memory, which several replicas share."""

    def __init__(self) -> None:
        self.links: dict[str, PortalLink] = {}
        self.signing: bytes | None = None
        self.is_down = False
        self.calls = 0

    def _check(self) -> None:
        self.calls += 1
        if self.is_down:
            raise JournalUnavailableError("down")

    async def key(self, fresh: bytes) -> bytes:
        self._check()
        self.signing = self.signing or fresh
        return self.signing

    async def add(self, link: PortalLink) -> None:
        self._check()
        self.links[link.id] = link

    async def find(self, link_id: str) -> PortalLink | None:
        self._check()
        return self.links.get(link_id)

    async def of_client(self, client: str | None, *, limit: int) -> tuple[PortalLink, ...]:
        return tuple(link for link in self.links.values() if client in {None, link.client})[:limit]

    async def revoke(self, link_id: str, *, now: int) -> PortalLink | None:
        if link_id in self.links:
            self.links[link_id] = msgspec.structs.replace(self.links[link_id], revoked_at=now)
        return self.links.get(link_id)


class Replicas:
    """Two replicas with one clock."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0
        self.stored = Stored()
        self.first, self.second = (
            PortalLinks(self.stored, table=lambda: None, wall=lambda: self.now, clock=lambda: self.now)
            for _ in range(2)
        )

    async def link(self, lifetime: int = 3600) -> tuple[PortalLink, str]:
        return await self.first.create("acme", "view", lifetime=lifetime, created_by="ada", record=_ignore)


async def _ignore(_: PortalLink) -> None:
    """Record nothing."""


async def refusal(links: PortalLinks, token: str) -> str:
    with pytest.raises(LinkRefusedError) as refused:
        await links.check(token)
    return refused.value.reason


async def test_a_revocation_reaches_the_other_replica_within_five_seconds() -> None:
    assert FRESH_SECONDS < 5
    replicas = Replicas()
    link, token = await replicas.link()
    assert (await replicas.second.check(token)).link == link
    await replicas.first.revoke(link.id)
    assert await refusal(replicas.first, token) == "revoked"
    replicas.now += FRESH_SECONDS
    assert await refusal(replicas.second, token) == "revoked"


async def test_a_link_is_read_again_only_after_a_while() -> None:
    replicas = Replicas()
    _, token = await replicas.link()
    await replicas.second.check(token)
    before = replicas.stored.calls
    for _ in range(50):
        await replicas.second.check(token)
    assert replicas.stored.calls == before


async def test_a_link_ends_at_its_time_on_the_second() -> None:
    replicas = Replicas()
    _, token = await replicas.link(lifetime=60)
    replicas.now += 59.9
    await replicas.first.check(token)
    replicas.now += 0.1
    assert await refusal(replicas.first, token) == "expired"


async def test_while_the_journal_is_down_nobody_is_admitted_and_wrong_tokens_ask_it_once_a_second() -> None:
    replicas = Replicas()
    _, token = await replicas.link()
    replicas.stored.is_down = True
    before = replicas.stored.calls
    for _ in range(20):
        with pytest.raises(JournalUnavailableError):
            await replicas.second.check("wrong")
    assert replicas.stored.calls == before + 1
    replicas.now += 10
    with pytest.raises(JournalUnavailableError):
        await replicas.first.check(token)
    assert await refusal(replicas.first, "wrong") == "invalid"
    replicas.stored.is_down = False
    assert (await replicas.second.check(token)).link.client == "acme"


async def test_a_link_that_cannot_be_recorded_is_not_made() -> None:
    async def fails(_: PortalLink) -> None:
        raise JournalUnavailableError("down")

    replicas = Replicas()
    with pytest.raises(JournalUnavailableError):
        await replicas.first.create("acme", "view", lifetime=60, created_by="ada", record=fails)
    assert not replicas.stored.links


async def test_a_client_has_a_bounded_number_of_live_links() -> None:
    replicas = Replicas()
    for _ in range(MOST_LINKS):
        link, _ = await replicas.link()
    with pytest.raises(PortalLinkError, match="revoke some"):
        await replicas.link()
    await replicas.first.revoke(link.id)
    await replicas.link()


@pytest.mark.parametrize("lifetime", [-1, 0, 59, 367 * 86400, 10**12])
async def test_a_lifetime_is_bounded(lifetime: int) -> None:
    with pytest.raises(PortalLinkError, match="1 minute to 366 days"):
        await Replicas().link(lifetime)
