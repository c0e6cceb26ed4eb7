"""The lake tables of performance: one row per day, version, variant, and what it is about.

`performance.TEAM__MODEL` has the realised metrics of single days. Beside it, with names that end
as below: `__metrics` (realised and estimated, of single days and of the last days together),
`__labels`, `__slices`, `__calibration` and `__findings`. Null is what is not known (yet).
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from mlplat_assets.assessment.estimation import ASSUMPTION
from mlplat_assets.discovery import Declared
from mlplat_assets.keys import table
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.monitoring.performance.account import Account
from mlplat_assets.monitoring.performance.calibration import calibration
from mlplat_assets.monitoring.performance.measured import Measured
from mlplat_assets.statistics.intervals import Interval
from resources.lake import Lake, add_column

Row = dict[str, Any]
_SERIES = [
    ("partition_day", pa.date32()),
    ("version", pa.int64()),
    ("variant", pa.string()),
]
_NUMBERS = ("value", "low", "high")
_SCHEMAS: dict[str, list[tuple[str, pa.DataType]]] = {
    "metrics": [
        ("days", pa.int64()),
        ("metric", pa.string()),
        ("rows", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("served", pa.int64()),
        *((f"estimated_{name}", pa.float64()) for name in _NUMBERS),
        ("estimate_says", pa.string()),
        *((f"gap_{name}", pa.float64()) for name in _NUMBERS),
    ],
    "labels": [
        ("served", pa.int64()),
        ("labelled", pa.int64()),
        ("late", pa.int64()),
        ("early", pa.int64()),
        ("missing", pa.int64()),
    ],
    "slices": [
        ("about", pa.string()),
        ("column", pa.string()),
        ("part", pa.string()),
        ("metric", pa.string()),
        ("rows", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("reason", pa.string()),
    ],
    "calibration": [
        ("bin", pa.int64()),
        ("rows", pa.int64()),
        ("predicted", pa.float64()),
        ("observed", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
    ],
    "findings": [
        ("claim", pa.string()),
        ("subject", pa.string()),
        ("verdict", pa.string()),
        ("failed", pa.bool_()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("bound", pa.float64()),
        ("reason", pa.string()),
    ],
}


def write(
    lake: Lake, model: Declared[ModelSpec], found: Sequence[Account], first: date, last: date
) -> None:
    """Make the days of every table, first to last, hold exactly these accounts."""
    spec = model.spec
    main = table("performance", model.team, model.name)
    if lake.has(main):
        # A table from before variants had the champion's days only.
        with lake.write() as connection:
            add_column(connection, main, "variant", "varchar")
    metrics = [(metric, pa.float64()) for metric in METRICS[spec.task]]
    wide = pa.schema([*_SERIES, ("rows", pa.int64()), *metrics])
    rows = [_wide(each) for each in found if each.day.values]
    lake.replace_days(main, pa.Table.from_pylist(rows, schema=wide), first, last)
    makers = {
        "metrics": _metrics,
        "labels": _labels,
        "slices": _slices,
        "calibration": lambda each: calibration(each.series, spec),
        "findings": _findings,
    }
    for part, make in makers.items():
        schema = pa.schema([*_SERIES, *_SCHEMAS[part]])
        rows = [{**_series(each), **row} for each in found for row in make(each)]
        made = pa.Table.from_pylist(rows, schema=schema)
        lake.replace_days(part_table(model.team, model.name, part), made, first, last)


def part_table(team: str, name: str, part: str) -> str:
    """The table of one part: metrics, labels, slices, calibration or findings."""
    return f"{table('performance', team, name)}__{part}"


def _series(account: Account) -> Row:
    own = account.series
    return {"partition_day": own.day, "version": own.version, "variant": own.variant}


def _wide(account: Account) -> Row:
    day = account.day
    return {**_series(account), "rows": day.series.labelled.height, **day.values}


def _metrics(account: Account) -> Iterator[Row]:
    measures = [account.day] if account.span.series.days == 1 else [account.day, account.span]
    for each in measures:
        for metric in dict.fromkeys((*each.values, *each.estimated)):
            yield _metric(each, metric)


def _metric(measured: Measured, metric: str) -> Row:
    known = measured.realised.get(metric)
    return {
        "days": measured.series.days,
        "metric": metric,
        "rows": measured.series.labelled.height,
        **_ends("", known),
        "value": measured.values.get(metric),
        "served": measured.series.rows.height,
        **_ends("estimated_", measured.estimated.get(metric)),
        "estimate_says": ASSUMPTION if metric in measured.estimated else None,
        **_ends("gap_", measured.gaps.get(metric)),
    }


def _ends(prefix: str, interval: Interval | None) -> Row:
    if interval is None:
        return {f"{prefix}{name}": None for name in _NUMBERS}
    ends = (interval.estimate, interval.low, interval.high)
    return {f"{prefix}{name}": end for name, end in zip(_NUMBERS, ends, strict=True)}


def _labels(account: Account) -> Iterator[Row]:
    arrived = account.arrived
    yield {
        "served": arrived.served,
        "labelled": arrived.labelled,
        "late": arrived.late,
        "early": arrived.early,
        "missing": arrived.missing,
    }


def _slices(account: Account) -> Iterator[Row]:
    if account.parts is None:
        return
    for each in account.parts.slices:
        found = next(iter(each["metrics"].values()), None)
        yield {
            "about": "slice",
            "column": each["column"],
            "part": each["value"],
            "metric": each["metric"],
            "rows": each["rows"],
            **_ends("", Interval(**found) if found else None),
            "reason": each["reason"],
        }
    for each in account.parts.fairness:
        for group in each["groups"]:
            share = Interval(**group["share"]) if group["share"] else None
            yield {
                "about": "fairness",
                "column": each["column"],
                "part": group["value"],
                "metric": each["metric"],
                "rows": group["rows"],
                **_ends("", share),
                "reason": each["reason"],
            }


def _findings(account: Account) -> Iterator[Row]:
    for each in account.findings:
        yield {
            "claim": each.claim.value,
            "subject": each.subject,
            "verdict": each.verdict.value,
            "failed": each.failed,
            **_ends("", each.value),
            "bound": each.bound,
            "reason": each.reason,
        }
