"""Compiling with the memory of earlier compilations gives what compiling everything gives."""

import random
import sys

import pytest

from trackpush_api.compile import compile_table
from trackpush_api.manifest import ReadFile, join, read_file
from trackpush_api.namespaces import Memory

SERVER = """\
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {{name: {name}, namespace: trackpush}}
spec:
  hosts: [{{host: hooks.example.com, aggregators: [Clickpost, Shiprocket]}}]
  allowedNamespaces: {{from: {allowed}}}
  egress: {{httpsOnly: {https}}}
"""
CLIENT = """\
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: hook, namespace: {namespace}, creationTimestamp: "2026-01-0{day}T00:00:00Z"}}
spec:
  aggregator: Clickpost
  keys: [{{secretKeyRef: {{name: {secret}, key: inbound}}}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {{name: {push}, namespace: {namespace}}}
spec: {{url: "{scheme}://oms.example.com/{namespace}"}}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {{name: {secret}, namespace: {namespace}}}
stringData: {{inbound: key-of-the-client-{key}}}
"""


def _client(chance: random.Random, namespace: str) -> dict[str, str]:
    values = {
        "namespace": namespace,
        "day": chance.randrange(1, 4),
        "secret": chance.choice(("keys", "keys", "other")),
        "push": chance.choice(("oms", "wms", "NOT_A_NAME")),
        "scheme": chance.choice(("https", "https", "http")),
        "key": chance.randrange(6),
    }
    files = {f"{namespace}.yaml": CLIENT.format(**values), f"{namespace}-keys.yaml": SECRET.format(**values)}
    return {name: text for name, text in files.items() if chance.random() < 0.9}


def _servers(chance: random.Random) -> dict[str, str]:
    files = {
        name: SERVER.format(name=name, allowed=chance.choice(("All", "Same")), https=chance.choice(("true", "false")))
        for name in ("main", "second")
    }
    return files if chance.random() < 0.2 else {"main": files["main"]}


def test_a_random_history_of_changes_gives_the_same_table_and_problems_as_compiling_everything() -> None:
    seed = random.randrange(1_000_000)  # noqa: S311  not for secrets
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)  # noqa: S311  same
    memory = Memory()
    texts = _servers(chance)
    read: dict[tuple[str, str], ReadFile] = {}
    for _ in range(120):
        namespace = f"client-{chance.randrange(5)}"
        texts = {name: text for name, text in texts.items() if not name.startswith(namespace)}
        texts |= _client(chance, namespace)
        if chance.random() < 0.1:
            texts = {n: t for n, t in texts.items() if n not in {"main", "second"}} | _servers(chance)
        read = {file: read[file] if file in read else read_file(*file) for file in sorted(texts.items())}
        parsed = join(read.values())

        found = compile_table(parsed.resources, parsed.secrets, server="trackpush/main", memory=memory)

        assert found == compile_table(parsed.resources, parsed.secrets, server="trackpush/main")


@pytest.mark.parametrize("changed", ["keys", "client", "server"])
def test_only_the_namespace_of_a_changed_file_is_compiled_again(changed: str) -> None:
    chance = random.Random(1)  # noqa: S311  not for secrets
    names = [f"client-{n}" for n in range(9)]
    values = {"day": 1, "secret": "keys", "push": "oms", "scheme": "https"}
    texts = {"server": SERVER.format(name="main", allowed="All", https="true")}
    for number, name in enumerate(names):
        texts[f"{name}-keys"] = SECRET.format(namespace=name, secret="keys", key=number)
        texts[f"{name}-client"] = CLIENT.format(namespace=name, **values)
    read = {name: read_file(name, text) for name, text in texts.items()}
    memory = Memory()
    parsed = join(read.values())
    compile_table(parsed.resources, parsed.secrets, memory=memory)
    before = memory.compiled
    name = "server" if changed == "server" else f"{chance.choice(names)}-{changed}"
    read[name] = read_file(name, texts[name].replace("key-of-the-client", "other-key-of-the-client"))

    parsed = join(read.values())
    compile_table(parsed.resources, parsed.secrets, memory=memory)

    assert before == len(names)
    assert memory.compiled - before == (len(names) if changed == "server" else 1)
