"""Long work shows a bar on a terminal, and nothing where there is none."""

import os
import pty
import subprocess
import sys

PROGRAM = """
from trackpush_cli.jobs import follow

class Port:
    left = 3
    def ask(self, method, path):
        self.left -= 1
        return {"id": "j", "state": "running" if self.left else "done", "done": 10 * (3 - self.left)}

job = {"id": "j", "state": "running", "done": 0}
follow(Port(), "/jobs", job, lambda job: f"{job['done']} are pending again", share=lambda job: (job["done"], 30))
"""


def test_a_terminal_shows_how_much_is_done_and_how_much_there_is() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True, timeout=60, env=environment)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert "are pending again" in shown
    assert "/30" in shown


def test_where_stderr_is_no_terminal_nothing_of_it_is_seen() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60)

    assert (done.stdout, done.stderr) == (b"", b"")
