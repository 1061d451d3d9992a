"""Creates, lists, revokes and checks the links to the portal."""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec

from trackpush_api.routing import RoutingTable, namespace_of
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.portal_links import KEY_BYTES, MOST_LINKS, PortalLink, PortalRole
from trackpush_server.journal.ports import PortalLinkStore
from trackpush_server.operations import portal_tokens

FRESH_SECONDS: Final = 2.0
"""How long a link that was read from the journal is accepted without another look: every replica notices a revocation
within this time."""
KEY_SECONDS: Final = 1.0
"""Seconds between two attempts to read the key, so that wrong tokens cannot load a journal that is unavailable."""
SHORTEST, LONGEST = 60, 366 * 86400
"""Bounds of a link's lifetime, in seconds."""
_MOST_CACHED = 10_000


class PortalLinkError(Exception):
    """A link can't be created. The message says why and what to do."""


class LinkRefusedError(Exception):
    """A token does not admit its bearer."""

    def __init__(self, reason: Literal["invalid", "expired", "revoked"]) -> None:
        super().__init__(reason)
        self.reason: Literal["invalid", "expired", "revoked"] = reason


class AdmittedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A valid link, and the CSRF token of its sessions."""

    link: PortalLink
    csrf: str


class PortalLinks:
    """The links of one journal. Several replicas share them."""

    def __init__(
        self,
        store: PortalLinkStore,
        *,
        table: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wall`` is the time of day in seconds, which all replicas share; ``clock`` is monotonic."""
        self._store = store
        self._table = table
        self._wall = wall
        self._clock = clock
        self._key: bytes | None = None
        self._key_asked = float("-inf")
        self._asking = asyncio.Lock()
        self._read: OrderedDict[str, tuple[float, PortalLink | None]] = OrderedDict()

    @property
    def now(self) -> int:
        """The time of day, in milliseconds since the epoch."""
        return int(self._wall() * 1000)

    def knows(self, client: str) -> bool:
        """Whether the server serves a client of this name."""
        return client in known_clients(self._table())

    async def create(
        self,
        client: str,
        role: PortalRole,
        *,
        lifetime: int,
        created_by: str,
        record: Callable[[PortalLink], Awaitable[None]],
    ) -> tuple[PortalLink, str]:
        """Create a link that is valid for ``lifetime`` seconds; returns it with its token, which is not stored.

        ``record`` puts it into the audit log, before it is stored.

        Raises:
            PortalLinkError: the lifetime is out of bounds, or the client has too many links.
            JournalUnavailableError: the link can't be stored.
        """
        if not SHORTEST <= lifetime <= LONGEST:
            raise PortalLinkError(f"a link is valid for 1 minute to 366 days, not for {lifetime} s")
        now = self.now
        if sum(link.is_live(now) for link in await self._store.of_client(client, limit=2 * MOST_LINKS)) >= MOST_LINKS:
            raise PortalLinkError(f"client {client} has {MOST_LINKS} links: revoke some of them")
        link = PortalLink(
            id=f"lnk_{secrets.token_hex(16)}",
            client=client,
            role=role,
            created_at=now,
            expires_at=now + lifetime * 1000,
            created_by=created_by,
        )
        key = await self._signing_key()
        await record(link)
        await self._store.add(link)
        return link, portal_tokens.sign(key, link)

    def signed_id(self, token: str) -> str | None:
        """The id of the link of a signed token, which may be expired or revoked; None without a valid signature."""
        content = None if self._key is None else portal_tokens.read(self._key, token)
        return None if content is None else content.link_id

    async def check(self, token: str) -> AdmittedLink:
        """The link of a token.

        Raises:
            LinkRefusedError: the token admits nobody.
            JournalUnavailableError: this can't be decided now.
        """
        key = await self._signing_key()
        content = portal_tokens.read(key, token)
        if content is None:
            raise LinkRefusedError("invalid")
        now = self.now
        if now >= content.expires_at:
            raise LinkRefusedError("expired")
        link = await self._fresh(content.link_id)
        if link is None or (link.client, link.role) != (content.client, content.role):
            raise LinkRefusedError("revoked")
        if not link.is_live(now):
            raise LinkRefusedError("expired" if link.revoked_at is None else "revoked")
        return AdmittedLink(link=link, csrf=portal_tokens.csrf(key, token))

    async def of_client(self, client: str | None, *, limit: int) -> tuple[PortalLink, ...]:
        """The links of a client, or of all clients; the newest first."""
        return await self._store.of_client(client, limit=limit)

    async def find(self, link_id: str) -> PortalLink | None:
        return await self._store.find(link_id)

    async def revoke(self, link_id: str) -> PortalLink | None:
        """Revoke a link; returns None if there is no such link. A link that was revoked before keeps that time.

        Raises:
            JournalUnavailableError: the revocation can't be stored.
        """
        revoked = await self._store.revoke(link_id, now=self.now)
        self._read.pop(link_id, None)
        return revoked

    async def _signing_key(self) -> bytes:
        if self._key is not None:
            return self._key
        async with self._asking:
            if self._key is None:
                now = self._clock()
                if now - self._key_asked < KEY_SECONDS:
                    raise JournalUnavailableError("the key of the portal's links can't be read from the journal now")
                self._key_asked = now
                self._key = await self._store.key(secrets.token_bytes(KEY_BYTES))
            return self._key

    async def _fresh(self, link_id: str) -> PortalLink | None:
        """The link as it was at most `FRESH_SECONDS` ago. Only ids with a valid signature come here."""
        now = self._clock()
        found = self._read.get(link_id)
        if found is not None and now - found[0] < FRESH_SECONDS:
            return found[1]
        link = await self._store.find(link_id)
        self._read[link_id] = (now, link)
        self._read.move_to_end(link_id)
        while len(self._read) > _MOST_CACHED:
            self._read.popitem(last=False)
        return link


def known_clients(table: RoutingTable | None) -> frozenset[str]:
    """The namespaces that have a resource in the routing table."""
    if table is None:
        return frozenset()
    names = [account.name for account in table.accounts] + [destination.name for destination in table.destinations]
    return frozenset(map(namespace_of, names))
