"""The counters of a service's processes as one Prometheus text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bentos.model_server.meter import ROWS, SECONDS, empty_bins
from bentos.model_server.metrics.snapshots import Snapshot

# Told as 0 from the start, so that an alert on their rate sees the first one.
_COUNTS = (
    "connections_cut",
    "connections_refused",
    "deadline_passed",
    "failure_lost",
    "failure_recorded",
    "journal_lost",
    "overloaded",
    "shadow_dropped",
    "shadow_failed",
    "shadow_unfed",
)
_GAUGES = {"queue": "queue_rows"}
# Facts that every process holds alike; the others add up over the processes.
_ALIKE = ("routing_",)

Key = TypeVar("Key")


def exposition(snapshots: Sequence[Snapshot]) -> str:
    """The text format of all processes' counters, summed."""
    registry = CollectorRegistry()
    registry.register(_Service(snapshots))
    return generate_latest(registry).decode()


class _Service(Collector):
    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots
        self._model = snapshots[0].model

    def collect(self) -> Iterator[Metric]:
        yield from self._answers()
        yield self._stages()
        batches = _summed((("", s.batches) for s in self._snapshots), ROWS)
        sizes = _histogram("batch_rows", "Rows of a batch given to the model.", ["model"])
        _add(sizes, [self._model], batches[""], ROWS)
        yield sizes
        yield self._statuses()
        yield from self._counts()
        yield from self._gauges()

    def _answers(self) -> Iterator[Metric]:
        by_key = _summed((pair for s in self._snapshots for pair in s.answers), SECONDS)
        labels = ["model", "variant", "version", "status"]
        requests = CounterMetricFamily("mlplat_requests", "Requests answered.", labels=labels)
        for (status, variant, version), bins in sorted(by_key.items()):
            named = [self._model, variant, str(version), str(status)]
            requests.add_metric(named, sum(bins[:-1]))
        yield requests
        by_variant = _summed(((key[1], bins) for key, bins in by_key.items()), SECONDS)
        seconds = _histogram("request_seconds", "Time to answer.", ["model", "variant"])
        for variant, bins in sorted(by_variant.items()):
            _add(seconds, [self._model, variant], bins, SECONDS)
        yield seconds

    def _stages(self) -> Metric:
        by_stage = _summed((pair for s in self._snapshots for pair in s.stages.items()), SECONDS)
        stages = _histogram("stage_seconds", "Time of one stage of an answer.", ["model", "stage"])
        for stage, bins in sorted(by_stage.items()):
            _add(stages, [self._model, stage], bins, SECONDS)
        return stages

    def _statuses(self) -> Metric:
        total = _totals(s.statuses for s in self._snapshots)
        told = "Features used, by what the store or the caller gave."
        found = CounterMetricFamily("mlplat_feature_status", told, labels=["model", "status"])
        for status, n in sorted(total.items()):
            found.add_metric([self._model, status], n)
        return found

    def _counts(self) -> Iterator[Metric]:
        total = dict.fromkeys(_COUNTS, 0) | _totals(s.counts for s in self._snapshots)
        for name, n in sorted(total.items()):
            told = f"How often: {name.replace('_', ' ')}."
            counted = CounterMetricFamily(f"mlplat_{name}", told, labels=["model"])
            counted.add_metric([self._model], n)
            yield counted

    def _gauges(self) -> Iterator[Metric]:
        held: dict[str, list[float]] = {}
        for taken in self._snapshots:
            for name, value in taken.gauges.items():
                held.setdefault(name, []).append(value)
        for name, values in sorted(held.items()):
            together: Callable[[Iterable[float]], float]
            together = max if name.startswith(_ALIKE) else sum
            told = f"Now: {name.replace('_', ' ')}."
            named = f"mlplat_{_GAUGES.get(name, name)}"
            gauge = GaugeMetricFamily(named, told, labels=["model"])
            gauge.add_metric([self._model], together(values))
            yield gauge


def _totals(counters: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counter in counters:
        for name, n in counter.items():
            total[name] = total.get(name, 0) + n
    return total


def _summed(
    pairs: Iterable[tuple[Key, list[float]]], bounds: tuple[float, ...]
) -> dict[Key, list[float]]:
    """Histograms added up by key."""
    total: dict[Key, list[float]] = {}
    for key, bins in pairs:
        before = total.get(key) or empty_bins(bounds)
        total[key] = [a + b for a, b in zip(before, bins, strict=True)]
    return total


def _histogram(name: str, told: str, labels: list[str]) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"mlplat_{name}", told, labels=labels)


def _add(
    family: HistogramMetricFamily,
    labels: list[str],
    bins: list[float],
    bounds: tuple[float, ...],
) -> None:
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    cumulative = list(zip(names, accumulate(bins[:-1]), strict=True))
    family.add_metric(labels, cumulative, sum_value=bins[-1])
