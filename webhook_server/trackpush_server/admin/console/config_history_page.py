"""The page with the history of the configuration."""

from aiohttp import web

from trackpush_server.admin.api.config_history import ConfigHistoryParams, history
from trackpush_server.admin.console.forms import asked
from trackpush_server.admin.console.links import link
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices


class ConfigHistoryPage:
    """The handler of this page."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """Changes of the configuration, newest first."""
        query = asked(request, ConfigHistoryParams, limit=50)
        found = await history(self._desk, query)
        context = {"found": found, "query": request.query, "more": link(request, before=found.before)}
        return page(request, "config-history.html", context, active="config")
