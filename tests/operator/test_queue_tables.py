"""The tables "what wakes whom" of docs/operator.md name the queues that the code uses."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trackpush_operator.reconcile.children import ChildReconciler
from trackpush_operator.reconcile.compile_worker import CompileWorker
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.reconcile.portal_changes import PortalChanges
from trackpush_operator.reconcile.readback import Readback
from trackpush_operator.reconcile.secret_reader import SecretReader
from trackpush_operator.reconcile.shard_writer import ShardWriter
from trackpush_operator.reconcile.state import Queues
from trackpush_operator.reconcile.status_writer import StatusWriter

WORKERS: dict[str, Callable[..., Any]] = {
    "secrets": SecretReader.read,
    "decide": CompileWorker.decide,
    "servers": ChildReconciler.reconcile,
    "shards": ShardWriter.write,
    "touch": ShardWriter.touch,
    "readback": Readback.ask,
    "portal": PortalChanges.apply,
    "reports": StatusWriter.write,
}
CLASSES = {
    method.__qualname__: owner
    for owner in (SecretReader, CompileWorker, ChildReconciler, ShardWriter, Readback, PortalChanges, StatusWriter)
    for method in WORKERS.values()
    if method.__qualname__.startswith(f"{owner.__name__}.")
}
QUEUES = frozenset(Queues().by_name())


def table(heading: str) -> Iterator[list[str]]:
    """The rows of the table that has this heading as its first column."""
    page = (Path(__file__).parents[2] / "docs/operator.md").read_text(encoding="utf-8")
    _, rest = page.split(f"\n| {heading} |", 1)
    lines = rest.split("\n\n", 1)[0].splitlines()[2:]
    return ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)


def queues_in(text: str) -> frozenset[str]:
    return QUEUES & set(re.findall(r"`(\w+)`", text))


def used_queues(owner: type, method: str) -> frozenset[str]:
    """The queues that a method names, itself or in the methods of its class that it calls."""
    seen, waiting, found = set[str](), [method], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or not inspect.isfunction(owner.__dict__.get(name)):
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner.__dict__[name])))):
            if not isinstance(node, ast.Attribute):
                continue
            holder = node.value
            if isinstance(holder, ast.Name) and holder.id == "self":
                waiting.append(node.attr)
            if "queues" in (getattr(holder, "attr", ""), getattr(holder, "id", "")):
                found.add(node.attr)
    return frozenset(found) & QUEUES


ROWS = {row[0].strip("`"): row for row in table("queue")}


def test_each_queue_has_a_row() -> None:
    assert set(ROWS) == QUEUES == set(WORKERS)


@pytest.mark.parametrize("queue", sorted(WORKERS))
def test_a_row_names_the_worker_and_the_queues_that_it_feeds(queue: str) -> None:
    _, worker, _, fed = ROWS[queue]
    method = WORKERS[queue]
    assert worker == f"`{method.__qualname__}`"
    assert queues_in(fed) == used_queues(CLASSES[method.__qualname__], method.__name__)


def test_the_events_name_the_queues_of_the_event_router() -> None:
    routed = {name for method in vars(EventRouter) for name in used_queues(EventRouter, method)}
    assert {name for row in table("event") for name in queues_in(row[1])} == routed
