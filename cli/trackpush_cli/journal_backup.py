"""`trackpush journal backup` and `journal restore`: a SQLite journal as one file or stream."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import click

from trackpush_cli.errors import CommandError
from trackpush_cli.output import say

_IN_A_POD: Final = Path("/var/lib/trackpush")
_data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=_IN_A_POD,
    show_default=True,
    help="Folder of the journal, as given to `serve`. Default: the folder in a server's pod.",
)


@click.command("backup")
@_data
@click.option("--to", "target", required=True, metavar="FILE", help="A new file, or - for standard output.")
def backup(*, data: Path, target: str) -> None:
    """Copy the journal while a server uses it, to a new file or to standard output.

    The copy is one moment's state, is checked before it is handed over, and works as a journal by itself. With --to -
    nothing stays in the folder, which needs room for the copy while it is made. It holds personal data, so let nobody
    else read it. A journal in PostgreSQL is backed up by pg_dump.
    """
    from trackpush_server.journal.sqlite import backup as backups  # noqa: PLC0415  for a fast start

    try:
        if target == "-":
            if sys.stdout.isatty():
                raise CommandError("standard output is a terminal; name a file: --to FILE, or --to - > FILE")
            done = backups.back_up_to_stream(data, sys.stdout.buffer)
        else:
            done = backups.back_up_to_file(data, Path(target))
    except backups.BackupError as error:
        raise CommandError(str(error)) from None
    say(f"backed up {done.updates} updates, {done.size} bytes, sha256 {done.sha256}", err=True)


@click.command("restore")
@_data
@click.option("--from", "source", required=True, metavar="FILE", help="A backup, or - for standard input.")
@click.option("--replace", is_flag=True, help="Replace the journal in the folder.")
@click.option(
    "--sha256", metavar="HEX", help="SHA-256 that `journal backup` printed; a backup with another one is refused."
)
@click.option(
    "--data-volume",
    is_flag=True,
    envvar="TRACKPUSH_DATA_VOLUME",
    help="Accept that other users may write to --data, because it is the root of a volume that only this pod mounts.",
)
def restore(*, data: Path, source: str, replace: bool, sha256: str | None, data_volume: bool) -> None:
    """Put a backup into a folder that no server uses.

    The backup is received and checked first: its size, every page, every index, and its schema. Only then does it
    replace what is there. New updates get higher ids than any that this folder's journal has given.
    """
    from trackpush_server.journal.sqlite.backup import BackupError  # noqa: PLC0415  for a fast start
    from trackpush_server.journal.sqlite.restore import restore as put  # noqa: PLC0415  same

    try:
        with _opened(source) as content:
            done = put(data, content, replace=replace, volume=data_volume, sha256=sha256)
    except BackupError as error:
        raise CommandError(str(error)) from None
    say(f"restored {done.updates} updates; new ones get ids above {done.last_id}; start the server")


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise CommandError(f"{source} can't be read: {error.strerror or error}") from None
    with contextlib.closing(file):
        yield file
