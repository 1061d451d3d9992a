"""A real Prometheus on loopback that scrapes what a test tells it to, with rules whose times are shortened."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from kube.rig.processes import Processes, free_ports
from support.debian import program

_SECOND = "1s"
_PAUSE = 0.1
_WINDOW = "8s"
"""In place of the rules' five minutes: long enough for some scrapes on a busy machine."""


def hastened(rules: dict[str, Any]) -> dict[str, Any]:
    """The same rules with shorter times: what has to last and what is looked back at. Thresholds stay."""
    text = re.sub(r"\[\d+m\]", f"[{_WINDOW}]", yaml.safe_dump(rules, width=10_000))
    return dict(yaml.safe_load(re.sub(r"for: \d+m", f"for: {_SECOND}", text)))


class Prometheus:
    """One Prometheus. `start` it, `stop` it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._processes = Processes(folder)
        self._targets: list[dict[str, Any]] = []
        (self._port,) = free_ports(1)

    def start(self, rules: dict[str, Any]) -> None:
        """Start it with these rules and nothing to scrape."""
        (self._folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
        self._write_targets()
        config = self._folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        self._processes.start(
            "prometheus", program("prometheus", "usr/bin/prometheus"), f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address=127.0.0.1:{self._port}",
            "--enable-feature=exemplar-storage", "--log.level=warn",
        )  # fmt: skip

    def stop(self) -> None:
        """End it."""
        self._processes.stop_all()

    def scrape(self, address: str, **labels: str) -> None:
        """Scrape ``host:port`` from now on, with labels as a ServiceMonitor gives them."""
        self._targets.append({"targets": [address], "labels": labels})
        self._write_targets()

    def forget(self, address: str) -> None:
        """Scrape it no longer."""
        self._targets = [target for target in self._targets if address not in target["targets"]]
        self._write_targets()

    async def get(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of its API."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as answer:
            found = await answer.json()
        assert found["status"] == "success", f"{path} {parameters}: {found}"
        return found["data"]

    async def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name with these labels that fire now."""
        try:
            found = (await self.get("alerts"))["alerts"]
        except (aiohttp.ClientError, ValueError):
            return []  # it is starting
        wanted = {"alertname": alert, **labels}.items()
        return [alert for alert in found if alert["state"] == "firing" and wanted <= alert["labels"].items()]

    async def until_firing(self, alert: str, *, seconds: float = 90.0, **labels: str) -> dict[str, Any]:
        """Wait until it fires; the alert."""
        end = asyncio.get_running_loop().time() + seconds
        while not (found := await self.firing(alert, **labels)):
            assert asyncio.get_running_loop().time() < end, f"{alert} {labels} doesn't fire within {seconds:g} s"
            await asyncio.sleep(_PAUSE)
        return found[0]

    async def until_over(self, alert: str, *, seconds: float = 90.0, **labels: str) -> None:
        """Wait until it fires no more."""
        end = asyncio.get_running_loop().time() + seconds
        while found := await self.firing(alert, **labels):
            assert asyncio.get_running_loop().time() < end, f"after {seconds:g} s still: {found}"
            await asyncio.sleep(_PAUSE)

    def _config(self) -> dict[str, Any]:
        found = {"files": [str(self._folder / "targets.json")], "refresh_interval": _SECOND}
        return {
            "global": {"scrape_interval": _SECOND, "scrape_timeout": _SECOND, "evaluation_interval": _SECOND},
            "rule_files": [str(self._folder / "alerts.yaml")],
            "scrape_configs": [{"job_name": "trackpush", "file_sd_configs": [found]}],
        }

    def _write_targets(self) -> None:
        draft = self._folder / "targets.draft"
        draft.write_text(json.dumps(self._targets))
        draft.replace(self._folder / "targets.json")
