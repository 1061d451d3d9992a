"""Every metric is named by the conventions, told of on its page, and bounded in its series."""

import re
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kube.fixtures import ROOT
from support.bodies import body
from support.deadline import until
from support.operating import operating, options
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination, Filter
from trackpush_api.vocabulary import Aggregator
from trackpush_server.telemetry.receivers import ReceiversTelemetry

Promtool = Callable[..., subprocess.CompletedProcess[str]]
_ROW = re.compile(r"\| `(?P<name>[a-z_]+)(?:\{(?P<labels>[a-z_,]*)\})?` \| (?P<type>[a-z]+) \| (?P<meaning>.+) \|")
_COMMON = ("process_", "python_")


@pytest.fixture
async def server_metrics(tmp_path: Path) -> AsyncIterator[str]:
    """Of a server that has seen an update, a wrong key, and a client that refuses."""
    async with open_sink() as sink, aiohttp.ClientSession() as session:
        refusing = Destination(name="acme/push", url="http://127.0.0.1:1/", filter=Filter(expression="raw.none == 5"))
        given = table(
            account(Aggregator.CLICKPOST, "k", destinations=["acme/push", "acme/crm"]),
            account(Aggregator.CLICKPOST, "k2", name="zeta/clickpost"),
            destinations=[refusing, Destination(name="acme/crm", url=sink.url)],
        )
        async with serving(tmp_path, given) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify"
            for _ in range(5):
                await session.post(url, data=b"{", headers={"x-api-key": "k2"})
            for mark in range(8):
                content = body("clickpost", mark=mark, shipment=mark, second=1)
                await session.post(url, data=content, headers={"x-api-key": "wrong" if mark == 7 else "k"})
            failing = server._dispatcher.troubles
            await until(lambda: bool(failing()) and len(sink.marks) == 7, seconds=90, what="the breaker opens")
            yield await scraped(f"http://{server.admin_address}/metrics")


@pytest.fixture
async def operator_metrics(api_server: Any, namespace: str) -> AsyncIterator[str]:
    """Of an operator that has done its first round."""
    async with operating(options(api_server.kubeconfig, namespace)) as operator:
        await until(lambda: operator.state.lists_synced, seconds=90, what="the first lists")
        host, port = operator.health_address or ("", 0)
        yield await scraped(f"http://{host}:{port}/metrics")


async def scraped(url: str, accept: str = "") -> str:
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": accept}) as answer:
        return await answer.text()


def documented(section: str) -> dict[str, tuple[str, frozenset[str], str]]:
    """Type, labels and meaning of each metric in a section of the page."""
    page = (ROOT / "docs/metrics.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    return {
        row["name"]: (row["type"], frozenset((row["labels"] or "").split(",")) - {""}, row["meaning"])
        for row in _ROW.finditer(page)
    }


def assert_documented(text: str, section: str) -> None:
    told = documented(section)
    families = [family for family in text_string_to_metric_families(text) if not family.name.startswith(_COMMON)]
    names = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}
    assert sorted(names) == sorted(told)
    for name, family in names.items():
        kind, labels, meaning = told[name]
        assert (name, family.type) == (name, kind)
        assert meaning.startswith(family.documentation), f"{name}: the page says {meaning!r}"
        seen = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert seen <= labels, name


async def test_the_page_has_every_metric_of_a_server(server_metrics: str) -> None:
    assert_documented(server_metrics, "Server")


def test_the_page_has_every_metric_of_receiving_processes() -> None:
    registry = CollectorRegistry()
    ReceiversTelemetry(registry, receivers=2)
    assert_documented(generate_latest(registry).decode(), "Receiving processes")


async def test_the_page_has_every_metric_of_the_operator(operator_metrics: str) -> None:
    assert_documented(operator_metrics, "Operator")


async def test_promtool_finds_nothing_wrong_with_names_and_texts(
    promtool: Promtool, server_metrics: str, operator_metrics: str
) -> None:
    for text in (server_metrics, operator_metrics):
        done = promtool("check", "metrics", stdin=text)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


async def test_a_failing_client_is_named_with_since_when_and_one_that_is_well_is_not(server_metrics: str) -> None:
    found = re.findall(r"^trackpush_endpoint_failing_timestamp_seconds\{(.*)\} (\S+)$", server_metrics, re.MULTILINE)
    ((labels, since),) = found
    assert labels == 'push_config="acme/push",state="open"'
    assert float(since) > 1.7e9


async def test_what_is_refused_is_counted_by_reason(server_metrics: str) -> None:
    assert 'trackpush_ingest_refused_total{aggregator="clickpost",reason="unauthorized"} 1.0' in server_metrics
    assert 'trackpush_ingest_refused_total{aggregator="clickpost",reason="unavailable"} 0.0' in server_metrics
