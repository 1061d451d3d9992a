"""Attack a server on this machine: ``PYTHONPATH=tests python -m attacks NAME PORT``. Loopback only.

It runs in a process of its own, with a lower priority than the server, until its standard input ends (Ctrl-D).
It writes a line once the attack has begun, and at the end what it sent.
"""

import asyncio
import json
import os
import sys

from attacks.attacks import ATTACKS, Attacker
from attacks.budget import Budget

_NICE = 10


async def attack(name: str, port: int) -> str:
    """Run an attack until the standard input ends; says what it sent."""
    chosen = ATTACKS[name]
    attacker = Attacker(port, Budget(chosen.rate))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    running = asyncio.ensure_future(chosen.run(attacker))
    await asyncio.wait({ended, running}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()  # an attack never ends: this raises
    running.cancel()
    return json.dumps({"bytes": attacker.budget.sent, "actions": attacker.actions})


if __name__ == "__main__":
    os.nice(_NICE)
    print(asyncio.run(attack(sys.argv[1], int(sys.argv[2]))))  # noqa: T201  its result
