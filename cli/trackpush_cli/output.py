"""Prints a result as a table for people, or as JSON or YAML for programs.

Everything that a command prints goes through this module (ruff refuses `click.echo` elsewhere). Much of it comes from
outside, so unprintable characters are escaped, see `trackpush_api.printable`. Colours are added afterwards.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from trackpush_api.printable import printable, printable_json

FORMATS = ("table", "json", "yaml")
_PIPED_WIDTH = 10_000

output_option = click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Output format."
)


def say(line: str = "", *, err: bool = False) -> None:
    """Print one line of text; a line break in it is escaped, too."""
    _echo(printable(line), err=err)


def say_text(text: str) -> None:
    """Print a text of several lines."""
    _echo(printable(text.removesuffix("\n"), keep="\n"))


def say_json(document: str) -> None:
    _echo(printable_json(document))


def _echo(text: str, *, err: bool = False) -> None:
    click.echo(text, err=err)  # noqa: TID251  the one place


def write_raw(text: str) -> None:
    """Write text that contains its own line ends and is free of control characters."""
    click.echo(text, nl=False)  # noqa: TID251  the one place


def print_data(data: Any, form: str) -> None:
    """Print plain data (dicts, lists, text, numbers) as ``json`` or ``yaml``."""
    if form == "json":
        say_json(json.dumps(data, indent=2, ensure_ascii=False))
        return
    from trackpush_cli.yaml_form import yaml_text  # noqa: PLC0415  only where it is asked for

    _echo(yaml_text(data).removesuffix("\n"))


def print_body(body: bytes) -> None:
    """Write a body: the exact bytes to a file or a pipe; on a terminal as text, with escapes and its line breaks."""
    sys.stdout.flush()
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(body)
        return
    text = body.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    _echo(printable(text, keep="\n\t"))


def show_answer(http_status: int | None, error: str | None) -> str:
    """A client's answer to an attempt: ``HTTP 200``, or the error, which contains the status."""
    return error or ("" if http_status is None else f"HTTP {http_status}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without borders. In a pipe, it is never cut and never wrapped."""
    console = Console(highlight=False, markup=False)
    piped = not console.is_terminal
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=piped)
    for row in rows:
        table.add_row(*map(printable, row))
    if piped:
        console.width = _PIPED_WIDTH
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        _echo(line.rstrip())
