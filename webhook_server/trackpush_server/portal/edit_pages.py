"""The section Push Config: lists the PushConfigs that a client's people may change, and takes changes.

It exists where the WebhookServer allows it (``spec.portal.edit``), for links with the role operate. Credentials are
never shown: an empty field keeps the current value.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from trackpush_api.vocabulary import Status
from trackpush_server.admin.identity import address
from trackpush_server.journal.portal_changes import ChangeRow, ChangeState
from trackpush_server.portal.changes import identity
from trackpush_server.portal.edit_form import (
    DIRECTIONS,
    MOST_HEADERS,
    SIGNING,
    SPARE_ROWS,
    HeaderRow,
    ShownConfig,
    read_form,
    shown_change,
    shown_destination,
)
from trackpush_server.portal.editing import ConfigEditor, EditableConfig, InvalidChangeError, new_change_id
from trackpush_server.portal.page import Handler, explained, operators_only, page, see
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.visitor import visitor

HOME: Final = "/portal/push-configs"
_STATES: Final = {
    ChangeState.WAITING: ("calm", "waits to be applied"),
    ChangeState.APPLIED: ("good", "applied"),
    ChangeState.REFUSED: ("bad", "refused"),
    ChangeState.SUPERSEDED: ("calm", "replaced"),
}


class ConfigLine(msgspec.Struct, frozen=True, kw_only=True):
    """A PushConfig in the list, without credentials."""

    name: str
    full_name: str
    exists: bool
    shown: ShownConfig


class ChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A change in the list."""

    name: str
    mark: str
    """CSS class of its state."""
    state: str
    message: str
    created_at: int
    ended_at: int | None


def add_edit_pages(app: web.Application) -> None:
    """Add the routes of the section."""
    services = app[SERVICES]
    pages = EditPages(ConfigEditor(services.desk, services.folder))

    def allowed(handler: Handler) -> Handler:
        restricted = explained(operators_only(handler))

        async def handle(request: web.Request) -> web.StreamResponse:
            if not services.edits():
                raise web.HTTPNotFound
            return await restricted(request)

        return handle

    app.router.add_get(HOME, allowed(pages.show))
    app.router.add_get(f"{HOME}/{{name}}/edit", allowed(pages.form))
    app.router.add_post(f"{HOME}/{{name}}/edit", allowed(pages.submit))


class EditPages:
    """The handlers."""

    def __init__(self, editor: ConfigEditor) -> None:
        self._editor = editor

    async def show(self, request: web.Request) -> web.Response:
        """The PushConfigs, and what became of the newest changes."""
        client = visitor(request).client
        recent = await self._editor.recent(client)
        context = {
            "configs": [_config_line(client, entry) for entry in self._editor.editable(client)],
            "changes": [_change_line(row) for row in recent],
            "waits": any(row.state is ChangeState.WAITING for row in recent),
        }
        return page(request, "push-configs.html", context, active="config")

    async def form(self, request: web.Request) -> web.Response:
        """The form of a PushConfig."""
        found = self._found(request)
        return self._form(request, found, shown_destination(found.destination), ())

    async def submit(self, request: web.Request) -> web.Response:
        """Take a change, or show the form again with its mistakes."""
        found, client = self._found(request), visitor(request).client
        current = shown = shown_destination(found.destination)
        try:
            try:
                change = read_form(
                    await _fields(request),
                    change_id=new_change_id(),
                    client=client,
                    namespace_uid=self._editor.namespace_uid(client),
                    name=found.name,
                )
            except ValueError as error:
                raise InvalidChangeError([str(error)]) from None
            shown = shown_change(change, current)
            await self._editor.submit(change, identity(request), address(request))
        except InvalidChangeError as error:
            return self._form(request, found, shown, error.messages)
        return see(HOME)

    def _found(self, request: web.Request) -> EditableConfig:
        """Raises NotOwnError if it may not be changed here, whatever exists under this name."""
        found = self._editor.find(visitor(request).client, request.match_info["name"])
        if found is None:
            raise NotOwnError
        return found

    def _form(
        self, request: web.Request, found: EditableConfig, shown: ShownConfig, mistakes: Sequence[str]
    ) -> web.Response:
        spare = min(SPARE_ROWS, MOST_HEADERS - len(shown.headers))
        context: dict[str, Any] = {
            "name": found.name,
            "exists": found.destination is not None,
            "config": shown,
            "rows": (*shown.headers, *(HeaderRow() for _ in range(spare))),
            "mistakes": mistakes,
            "signing": SIGNING if shown.signing_secrets else {"Keep": "Do not sign", "Replace": SIGNING["Replace"]},
            "statuses": [status.value for status in Status],
            "directions": DIRECTIONS,
            "aggregators": sorted({*self._editor.aggregators(visitor(request).client), *shown.aggregators}),
        }
        return page(request, "push-config-edit.html", context, active="config", status=422 if mistakes else 200)


async def _fields(request: web.Request) -> dict[str, list[str]]:
    """The fields of the form; files are left out."""
    form = await request.post()
    return {name: [value for value in form.getall(name) if isinstance(value, str)] for name in form}


def _config_line(client: str, entry: EditableConfig) -> ConfigLine:
    return ConfigLine(
        name=entry.name,
        full_name=f"{client}/{entry.name}",
        exists=entry.destination is not None,
        shown=shown_destination(entry.destination),
    )


def _change_line(row: ChangeRow) -> ChangeLine:
    mark, words = _STATES[row.state]
    return ChangeLine(
        name=row.push_config,
        mark=mark,
        state=words,
        message=row.message,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
