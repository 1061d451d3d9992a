"""Strangers on the public port, without a key, do not slow down or refuse senders that have one.

Each attack runs in a process of its own against a server process on loopback, limited in bytes per second as a remote
stranger is, in turns with calm phases. Compared are the medians of the same run, so that a busy machine slows down
both. Figures are printed. tests/attacks/__main__.py runs an attack by hand.
"""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from attacks.attacks import ATTACKS
from attacks.sender import Phase, Sender, joined
from support import definitions
from support.manifests import Client, write
from support.server import ServerProcess, running

CLIENT: Final = Client(name="acme", url="http://127.0.0.1:19999/", suspended=True)
SIGNERS: Final = 200
"""Clients of an aggregator that signs its bodies: a body is compared with the secrets of all of them."""
ROUNDS: Final = 2
SECONDS: Final = 2.5
ESTABLISHED: Final = 1.5
"""Seconds that an attack has before it is measured."""
MOST_RATIO: Final = 3.0
MOST_LINES: Final = 60
"""Log lines during an attack: a stranger can cause a few kinds, each of which is written 5 times in 10 s at most."""
MOVED: Final = 1.5
"""The machine itself became slower or faster by this factor: then there is one more run."""


class Figures(NamedTuple):
    """What one run measured."""

    calm: list[Phase]
    attacked: Phase
    lines: int
    actions: int
    sent: int

    @property
    def ratio(self) -> float:
        return self.attacked.median / joined(*self.calm).median

    @property
    def is_moving(self) -> bool:
        medians = [phase.median for phase in self.calm]
        return max(medians) / min(medians) > MOVED

    def __str__(self) -> str:
        calm = joined(*self.calm)
        return (
            f"median {calm.median * 1000:.1f} -> {self.attacked.median * 1000:.1f} ms (x {self.ratio:.2f}), "
            f"p99 {calm.p99 * 1000:.0f} -> {self.attacked.p99 * 1000:.0f} ms, "
            f"{len(self.attacked.statuses)} posts during {self.actions:,} actions of {self.sent:,} bytes, "
            f"{self.lines} log lines"
        )


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ATTACKS)
async def test_senders_with_a_key_are_answered_as_fast_and_all_with_200(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "resources", [CLIENT])
    (folder / "signers.yaml").write_text(definitions.resources(SIGNERS))
    async with running(folder, tmp_path / "data") as server:
        sender = Sender(server.port, CLIENT.key)
        await sender.post_for(1.0)  # the first requests of a process are slow
        figures = await _measure(server, sender, name)
        _show(capsys, name, figures)
        if figures.ratio > MOST_RATIO and figures.is_moving:
            figures = await _measure(server, sender, name)
            _show(capsys, name, figures)

        assert set(joined(*figures.calm, figures.attacked).statuses) == {200}
        assert figures.actions > ROUNDS, "the attack took place"
        assert figures.ratio <= MOST_RATIO, str(figures)
        assert figures.lines <= MOST_LINES, server.tail(MOST_LINES)
        assert (await server.probe("/readyz")).status == 200


async def _measure(server: ServerProcess, sender: Sender, name: str) -> Figures:
    """Calm and attack in turns."""
    calm, attacked = [await sender.post_for(SECONDS)], list[Phase]()
    before = len(server.log)
    sent = actions = 0
    for _ in range(ROUNDS):
        attack = await _start(name, server.port)
        try:
            await sender.post_for(ESTABLISHED)
            attacked.append(await sender.post_for(SECONDS))
            output, _ = await attack.communicate(b"")
        finally:
            with contextlib.suppress(ProcessLookupError):
                attack.kill()
        assert attack.returncode == 0, f"the attack {name} failed itself"
        said = json.loads(output)
        sent, actions = sent + said["bytes"], actions + said["actions"]
        await sender.post_for(ESTABLISHED)
        calm.append(await sender.post_for(SECONDS))
    return Figures(calm, joined(*attacked), len(server.log) - before, actions, sent)


async def _start(name: str, port: int) -> asyncio.subprocess.Process:
    """Gives the process once it has its first connection."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attacks", name, str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n", f"the attack {name} failed itself"
    return process


def _show(capsys: pytest.CaptureFixture[str], name: str, figures: Figures) -> None:
    with capsys.disabled():
        print(f"\n{name}: {figures}")  # noqa: T201  the figures are for people
