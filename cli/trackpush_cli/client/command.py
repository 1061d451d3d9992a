"""`trackpush client add` and `trackpush init`: write the resources of a new client."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from trackpush_cli.client import answers as questions
from trackpush_cli.client.answers import ClientAnswers
from trackpush_cli.client.resources import client_resources, panel_texts, server_resource
from trackpush_cli.errors import CommandError
from trackpush_cli.option_lists import with_options
from trackpush_cli.output import say, say_text
from trackpush_cli.yaml_form import yaml_text

_BASE_PATH: Final = "/rms/in/api"
_PRIVATE: Final = 0o600
_OPTIONS: Final = (
    click.argument("client", required=False),
    click.option("--url", help="URL that gets the client's pushes."),
    click.option(
        "--aggregator", "aggregators", multiple=True, metavar="NAME", help="An aggregator of the client; repeatable."
    ),
    click.option("--header", metavar="NAME", help="Header in which the client expects its API key; it is generated."),
    click.option("--host", help="Host at which aggregators reach Trackpush."),
    click.option("--push-config", default="oms", show_default=True, metavar="NAME", help="Name of the PushConfig."),
    click.option(
        "--server",
        default="trackpush/main",
        show_default=True,
        metavar="NAMESPACE/NAME",
        help="The WebhookServer that receives the client's updates.",
    ),
    click.option(
        "-f", "--file", type=click.Path(path_type=Path), help="Write to this new file. Default: standard output."
    ),
)


def _client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(command, _OPTIONS)


@click.group("client")
def command() -> None:
    """Set up clients."""


@command.command(
    "add", epilog="Missing answers are asked on a terminal. Exit code: 0; 2 if an answer can't be used or FILE exists."
)
@_client_options
def add(**given: Any) -> None:
    """Write the YAML of a new client: namespace, Secret with generated keys, PushConfig, AggregatorWebhooks.

    Apply it with kubectl, or put the file into the folder of `trackpush serve`. What to enter in each panel is printed
    on standard error. An existing file is never changed.
    """
    _write(given, with_server=False)


@click.command("init", epilog="Exit code: 0; 2 if an answer can't be used or FILE exists.")
@_client_options
def init(**given: Any) -> None:
    """Write the YAML of a WebhookServer and its first client, as `client add` does."""
    _write(given, with_server=True)


def _write(given: dict[str, Any], *, with_server: bool) -> None:
    file: Path | None = given["file"]
    if file is not None and (file.exists() or file.is_symlink()):
        raise CommandError(f"{file} exists; it is not changed: choose another file")
    client, url, aggregators, header, host = questions.ask(
        given["client"], given["url"], given["aggregators"], given["header"], given["host"]
    )
    made = questions.checked(
        ClientAnswers(
            client=client, url=url, aggregators=aggregators, header=header, host=host,
            push_config=given["push_config"], server=given["server"],
        )
    )  # fmt: skip
    resources = client_resources(made, secrets.token_bytes)
    if with_server:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.server.partition("/")[0]}}
        resources = [namespace, server_resource(made), *resources]
    text = "---\n".join(yaml_text(resource) for resource in resources)
    if file is None:
        say_text(text)
    else:
        _save(file, text)
        say(f"wrote {file}; it contains secrets: keep it out of version control, or encrypt it", err=True)
    for aggregator, panel in panel_texts(made, _BASE_PATH).items():
        say(err=True)
        say(f"{aggregator}:", err=True)
        for line in panel.splitlines():
            say(f"  {line}", err=True)


def _save(file: Path, text: str) -> None:
    """Create the file, readable by its owner only, and never change an existing one."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
            stream.write(text)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}; choose another file") from None
