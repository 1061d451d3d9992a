"""`trackpush schema`: writes the JSON Schemas of notifications and messages, and the admin API's description."""

import difflib
import json
from pathlib import Path

import click

from trackpush_cli.output import say
from trackpush_server.admin.api.openapi import VERSION as API_VERSION
from trackpush_server.admin.api.served import document
from trackpush_server.announcing.schema import VERSION as MESSAGE_VERSION
from trackpush_server.announcing.schema import message_schema
from trackpush_server.notification_schema import VERSION, breaks, notification_schema


@click.command("schema")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and show the difference when DIR is out of date.")
def command(*, directory: Path, check: bool) -> int:
    """Write the JSON Schemas of the canonical notification and of messages to people, and the admin API's description.

    A change that breaks clients of a schema's version is refused: it needs a new version.
    """
    schemas = {
        directory / f"notification.v{VERSION}.json": notification_schema(),
        directory / f"message.v{MESSAGE_VERSION}.json": message_schema(),
    }
    for path, schema in schemas.items():
        found = _read(path)
        broken = breaks(json.loads(found), schema) if found else []
        for line in broken:
            say(line, err=True)
        if broken:
            say(f"{path}: this breaks clients of this version: undo it, or make a new version", err=True)
            return 1
    api = directory / f"admin-api.v{API_VERSION.partition('.')[0]}.json"
    made = {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()}
    made[api] = document().decode()
    stale = {file: text for file, text in made.items() if text != _read(file)}
    if check:
        for file, text in stale.items():
            lines = difflib.unified_diff(
                _read(file).splitlines(), text.splitlines(), str(file), "generated", lineterm=""
            )
            for line in lines:
                say(line)
            say("out of date: run `make schema`", err=True)
        return int(bool(stale))
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in stale.items():
        file.write_text(text, encoding="utf-8")
        say(f"wrote {file}")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
