"""Every command in the README that is marked as runnable is run, as one session of one shell."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kube.rig.processes import free_ports

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RUNNABLE = re.compile(r"<!-- runnable -->\n```sh\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def session() -> str:
    """The marked blocks, with ports that are free here in place of those that the README names."""
    script = "set -eu -o pipefail\n" + "\n".join(RUNNABLE.findall(README))
    for named, free in zip(("8080", "8081", "9000"), free_ports(3), strict=True):
        script = script.replace(f":{named}", f":{free}").replace(f'"127.0.0.1", {named}', f'"127.0.0.1", {free}')
    return script


@pytest.mark.slow
def test_the_quick_start_works_as_written(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = tmp_path / "output"
    # Not a pipe: the server that the session leaves in the background would keep it open.
    with (
        output.open("wb") as out,
        subprocess.Popen(
            ["bash", "-c", session()],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(timeout=40)
        finally:
            # Its own session: this ends the server and the client that the README starts in the background.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    log = tmp_path / "serve.log"
    assert shell.returncode == 0, output.read_text() + (log.read_text() if log.exists() else "")
    arrived = (tmp_path / "client.log").read_text().splitlines()
    assert [line.split()[:3] for line in arrived] == [
        ["try-out-oms-key", "190414247515", "OUT_FOR_DELIVERY"],
        ["try-out-oms-key", "190414247515", "DELIVERED"],
    ]


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "docs/cli.md"])
def test_every_link_within_the_tree_leads_to_a_file(page: str) -> None:
    file = ROOT / page
    missing = [link for link in LINK.findall(file.read_text()) if not (file.parent / link).exists()]

    assert missing == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))

    assert {"run", "test"} <= targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
