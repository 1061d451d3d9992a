"""A folder with many clients, one file each: `check` and `serve`, beside a bare loop of libyaml over the same files."""

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from procstat import usage
from support.deadline import until
from support.server import ServerProcess, running

CLIENTS = 10_000
_SERVER = """\
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts: [{host: hooks.example.com}]
  allowedNamespaces: {from: All}
"""
_CLIENT = """\
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: {name}}}
stringData:
  inbound: secret-key-of-{name}
  token: token-for-{name}
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: shiprocket, namespace: {name}}}
spec:
  aggregator: Shiprocket
  keys:
    - secretKeyRef: {{name: keys, key: inbound}}
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {{name: oms, namespace: {name}}}
spec:
  url: https://{name}.example.com/tracking
  headers:
    - name: X-Token
      valueFrom:
        secretKeyRef: {{name: keys, key: token}}
"""


_BARE = """\
import pathlib, sys, yaml
for path in pathlib.Path(sys.argv[1]).glob("*.yaml"):
    with path.open() as file:
        list(yaml.load_all(file, Loader=yaml.CSafeLoader))
"""
_CHANGES = 5
_LONGEST = 60.0


class FolderCost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds of whole processes, which other work on the machine changes less than times."""

    clients: int
    bare: float
    """A process that only loads all files with libyaml."""
    check: float
    start: float
    """`serve`, until it is ready."""
    change: float
    """Seconds from a write until the new table is served, median; by the clock."""
    change_cpu: float
    """CPU seconds of one change."""
    idle: float
    """Share of a CPU while nothing changes."""
    mib: float
    """Resident memory once it is ready."""
    later_mib: float
    """The same after the changes."""


async def measure(clients: int, *, idle_seconds: float) -> FolderCost:
    """Write a folder, and do everything with it once."""
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name) / "resources", Path(name) / "data"
        folder.mkdir()
        (folder / "server.yaml").write_text(_SERVER)
        for number in range(clients):
            (folder / f"client-{number:05d}.yaml").write_text(_CLIENT.format(name=f"client-{number:05d}"))
        bare = await asyncio.to_thread(_cpu_seconds, ["-c", _BARE, str(folder)])
        check = await asyncio.to_thread(_cpu_seconds, ["-m", "trackpush_cli", "check", str(folder)])
        async with running(folder, data) as server:
            ready = usage(server.pid)
            begun = time.monotonic()
            await asyncio.sleep(idle_seconds)
            idle = (usage(server.pid).cpu_seconds - ready.cpu_seconds) / (time.monotonic() - begun)
            before = usage(server.pid)
            changes = [await _change(server, folder / "client-00000.yaml", number) for number in range(_CHANGES)]
            after = usage(server.pid)
        return FolderCost(
            clients=clients,
            bare=bare,
            check=check,
            start=ready.cpu_seconds,
            change=statistics.median(changes),
            change_cpu=(after.cpu_seconds - before.cpu_seconds) / _CHANGES,
            idle=idle,
            mib=ready.mib,
            later_mib=after.mib,
        )


def _cpu_seconds(arguments: Sequence[str]) -> float:
    """Of a Python process that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _change(server: ServerProcess, file: Path, number: int) -> float:
    since = len(server.log)
    begun = time.monotonic()
    changed = _CLIENT.format(name="client-00000").replace("/tracking", f"/changed-{number}")
    await asyncio.to_thread(file.write_text, changed)
    await until(
        lambda: server.logged("routing_table_loaded", since=since) is not None, seconds=_LONGEST, what=server.tail
    )
    return time.monotonic() - begun
