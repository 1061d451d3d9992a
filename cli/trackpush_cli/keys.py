"""The keys that decrypt bodies when a command reads a journal without its server. docs/encryption.md."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trackpush_cli.errors import CommandError

if TYPE_CHECKING:
    from trackpush_server.journal.sealing import Sealer

key_file_option = click.option(
    "--encryption-key-file",
    "key_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File with keys of spec.encryption, one per line, to decrypt bodies (may be repeated).",
)


def sealer(key_files: tuple[Path, ...]) -> "Sealer":
    """The cipher that decrypts with any of the keys.

    Raises:
        CommandError: a file can't be read, or one of its lines is not a key.
    """
    import os  # noqa: PLC0415  only here, for a fast start

    from trackpush_api.encryption import parse_key  # noqa: PLC0415  same
    from trackpush_api.routing import Encryption  # noqa: PLC0415  same
    from trackpush_server.journal.sealing import Sealer  # noqa: PLC0415  same

    keys: list[bytes] = []
    for path in key_files:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--encryption-key-file {path}: can't be read: {error}") from None
        for number, line in enumerate(lines, 1):
            try:
                keys += [parse_key(line)] if line.strip() else []
            except ValueError as error:
                raise CommandError(f"--encryption-key-file {path}:{number}: {error}") from None
    return Sealer(os.urandom, Encryption(keys=tuple(keys)) if keys else None)
