"""The operations for links to the portal: create, list and revoke. The audit log has each creation and revocation."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Limit, Params, Text
from trackpush_server.admin.api.shapes import Time
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity, address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.portal_links import PortalLink, PortalRole
from trackpush_server.operations.portal_links import LONGEST, SHORTEST, PortalLinkError

LINK_ID: Final = "^lnk_[0-9a-f]{32}$"
ENTER: Final = "/portal/enter"
LinkState = Literal["live", "expired", "revoked"]


class PortalLinkView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A link to the portal. Its URL is shown only once, when it is created."""

    id: str
    client: str
    role: PortalRole
    state: LinkState
    created_at: Time
    created_by: str
    expires_at: Time
    revoked_at: Time | None


class PortalLinkList(msgspec.Struct, frozen=True, kw_only=True):
    """Links, newest first."""

    links: tuple[PortalLinkView, ...]


class NewPortalLink(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A link with its URL, which admits whoever has it."""

    link: PortalLinkView
    url: str


class PortalLinkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Describes a new link."""

    client: Annotated[str, Meta(min_length=1, max_length=63)]
    role: PortalRole
    expires_in_seconds: Annotated[int, Meta(ge=SHORTEST, le=LONGEST)] = 7 * 86400


class PortalLinksParams(Params, frozen=True, kw_only=True):
    """Selects links."""

    client: Text | None = None
    limit: Limit = 100


@operation("GET", "/portal/links")
async def list_portal_links(call: ApiCall, query: PortalLinksParams) -> PortalLinkList:
    """Links to the portal, also expired and revoked ones, until 30 days after they expired."""
    return PortalLinkList(links=await links(call.desk, query.client, limit=query.limit))


@operation("POST", "/portal/links", status=201, errors=(404, 409))
async def create_portal_link(call: ApiCall, body: PortalLinkRequest) -> NewPortalLink:
    """Create a link to the portal for the people of one client."""
    return await create(call.desk, call.identity, body, address(call.request))


@operation("DELETE", "/portal/links/{id}", errors=(404,), path_patterns={"id": LINK_ID})
async def revoke_portal_link(call: ApiCall) -> PortalLinkView:
    """Revoke a link; within five seconds it and its sessions admit nobody, on all replicas."""
    return await revoke(call.desk, call.identity, call.path["id"], address(call.request))


OPERATIONS: Final = (list_portal_links, create_portal_link, revoke_portal_link)


async def links(desk: AdminServices, client: str | None, *, limit: int) -> tuple[PortalLinkView, ...]:
    """The links of a client, or of all clients."""
    found = await desk.portal_links.of_client(client, limit=limit)
    return tuple(view(link, now=desk.portal_links.now) for link in found)


async def create(desk: AdminServices, who: Identity, wanted: PortalLinkRequest, came_from: str) -> NewPortalLink:
    """Create a link, after it is in the audit log.

    Raises:
        ProblemError: the server has no portal or no such client, or the client has too many links.
        JournalUnavailableError: the audit log can't be written, or the link can't be stored.
    """
    url = desk.portal_url()
    if url is None:
        raise ProblemError(409, _NO_PORTAL)
    if not desk.portal_links.knows(wanted.client):
        raise ProblemError(
            404, f"no client {wanted.client}: no AggregatorWebhook or PushConfig is in a namespace of this name"
        )

    async def record(link: PortalLink) -> None:
        target = f"client {link.client}, role {link.role}, until {rfc3339(link.expires_at)}, {link.id}"
        await desk.audit(who, "portal.link", target, came_from)

    try:
        link, token = await desk.portal_links.create(
            wanted.client, wanted.role, lifetime=wanted.expires_in_seconds, created_by=who.actor, record=record
        )
    except PortalLinkError as error:
        raise ProblemError(409, str(error)) from None
    return NewPortalLink(link=view(link, now=desk.portal_links.now), url=f"{url}{ENTER}#{token}")


async def revoke(desk: AdminServices, who: Identity, link_id: str, came_from: str) -> PortalLinkView:
    """Revoke a link, after this is in the audit log.

    Raises:
        ProblemError: there is no such link.
        JournalUnavailableError: the audit log can't be written, or the revocation can't be stored.
    """
    link = await desk.portal_links.find(link_id)
    if link is None:
        raise ProblemError(404, f"no link {link_id[:64]}: it expired more than 30 days ago, or never existed")
    await desk.audit(who, "portal.revoke", f"client {link.client}, {link.id}", came_from)
    revoked = await desk.portal_links.revoke(link_id)
    return view(revoked or link, now=desk.portal_links.now)


def view(link: PortalLink, *, now: int) -> PortalLinkView:
    return PortalLinkView(
        id=link.id,
        client=link.client,
        role=link.role,
        state=_state(link, now),
        created_at=rfc3339(link.created_at),
        created_by=link.created_by,
        expires_at=rfc3339(link.expires_at),
        revoked_at=None if link.revoked_at is None else rfc3339(link.revoked_at),
    )


def _state(link: PortalLink, now: int) -> LinkState:
    if link.revoked_at is not None:
        return "revoked"
    return "live" if link.is_live(now) else "expired"


_NO_PORTAL = (
    "this server has no portal that people can reach: set spec.portal.host of the WebhookServer, and without a cluster"
    " start the server with --portal-listen"
)
