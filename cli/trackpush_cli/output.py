"""One result, three forms: a table for people, JSON or YAML for programs."""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

FORMATS = ("table", "json", "yaml")
_PIPED_WIDTH = 10_000

output_option = click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Form of the result."
)


def print_data(data: Any, form: str) -> None:
    """Print plain data (dicts, lists, text, numbers) as ``json`` or ``yaml``."""
    if form == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    import yaml  # noqa: PLC0415  only where it is asked for

    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000), nl=False)


def counted(number: int, thing: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def show_answer(http_status: int | None, error: str | None) -> str:
    """What a client answered to an attempt: ``HTTP 200``, or the error, which names the status itself."""
    return error or ("" if http_status is None else f"HTTP {http_status}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without borders. Piped, it is as wide as it needs to be: never cut, never wrapped."""
    console = Console(highlight=False, markup=False)
    piped = not console.is_terminal
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=piped)
    for row in rows:
        table.add_row(*row)
    if piped:
        console.width = _PIPED_WIDTH
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())
