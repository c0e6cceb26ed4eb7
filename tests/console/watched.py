"""What the loop leaves in the registry: an alert, a retraining that waits, a rollout, a result."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from resources.alerts.records import NOT_WRITTEN, Alert, Severity, State, Step
from resources.registry.registry import Registry
from resources.registry.retraining_records import Asked, Judgement, RetrainingState
from tests.small_home import APPROVER, MODEL, open_lake

NOW = datetime(2013, 2, 8, 12, tzinfo=UTC)
DETAIL = "temp is null in 50.1% of 850 rows, 1.0% in training"


def open_alert(store: Registry, severity: Severity = Severity.P0) -> None:
    """A null spike upstream that the model suffers from."""
    alert = Alert(
        id=NOT_WRITTEN,
        model="flights.weather",
        kind="null_spike",
        subject="temp",
        severity=severity,
        state=State.OPEN,
        detail=DETAIL,
        affects=(MODEL,),
        window="2013-02-08",
        failing=True,
        before=0,
        began_at=NOW,
        opened_at=NOW,
    )
    store.alerts.settle(lambda *_: [Step(alert=alert)], lambda _: (), NOW)


def ask_for_retraining(store: Registry) -> int:
    """The number of a request that waits for an approver."""
    asked = Asked(
        model=MODEL,
        trigger="drift",
        columns=("weather__wind_gust",),
        reference=2,
        episode="2013-02-08",
        told="two columns drifted on 2013-02-08",
        fingerprint="sha256:storm",
    )
    judgement = Judgement(
        state=RetrainingState.PENDING,
        outcome="needs_approval",
        reason="retraining would gain 0.012 of auc on 4,120 recent labels",
        evidence={"recent_rows": 4120},
        approvers=(APPROVER,),
        waits_for=timedelta(days=7),
    )
    _, made = store.retrainings.decide(asked, lambda *_: judgement, actor="carol")
    assert made is not None
    return made.request


def write_experiment(home: Path, verdict: str = "better") -> None:
    """Two days of an experiment with one arm and one guardrail."""
    days = [date(2013, 3, 1), date(2013, 3, 2)]
    looks = [
        {
            "partition_day": day,
            "arm": "candidate",
            "role": role,
            "measure": measure,
            "better": "lower",
            "control_units": 900,
            "arm_units": 905,
            "control_mean": 0.151,
            "arm_mean": 0.148,
            "effect": -0.003,
            "low": -0.005,
            "high": -0.001,
            "p_value": 0.004,
            "ratio_p_value": 0.8,
            "verdict": verdict,
            "verdict_arm": "candidate",
            "reasons": "the effect is surely below 0",
            "rows": 1805,
            "rows_digest": "sha256:abcdef0123456789",
            "lake_snapshot": 12,
        }
        for day in days
        for role, measure in (("primary", "squared_error"), ("guardrail", "latency_ms"))
    ]
    open_lake(home).replace_all("experiments.flights__morning", pl.DataFrame(looks).to_arrow())
