"""The journal's folder: a power failure can't remove it after it was prepared."""

import random
from pathlib import Path

import pytest

from power.disk import Disk
from power.recorded_os import RecordedFolders
from trackpush_server.journal.sqlite import folder as journal_folder


@pytest.mark.parametrize("path", ["data", "var/lib/data"])
def test_a_prepared_folder_stays_after_a_power_failure(tmp_path: Path, path: str) -> None:
    for seed in range(20):
        root = tmp_path / str(seed)
        root.mkdir()
        chance = random.Random(seed)  # noqa: S311  repeatable
        folders = RecordedFolders(root, lambda chance=chance: Disk(chance, lambda _: None), on_call=lambda _: None)
        with folders.recording():
            journal_folder.prepare(root / path)
            journal_folder.make_private(root / path / "journal.db")
            journal_folder.sync(root / path)
        assert set(folders.after_power_failure()) == {root / path / "journal.db"}, f"seed {seed}"
