"""docs/add-an-aggregator-in-fifteen-minutes.md is followed word by word: each command, correction and output."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.rig.processes import free_ports
from support.fifteen_minutes import FILE, definition, marked, steps, written
from support.page import changed
from trackpush_aggregators.definition.draft import draft

PORTS = ("8080", "8081", "9000")
"""Those that the page names."""
SECONDS = 200
RECEIVED = re.compile(r'"receivedAt": "[^"]+"')


class Reader:
    """Somebody who follows the page in a folder, with ports that are free here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self._sessions: list[int] = []

    def run(self, script: str) -> tuple[int, str]:
        """The exit code of a block, and what it printed."""
        for named, free in self._ports.items():
            script = script.replace(f":{named}", f":{free}").replace(f'"127.0.0.1", {named}', f'"127.0.0.1", {free}')
        output = self._folder / f"output-{len(self._sessions)}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # A file, not a pipe, and a session of its own: the server and the client continue to run after their block.
        with output.open("wb") as out:
            shell = subprocess.Popen(
                ["bash", "-c", f"set -eu -o pipefail\n{script}"],
                cwd=self._folder,
                env={**os.environ, "PATH": path},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.append(shell.pid)
        try:
            code = shell.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"this did not end:\n{script}\n{output.read_text()}{self._log()}")
        return code, output.read_text()

    def edit(self, file: str, difference: str) -> None:
        """Change a file."""
        path = self._folder / file
        path.write_text(changed(path.read_text(), difference, file))

    def text(self, file: str) -> str:
        """A file's text."""
        return (self._folder / file).read_text()

    def leave(self) -> None:
        """End what the blocks started in the background."""
        for session in self._sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)

    def _log(self) -> str:
        log = self._folder / "serve.log"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.leave()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 40)
def test_an_invented_courier_is_added_by_the_page_word_by_word_and_its_signed_update_arrives(reader: Reader) -> None:
    printed, done = "", 0
    for step in steps():
        if step.marker.startswith("runnable"):
            code, printed = reader.run(step.text)
            expected = 1 if step.marker == "runnable: exit code 1" else 0
            assert code == expected, f"{step.text}\n{printed}"
        elif step.marker == "output":
            assert RECEIVED.sub("", printed) == RECEIVED.sub("", step.text)
        elif step.marker == "draft":
            assert step.text in reader.text(FILE)
        elif step.language == "diff":
            reader.edit(step.file, step.text)
        else:
            assert step.marker == "on a cluster"
        done += 1
    assert done > 18
    assert reader.text(FILE) == definition()


def test_the_page_shows_the_part_of_the_draft_that_is_guessed() -> None:
    assert marked("draft") in draft("quickhaul", written("body.json").encode())
