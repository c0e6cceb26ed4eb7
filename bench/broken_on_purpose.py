"""A week of served rows that is broken on purpose: the verdict specified, and the one found.

python -m bench.broken_on_purpose

It is 14,000 rows in a Parquet file, drawn as the version's training rows were, but for what is
broken. Predictions are those of the unbroken rows, so that one column at most is at fault.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import polars as pl

from bench.bar_estimate import DAY, SPEC, WEIGHTS, drawn, labels, trained
from bench.broken_cases import CASES, Case
from mlplat_assets.monitoring.drift.counting import sketches, table_cells
from mlplat_assets.monitoring.drift.profile import PREDICTION, Profile, reference_profile
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare, profiled_columns
from mlplat_assets.monitoring.performance.account import accounts
from mlplat_assets.monitoring.performance.findings import Claim
from mlplat_assets.monitoring.performance.measured import measure
from mlplat_assets.monitoring.performance.promise import Evidence
from mlplat_assets.monitoring.performance.served import series

# With 300 a day, a week cannot tell that an AUC is within its tolerance of 0.02.
EACH = 2_000
INPUTS = [*(f"x{place}" for place in range(len(WEIGHTS))), "carrier"]


@dataclass(frozen=True, kw_only=True)
class World:
    """What a version is held to, and an unbroken week that it served."""

    profile: Profile
    evidence: Evidence
    week: pl.DataFrame


def rows(cases: Sequence[Case] = CASES) -> list[dict[str, Any]]:
    """What each case is specified to be and was found to be, and whether they are the same."""
    one = world()
    found = []
    for case in cases:
        broken = case.broken(one.week)
        told = drift_told(drift_report(broken, one.profile), case.column)
        if case.labelled:
            told = "; ".join([told, *labels_told(broken, one.evidence)])
        found.append(
            {
                "broken": case.name,
                "specified": case.specified,
                "found": told,
                "holds": told == case.specified,
            }
        )
    return found


def world() -> World:
    """A model of 20,000 rows, its profile, what its holdout promises, and the week after it."""
    generator = np.random.default_rng(64)
    model = trained(generator)
    train = served(generator, model, DAY - timedelta(days=30), 10)
    holdout = served(generator, model, DAY - timedelta(days=14), 7)
    profile = reference_profile(
        train.select(INPUTS), train["partition_day"], train[PREDICTION].to_numpy(),
        quantile=SPEC.drift.quantile,
    )  # fmt: skip
    return World(
        profile=json.loads(json.dumps(profile)),
        evidence=evidence(holdout),
        week=served(generator, model, DAY - timedelta(days=6), 7),
    )


def served(
    generator: np.random.Generator,
    model: Any,  # noqa: ANN401  scikit-learn is untyped
    first: date,
    days: int,
) -> pl.DataFrame:
    """Inputs, predictions and labels of consecutive days, with the columns of `served_rows`."""
    values = drawn(generator, days * EACH, 0.0)
    at = [
        datetime.combine(first, datetime.min.time()) + timedelta(days=place)
        for place in np.repeat(np.arange(days), EACH).tolist()
    ]
    return pl.DataFrame(
        {
            **dict(zip(INPUTS, values.T, strict=False)),
            "carrier": generator.choice(["AA", "B6", "DL", "UA"], len(values)),
            "partition_day": [moment.date() for moment in at],
            "event_timestamp": at,
            "labelled_at": at,
            "version": 1,
            "variant": "champion",
            "latency_ms": 2.0,
            PREDICTION: model.predict_proba(values)[:, 1],
            "label": labels(generator, values, WEIGHTS),
        }
    )


def evidence(holdout: pl.DataFrame) -> Evidence:
    """What an evaluation records of a holdout, of the part that monitoring reads."""
    last = holdout["partition_day"].max()
    assert isinstance(last, date)
    (span,) = series(holdout, last, 7)
    found = measure(span, SPEC)
    return {
        "metrics": found.values,
        "intervals": {"candidate": {name: one.json() for name, one in found.realised.items()}},
        "estimate_gaps": {name: one.json() for name, one in found.gaps.items()},
    }


def drift_report(window: pl.DataFrame, profile: Profile) -> DriftReport:
    """The report on a window that is counted where it lies, in a file."""
    with TemporaryDirectory() as folder, duckdb.connect() as connection:  # noqa: TID251  no lake
        path = Path(folder) / "window.parquet"
        window.write_parquet(path)
        source = f"read_parquet('{path}')"
        cells = table_cells(connection, source)
        sketch = sketches(connection, source, profiled_columns(profile), cells)[()]
    return compare(sketch, profile, asdict(SPEC.drift))


def drift_told(report: DriftReport, column: str) -> str:
    """The window's verdict, the one column's with what breaks it or is told of it, all others'."""
    told, verdicts = [str(report.verdict)], {}
    for one in report.columns:
        verdict = "broken" if one.broken else one.verdict
        if one.name == column:
            wrong = [each.fault for each in one.findings if each.breaks or not one.broken]
            told.append(f"{column} {verdict}" + (f" ({', '.join(wrong)})" if wrong else ""))
        else:
            verdicts.setdefault(verdict, []).append(one.name)
    others = "others" if column else "all"
    # Where they differ, it is not as specified, and the names tell why.
    named = [f"{', '.join(names)} {verdict}" for verdict, names in verdicts.items()]
    told += [f"{others} {next(iter(verdicts))}"] if len(named) == 1 else named
    return "; ".join(told)


def labels_told(window: pl.DataFrame, known: Evidence) -> list[str]:
    """The verdicts on a week once its labels came."""
    at = datetime(2013, 3, 1, tzinfo=UTC)
    (week,) = accounts(window, SPEC, (DAY, DAY), lambda _: known, "none is asked", at)
    verdicts = {each.claim: each.verdict for each in week.findings}
    return [f"{claim} {verdicts[claim]}" for claim in (Claim.CONCEPT, Claim.PROMISE)]


def table(found: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"| {row['broken']} | {row['specified']} | {row['found']} | "
        f"{'yes' if row['holds'] else 'NO'} |"
        for row in found
    ]
    head = "| broken | specified | found | as specified |"
    return "\n".join([head, "|---" * 4 + "|", *lines, ""])


def tell(found: Sequence[dict[str, Any]]) -> int:
    """Print the table; 1 where a verdict is another than is specified."""
    sys.stdout.write(table(found))
    return 0 if all(row["holds"] for row in found) else 1


if __name__ == "__main__":
    raise SystemExit(tell(rows()))
