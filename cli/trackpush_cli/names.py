"""Completes names of clients, PushConfigs and accounts from the running server.

The shell runs this at every Tab. So it gives up after two seconds, and prints and raises nothing.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import click
from click.shell_completion import CompletionItem

_SECONDS: Final = 2.0
_MOST: Final = 1000
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _read(ctx: click.Context, path: str, member: str) -> list[str]:
    """The names of one page of the server that the options and the environment name."""
    from trackpush_cli.admin_port import direct  # noqa: PLC0415  only here, for a fast start
    from trackpush_cli.server_options import LOCAL_URL, ServerChoice, forwarded  # noqa: PLC0415  same

    given: dict[str, Any] = {field: ctx.params.get(field) for field in ServerChoice._fields}
    given["as_groups"] = given["as_groups"] or ()
    choice = ServerChoice(**given)
    if choice.is_in_a_cluster:
        port = forwarded(choice.cluster(), choice)
    else:
        port = direct(choice.admin or LOCAL_URL, choice.token_file)
    with contextlib.closing(port):
        page = port.ask("GET", f"/api/v1/{path}?{urlencode({'limit': _MOST})}")
        return sorted(entry["name"] for entry in page[member])


def _completer(path: str, member: str) -> Completer:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: list[str] = []

        def read() -> None:
            with contextlib.suppress(Exception):  # whatever is wrong, the shell gets no candidates
                found.extend(_read(ctx, path, member))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(_SECONDS)
        return [CompletionItem(name) for name in list(found) if name.startswith(incomplete)]

    return complete


clients: Final = _completer("clients", "clients")
push_configs: Final = _completer("push-configs", "pushConfigs")
accounts: Final = _completer("config", "accounts")
