"""The promises of a service: how slow its answers are, how often it fails to give one."""

import math
from collections.abc import Iterator

import numpy as np
import polars as pl

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.monitoring.performance.findings import MINIMUM_ROWS, Claim, Finding
from mlplat_assets.monitoring.service_answers import ServiceAnswers
from mlplat_assets.monitoring_spec import Objectives
from mlplat_assets.statistics.intervals import Interval, wilson

# A p99 is kept where at most this share is slower.
SLOWER = 0.01


def objectives_met(
    wanted: Objectives, rows: pl.DataFrame, answers: ServiceAnswers | str | None
) -> Iterator[Finding]:
    """A finding of each objective that is declared.

    Args:
        wanted: What is promised.
        rows: Served predictions of the day, with `latency_ms`.
        answers: The service's own counts since it started, or why there are none; None of a day
            that is past, of which it says nothing.
    """
    if wanted.p99_ms is not None:
        yield _latency(wanted.p99_ms, rows["latency_ms"].to_numpy())
    if wanted.error_share is not None and answers is not None:
        yield _errors(wanted.error_share, answers)


def _latency(limit: float, found: np.ndarray) -> Finding:
    """An answer is slower or not, so a quantile's bound is tested as a share, by Wilson."""
    subject = "p99_ms"
    if len(found) < MINIMUM_ROWS:
        reason = f"{len(found)} answers, fewer than {MINIMUM_ROWS}"
        return _finding(subject, Verdict.INCONCLUSIVE, None, limit, reason)
    slow = int((found > limit).sum())
    share = share_of(slow, len(found))
    measured = float(np.quantile(found, 1 - SLOWER))
    reason = (
        f"p99 {measured:.3g} ms of {len(found):,} answers; {_percent(share)} slower than "
        f"{limit:g} ms, of which 1% may be"
    )
    # In milliseconds there is no interval: the verdict is of the share.
    value = Interval(estimate=measured, low=measured, high=measured)
    return _finding(subject, held(share, SLOWER), value, limit, reason)


def _errors(limit: float, answers: ServiceAnswers | str) -> Finding:
    subject = "error_share"
    if isinstance(answers, str):
        return _finding(subject, Verdict.INCONCLUSIVE, None, limit, answers)
    if answers.requests < MINIMUM_ROWS:
        reason = f"{answers.requests} requests since it started, fewer than {MINIMUM_ROWS}"
        return _finding(subject, Verdict.INCONCLUSIVE, None, limit, reason)
    share = share_of(answers.faults, answers.requests)
    by_status = ", ".join(f"{n:,} of {status}" for status, n in sorted(answers.by_status.items()))
    reason = (
        f"{_percent(share)} of {answers.requests:,} requests ended by a fault of the service "
        f"({by_status}), at most {limit:.2%} may"
    )
    return _finding(subject, held(share, limit), share, limit, reason)


def share_of(part: int, whole: int) -> Interval:
    """A share with Wilson's interval, rows being independent."""
    share = part / whole
    return wilson(share, math.sqrt(share * (1 - share) / whole), whole, whole)


def held(share: Interval, limit: float) -> Verdict:
    """Whether a share is at most a limit: surely, surely not, or neither."""
    if share.high <= limit:
        return Verdict.PASS
    return Verdict.FAIL if share.low > limit else Verdict.INCONCLUSIVE


def _percent(share: Interval) -> str:
    return f"{share.estimate:.2%} [{share.low:.2%}, {share.high:.2%}]"


def _finding(
    subject: str, verdict: Verdict, value: Interval | None, bound: float, reason: str
) -> Finding:
    return Finding(
        claim=Claim.OBJECTIVES,
        subject=subject,
        verdict=verdict,
        value=value,
        bound=bound,
        reason=reason,
    )
