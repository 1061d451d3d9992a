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


def session(ports: list[int], environment: Path) -> str:
    """The marked blocks, with ports that are free here, and with this environment where `make install` installs."""
    clone, *others = RUNNABLE.findall(README)
    script = "\n".join(["set -eu -o pipefail", clone, f"ln -s {environment} .venv", "touch .venv/.ready", *others])
    for named, free in zip(("8080", "8081", "9000"), ports, strict=True):
        script = script.replace(f":{named}", f":{free}").replace(f'"127.0.0.1", {named}', f'"127.0.0.1", {free}')
    return script


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_readme_works_as_written_from_the_clone_to_the_clean_up_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    output = tmp_path / "output"
    ports = free_ports(3)
    environment = {"REPOSITORY": str(ROOT), "TRACKPUSH_ADMIN": f"http://127.0.0.1:{ports[1]}", "NO_COLOR": "1"}
    # Not a pipe: if the session fails, the server that it leaves in the background would keep it open.
    with (
        output.open("wb") as out,
        subprocess.Popen(
            ["bash", "-c", session(ports, Path(sys.prefix))],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(timeout=240)
        finally:
            # Its own session: this ends the server and the client that the README starts in the background.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    printed = output.read_text()
    assert shell.returncode == 0, printed
    arrived = [line.split()[:3] for line in printed.splitlines() if line.startswith("try-out-oms-key ")]
    assert arrived == [
        ["try-out-oms-key", "190414247515", "OUT_FOR_DELIVERY"],
        ["try-out-oms-key", "190414247515", "DELIVERED"],
    ]
    for shown in ("0 errors, 0 warnings", "routing_table_loaded", "Nothing is wrong"):
        assert shown.lower() in printed.lower(), printed
    status = subprocess.run(["git", "status", "--short"], cwd=folder / "trackpush", check=True, capture_output=True)
    assert status.stdout.decode().split() in ([], ["??", ".venv"])  # a link here, where a folder would be ignored
    assert not (folder / "trackpush/try-out").exists()


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
