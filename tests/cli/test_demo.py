"""The demo as a user runs it: a real server in its own process, real posts, real pushes."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import DemoRun

pytestmark = pytest.mark.slow


def test_every_sample_arrives_exactly_once_and_in_order_and_the_run_ends_with_0(demo_run: DemoRun) -> None:
    assert demo_run.code == 0, demo_run.output
    assert "every push arrived exactly once and in order per shipment" in demo_run.output


def test_one_client_fails_first_and_gets_its_pushes_by_retry(demo_run: DemoRun) -> None:
    failed = set(re.findall(r"failed    (\S+)", demo_run.output))

    assert len(failed) == 1
    assert re.search(rf"pushed    {failed.pop()} got \S+ .* -> 200, try [23]", demo_run.output)


def test_duplicates_in_the_samples_are_counted_and_not_pushed_again(demo_run: DemoRun) -> None:
    assert re.search(r"received  clickpost 14_duplicate_of_03 .* -> 1 dup .* \(duplicate: no push\)", demo_run.output)
    assert len(re.findall(r"pushed .*14_duplicate_of_03", demo_run.output)) == 0


def test_late_updates_arrive_marked_as_late(demo_run: DemoRun) -> None:
    assert re.search(r"got OUT_FOR_DELIVERY \(late\) 13_panel_out_of_order", demo_run.output)


def test_probes_are_answered_and_lead_to_nothing(demo_run: DemoRun) -> None:
    for aggregator in ("clickpost", "shiprocket", "shipway"):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            assert f"received  {aggregator} {method} without a body  -> 200 (probe: not stored)" in demo_run.output


def test_every_client_gets_something(demo_run: DemoRun) -> None:
    clients = set(re.findall(r"client   (\S+) at", demo_run.output))

    assert len({client.split("/")[0] for client in clients}) == 3
    assert set(re.findall(r"pushed    (\S+) got", demo_run.output)) == clients


def test_it_continues_until_ctrl_c_and_then_shows_the_verdict() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "trackpush_cli", "demo", "--rate", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        lines = []
        try:
            for line in demo.stdout:
                lines.append(line)
                # An invented shipment's push: the samples are through.
                if re.search(r"pushed .*: \S+ \d+ -> 200", line):
                    demo.send_signal(signal.SIGINT)
                    break
            rest, _ = demo.communicate(timeout=40)
        finally:
            demo.kill()
    assert demo.returncode == 0, "".join(lines) + rest
    assert "every push arrived exactly once and in order per shipment" in rest
    folder = re.search(r"files    (\S+)", "".join(lines))
    assert folder is not None
    assert not Path(folder[1]).exists(), "the temporary folder must go"


@contextlib.contextmanager
def pushing() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A demo whose first push has arrived, and its server's pid."""
    command = [sys.executable, "-m", "trackpush_cli", "demo", "--rate", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        try:
            assert any(" pushed " in line for line in demo.stdout)
            (server,) = map(int, Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split())
            try:
                yield demo, server
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(server, signal.SIGKILL)
        finally:
            demo.kill()


def test_a_server_that_dies_ends_the_demo_which_shows_how() -> None:
    with pushing() as (demo, server):
        os.kill(server, signal.SIGKILL)
        told, _ = demo.communicate(timeout=40)

    assert demo.returncode == 1
    assert "  - the server ended by SIGKILL; the end of its log" in told
    assert '"event": "listening"' in told


def test_a_demo_that_is_killed_takes_its_server_with_it() -> None:
    with pushing() as (demo, server):
        watched = os.pidfd_open(server)
        try:
            demo.kill()
            ended, _, _ = select.select([watched], [], [], 30)
        finally:
            os.close(watched)

    assert ended, "the server goes on without its demo"


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = subprocess.run(
        [sys.executable, "-m", "trackpush_cli", "demo", "--once", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 2
    assert "is not empty: give a new folder" in result.stderr
    assert (tmp_path / "mine").read_text() == "precious"
