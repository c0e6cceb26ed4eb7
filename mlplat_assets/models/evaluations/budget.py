"""What the packaged model takes on this machine: time of a prediction, size of its folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Budget
from mlplat_assets.models.evaluations.served import Served

# Processor time of the calling thread, where all of the model runs, and the least of a few rounds:
# beside other work, wall time's p99 was 4.5 ms where the median was 0.08 ms.
ROUNDS, CALLS, WARM_UP, BATCH = 3, 200, 20, 1000


class Footprint(TypedDict):
    """Milliseconds of one row on one thread, rows a second of 1,000 at once, 10^6 bytes."""

    latency_p50_ms: float
    latency_p99_ms: float
    rows_per_second: float
    megabytes: float


class BudgetResult(TypedDict):
    """One declared bound as evidence records it."""

    name: str
    limit: float
    value: float
    verdict: Verdict
    passed: bool
    reason: str


def footprint(served: Served, rows: pl.DataFrame) -> Footprint:
    """Measure a model that was loaded with one thread, on rows that it will meet."""
    names = list(served.inputs())
    ones = [
        {name: [value] for name, value in row.items()}
        for row in rows.select(names).head(CALLS).iter_rows(named=True)
    ]
    sample = rows.select(names)
    while sample.height < BATCH:
        sample = pl.concat([sample, sample])
    batch = {series.name: series.to_list() for series in sample.head(BATCH)}
    for row in ones[:WARM_UP]:
        served.answer(row)
    rounds = []
    for _ in range(ROUNDS):
        taken = [_seconds(lambda row=row: served.answer(row)) for row in ones]
        rounds.append(np.percentile(taken, (50, 99)) * 1000)
    p50, p99 = np.min(rounds, axis=0)
    fastest = min(_seconds(lambda: served.answer(batch)) for _ in range(ROUNDS))
    return Footprint(
        latency_p50_ms=float(p50),
        latency_p99_ms=float(p99),
        rows_per_second=float(BATCH / fastest),
        megabytes=folder_size(served.folder) / 1e6,
    )


def folder_size(folder: Path) -> int:
    """Bytes of every file below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def judge_budget(budget: Budget, found: Footprint) -> list[BudgetResult]:
    """Each declared bound; a value equal to it passes."""
    bounds = (
        ("latency_ms", budget.latency_ms, found["latency_p99_ms"], "ms for one row at p99"),
        ("megabytes", budget.megabytes, found["megabytes"], "MB of files"),
    )
    results = []
    for name, limit, value, unit in bounds:
        if limit is None:
            continue
        verdict = Verdict.PASS if value <= limit else Verdict.FAIL
        told = "within" if verdict is Verdict.PASS else "over"
        results.append(
            BudgetResult(
                name=name,
                limit=limit,
                value=value,
                verdict=verdict,
                passed=verdict is Verdict.PASS,
                reason=f"{value:.3g} {unit}, {told} the budget of {limit:g}",
            )
        )
    return results


def _seconds(run: Callable[[], object]) -> float:
    started = time.thread_time()
    run()
    return time.thread_time() - started
