"""Everything that is told of the served days of a model, from rows alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.arrivals import Arrivals, arrivals
from mlplat_assets.monitoring.performance.findings import Finding
from mlplat_assets.monitoring.performance.measured import Measured, defined, measure
from mlplat_assets.monitoring.performance.objectives import objectives_met
from mlplat_assets.monitoring.performance.parts import Parts, judged_parts
from mlplat_assets.monitoring.performance.promise import (
    Evidence,
    no_concept_drift,
    performs_as_promised,
)
from mlplat_assets.monitoring.performance.served import Series, series
from mlplat_assets.monitoring.service_answers import ServiceAnswers


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one version answered as one variant, on a day and over the days that end with it.

    `findings` are of the days; `parts` None where labels define no metric yet. `evidence` is the
    version's evaluation.
    """

    day: Measured
    span: Measured
    arrived: Arrivals
    parts: Parts | None
    findings: tuple[Finding, ...]
    evidence: Evidence

    @property
    def series(self) -> Series:
        """Who answered, and which rows over the days."""
        return self.span.series


def accounts(
    rows: pl.DataFrame,
    spec: ModelSpec,
    days: tuple[date, date],
    evidence: Callable[[int], Evidence],
    answers: ServiceAnswers | str,
    at: datetime,
) -> list[Account]:
    """An account of each day, version and variant that answered on it.

    Args:
        rows: What `served_rows` gave, from `spec.monitoring.days - 1` days before the first.
        spec: The model's declaration.
        days: The first and the last day, inclusive.
        evidence: The evaluation of a version, by its number.
        answers: The service's own counts, or why there are none; they are of the newest day.
        at: Now, UTC.
    """
    first, last = days
    known: dict[int, Evidence] = {}
    found = []
    newest = rows["partition_day"].max()
    for place in range((last - first).days + 1):
        day = first + timedelta(days=place)
        of_day = series(rows, day, 1)
        for own, recent in zip(of_day, series(rows, day, spec.monitoring.days), strict=True):
            if own.version not in known:
                known[own.version] = evidence(own.version)
            now = answers if day == newest else None
            found.append(_account(own, recent, spec, known[own.version], now, at))
    return found


def _account(
    own: Series,
    recent: Series,
    spec: ModelSpec,
    evidence: Evidence,
    answers: ServiceAnswers | str | None,
    at: datetime,
) -> Account:
    span = measure(recent, spec)
    parts = judged_parts(recent, spec) if defined(recent, spec) else None
    findings = [
        performs_as_promised(span, evidence, spec),
        no_concept_drift(span, evidence, spec),
        *(parts.findings() if parts else ()),
        *objectives_met(spec.monitoring.objectives, own.rows, answers),
    ]
    return Account(
        day=measure(own, spec),
        span=span,
        arrived=arrivals(own, spec.monitoring.label_delay, at),
        parts=parts,
        findings=tuple(each for each in findings if each is not None),
        evidence=evidence,
    )
