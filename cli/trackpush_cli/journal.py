"""`trackpush journal`: moves a journal to other storage, backs it up, restores it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trackpush_cli.errors import CommandError
from trackpush_cli.journal_backup import backup, restore
from trackpush_cli.output import say

if TYPE_CHECKING:
    from trackpush_server.journal.copying.move import Compared, CopyProgress
    from trackpush_server.journal.copying.ports import CopySource, CopyTarget

_EVERY_SECONDS: Final = 2.0
_DIGEST_CHARS: Final = 16


@click.group("journal")
def command() -> None:
    """Move, back up and restore a journal."""


@command.command("copy")
@click.option(
    "--from",
    "from_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the SQLite journal to copy.",
)
@click.option(
    "--from-dsn-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the URL of the database to copy.",
)
@click.option("--to", "to_folder", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the new journal.")
@click.option(
    "--to-dsn-file", type=click.Path(path_type=Path), metavar="FILE", help="File with the URL of an empty database."
)
def copy(
    *, from_folder: Path | None, from_dsn_file: Path | None, to_folder: Path | None, to_dsn_file: Path | None
) -> None:
    """Move a journal: --from DIR or --from-dsn-file FILE, --to DIR or --to-dsn-file FILE.

    It copies everything: updates, pushes with their state, tries and due times, attempts, the ids that detect
    duplicates, erasures. Order and push ids stay. No server may use either journal; the command refuses if one does.
    It compares both at the end, then disables the old journal and enables the new one. After an interruption, run
    it again with the same two places: it continues.
    """
    import asyncio  # noqa: PLC0415  only here, for a fast start

    from trackpush_server.journal.copying.move import move  # noqa: PLC0415  same
    from trackpush_server.journal.copying.records import TransferError  # noqa: PLC0415  same

    source, target = _source(from_folder, from_dsn_file), _target(to_folder, to_dsn_file)
    begun = time.monotonic()
    try:
        compared = asyncio.run(move(source, target, _Told()))
    except TransferError as error:
        raise CommandError(str(error)) from None
    if not compared:
        say("this journal was already moved there; start the server on the new one")
        return
    _summarize(compared, time.monotonic() - begun)


command.add_command(backup)
command.add_command(restore)


def _source(folder: Path | None, dsn_file: Path | None) -> "CopySource":
    if (folder is None) == (dsn_file is None):
        raise click.UsageError("name the source: --from DIR, or --from-dsn-file FILE, and not both")
    if folder is not None:
        from trackpush_server.journal.sqlite.copying import SqliteSource  # noqa: PLC0415  for a fast start

        return SqliteSource(folder)
    from trackpush_server.journal.postgres.copying import PostgresSource  # noqa: PLC0415  same

    assert dsn_file is not None
    return PostgresSource(_dsn(dsn_file), say)


def _target(folder: Path | None, dsn_file: Path | None) -> "CopyTarget":
    if (folder is None) == (dsn_file is None):
        raise click.UsageError("name the target: --to-dsn-file FILE, or --to DIR, and not both")
    if folder is not None:
        from trackpush_server.journal.sqlite.copying import SqliteTarget  # noqa: PLC0415  same

        return SqliteTarget(folder)
    from trackpush_server.journal.postgres.copying import PostgresTarget  # noqa: PLC0415  same

    assert dsn_file is not None
    return PostgresTarget(_dsn(dsn_file), say)


def _dsn(file: Path) -> str:
    """The DSN from a file, because every process of a machine can see a command line."""
    from trackpush_api.dsn import why_unusable  # noqa: PLC0415  for a fast start

    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: can't be read ({type(error).__name__}); mount the Secret's key there") from None
    wrong = why_unusable(text)
    if wrong is not None:
        raise CommandError(f"{file} {wrong}")
    return text


class _Told:
    """Prints the progress: throttled, and always at the end of each step."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._begun = (self._at, 0)
        self._step = ""

    def __call__(self, progress: "CopyProgress") -> None:
        now = time.monotonic()
        if progress.step != self._step:
            self._step, self._begun = progress.step, (now, progress.updates)
        done = progress.updates >= progress.total
        if not done and now - self._at < _EVERY_SECONDS:
            return
        self._at = now
        begun_at, begun_with = self._begun
        rate = (progress.updates - begun_with) / max(now - begun_at, 0.001)
        share = 100 * progress.updates / max(progress.total, 1)
        say(f"{progress.step} {progress.updates} of {progress.total} updates ({share:.0f} %, {rate:.0f}/s)")


def _summarize(compared: tuple["Compared", ...], seconds: float) -> None:
    say("both have the same content:")
    for table in compared:
        say(f"  {table.table:<9} {table.rows:>12} rows   sha256 {table.digest[:_DIGEST_CHARS]}")
    say(f"moved in {seconds:.1f} s; the old journal is out of use, start the server on the new one")
