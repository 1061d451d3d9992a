"""Every adapter keeps the links to the portal, and the key that signs them."""

import msgspec

from journal.stores import NOW, Store
from journal.test_tenants import NEW, OLD, TAKES_OVER, bind
from trackpush_server.journal.portal_links import PortalLink


def link(number: int, client: str = "acme", *, at: int = NOW) -> PortalLink:
    return PortalLink(
        id=f"lnk_{number}", client=client, role="operate", created_at=at, expires_at=at + 1000, created_by="ada"
    )


async def test_links_and_the_first_key_survive_a_restart(store: Store) -> None:
    async with store.open() as opened:
        assert await opened.journal.portal_links.key(b"a" * 32) == b"a" * 32
        await opened.journal.portal_links.add(link(1))
    async with store.open() as opened:
        assert await opened.journal.portal_links.key(b"b" * 32) == b"a" * 32
        assert await opened.journal.portal_links.find("lnk_1") == link(1)
        assert await opened.journal.portal_links.find("lnk_2") is None


async def test_a_client_has_its_own_links_newest_first(store: Store) -> None:
    async with store.open() as opened:
        links = opened.journal.portal_links
        for entry in (link(1), link(2, at=NOW + 5), link(3, "zen", at=NOW + 9), link(4, "acme-2"), link(5, "acme@u-1")):
            await links.add(entry)
        assert [entry.id for entry in await links.of_client("acme", limit=10)] == ["lnk_2", "lnk_1"]
        assert [entry.id for entry in await links.of_client("acme", limit=1)] == ["lnk_2"]
        assert [entry.id for entry in await links.of_client(None, limit=10)] == ["lnk_3", "lnk_2", "lnk_1", "lnk_4"]
        assert await links.of_client("nobody", limit=10) == ()


async def test_a_revoked_link_keeps_the_time_of_its_first_revocation(store: Store) -> None:
    async with store.open() as opened:
        links = opened.journal.portal_links
        await links.add(link(1))
        revoked = msgspec.structs.replace(link(1), revoked_at=NOW + 1)
        assert await links.revoke("lnk_1", now=NOW + 1) == revoked
        assert await links.revoke("lnk_1", now=NOW + 2) == revoked
        assert await links.find("lnk_1") == revoked
        assert await links.revoke("lnk_2", now=NOW) is None


async def test_retention_deletes_expired_links(store: Store) -> None:
    async with store.open() as opened:
        links, retention = opened.journal.portal_links, opened.journal.retention
        for number in range(3):
            await links.add(link(number, at=NOW + number))
        assert await retention.expire_portal_links(expired_before=NOW + 1002, limit=1) == 1
        assert await retention.expire_portal_links(expired_before=NOW + 1002, limit=9) == 1
        assert [entry.id for entry in await links.of_client("acme", limit=9)] == ["lnk_2"]


async def test_links_of_a_former_namespace_are_not_the_next_ones(store: Store) -> None:
    async with store.open() as opened:
        links = opened.journal.portal_links
        await bind(opened, OLD)
        await links.add(link(1))
        await links.add(link(2, "acme-2"))
        await bind(opened, NEW)
        assert await links.of_client("acme", limit=9) == ()
        former = await links.find("lnk_1")
        assert former is not None
        assert former.client == "acme@u-1"
        assert await links.of_client("acme-2", limit=9) == (link(2, "acme-2"),)


async def test_a_namespace_that_takes_over_another_gets_its_links(store: Store) -> None:
    async with store.open() as opened:
        await bind(opened, OLD)
        await opened.journal.portal_links.add(link(1))
        await bind(opened, NEW)
        await bind(opened, TAKES_OVER)
        assert await opened.journal.portal_links.of_client("acme", limit=9) == (link(1),)
