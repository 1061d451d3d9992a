"""Ports for the programs of tests."""

import json
import subprocess
import sys
from pathlib import Path

from kube.rig.processes import free_ports

TESTS = Path(__file__).parents[1]
SCRIPT = """
import json
from kube.rig.processes import free_ports
print(json.dumps(free_ports(150)), flush=True)
input()
"""


def test_processes_that_look_at_the_same_time_never_get_the_same_port() -> None:
    others = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    found = free_ports(150)
    for other in others:
        assert other.stdout is not None
        found += json.loads(other.stdout.readline())
    for other in others:
        other.communicate("\n")
    assert len(set(found)) == 450
