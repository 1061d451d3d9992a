"""Sums the metrics of several processes: receiving processes send their samples, the main process shows the sums."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trackpush_server.telemetry.labels import OTHER

Labels = tuple[tuple[str, str], ...]
Samples = dict[str, dict[tuple[str, Labels], float]]
"""Values by metric, then by sample name (``…_bucket``) and labels."""

_TIMES: Final = "_created"
"""Samples with the time at which counting started: the sum is the earliest one."""


def samples_of(registry: CollectorRegistry) -> Samples:
    return {
        metric.name: {(sample.name, tuple(sample.labels.items())): sample.value for sample in metric.samples}
        for metric in registry.collect()
    }


def without(samples: Samples, names: Iterable[str]) -> Samples:
    """The samples without these metrics. Used for the gauges of a process that has ended, which no longer apply."""
    left_out = frozenset(names)
    return {name: values for name, values in samples.items() if name not in left_out}


def add(total: Samples, more: Samples) -> None:
    for name, values in more.items():
        known = total.setdefault(name, {})
        for key, value in values.items():
            known[key] = _sum(key[0], known.get(key), value)


def retain(total: Samples, push_configs: Container[str]) -> None:
    """Drop the samples of deleted PushConfigs."""
    for values in total.values():
        for key in list(values):
            name = dict(key[1]).get("push_config", OTHER)
            if name != OTHER and name not in push_configs:
                del values[key]


class Summed(Collector):
    """The metrics of a registry, with the samples of other processes added to those of the same name."""

    def __init__(self, registry: CollectorRegistry, elsewhere: Sequence[Samples]) -> None:
        self._registry = registry
        self._elsewhere = elsewhere

    def collect(self) -> Iterable[Metric]:
        total: Samples = {}
        for samples in self._elsewhere:
            add(total, samples)
        for metric in self._registry.collect():
            yield _with(metric, total[metric.name]) if metric.name in total else metric


def _with(metric: Metric, more: Mapping[tuple[str, Labels], float]) -> Metric:
    values = {(sample.name, tuple(sample.labels.items())): sample.value for sample in metric.samples}
    summed = Metric(metric.name, metric.documentation, metric.type, metric.unit)
    for key in {**values, **more}:
        value = values.get(key)
        summed.add_sample(key[0], dict(key[1]), _sum(key[0], value, more[key]) if key in more else value or 0.0)
    return summed


def _sum(name: str, known: float | None, value: float) -> float:
    if known is None:
        return value
    return min(known, value) if name.endswith(_TIMES) else known + value
