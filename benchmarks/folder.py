"""A folder with many clients, one file each: read and compiled, beside a bare loop of libyaml over the same files."""

import tempfile
import time
from pathlib import Path

import msgspec
import yaml

from trackpush_server.config.resources import ResourceFolder

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


class FolderCost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds, which other work on the machine hardly changes."""

    clients: int
    bare: float
    load: float
    """Read and compile everything, as `check` and a start do."""
    change: float
    """The same after one file changed."""

    @property
    def ratio(self) -> float:
        """To the bare loop."""
        return self.load / self.bare


def measure(clients: int) -> FolderCost:
    """Write a folder, and read it both ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server.yaml").write_text(_SERVER)
        for number in range(clients):
            (folder / f"client-{number:05d}.yaml").write_text(_CLIENT.format(name=f"client-{number:05d}"))
        start = time.process_time()
        for path in folder.glob("*.yaml"):
            with path.open() as file:
                list(yaml.load_all(file, Loader=yaml.CSafeLoader))
        bare = time.process_time() - start
        source = ResourceFolder(folder)
        start = time.process_time()
        loaded = source.load()
        load = time.process_time() - start
        assert loaded.table is not None
        assert len(loaded.table.accounts) == clients
        (folder / "client-00000.yaml").write_text(_CLIENT.format(name="client-00000").replace("/tracking", "/changed"))
        start = time.process_time()
        assert source.load().table is not loaded.table
        return FolderCost(clients=clients, bare=bare, load=load, change=time.process_time() - start)
