"""`trackpush schema`: writes the JSON Schema of what clients receive, or says what is out of date."""

import difflib
import json
from pathlib import Path

import click

from trackpush_server.notification_schema import VERSION, breaks, notification_schema


@click.command("schema")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and show the difference when DIR is out of date.")
def command(*, directory: Path, check: bool) -> int:
    """Write the JSON Schema of the canonical notification to DIR.

    A change that breaks clients of the version is refused: it needs a new version.
    """
    path = directory / f"notification.v{VERSION}.json"
    schema = notification_schema()
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    if found == text:
        return 0
    broken = breaks(json.loads(found), schema) if found else []
    for line in broken:
        click.echo(line, err=True)
    if broken:
        click.echo(f"{path}: this breaks clients of version {VERSION}: undo it, or make a new version", err=True)
        return 1
    if check:
        lines = difflib.unified_diff(found.splitlines(), text.splitlines(), str(path), "generated", lineterm="")
        click.echo("\n".join(lines))
        click.echo("out of date: run `make schema`", err=True)
        return 1
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    click.echo(f"wrote {path}")
    return 0
