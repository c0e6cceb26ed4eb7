"""What performance wrote to the lake: each day's findings of the champion, as examinations."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from mlplat_assets.alerts.days import lake_columns, since
from mlplat_assets.alerts.findings import Examination, Finding
from mlplat_assets.keys import table
from resources.lake import Lake
from resources.registry.traffic_table import CHAMPION

# The kind of trouble by claim, and where it says more by subject.
KINDS: Mapping[str, str] = {
    "performs_as_promised": "decay",
    "no_concept_drift": "concept_drift",
    "stays_fair": "unfairness",
    "meets_its_objectives": "objectives",
    "meets_its_objectives/p99_ms": "latency",
    "meets_its_objectives/error_share": "errors",
}
Day = tuple[date, str]


def performance_examinations(
    lake: Lake, models: Iterable[tuple[str, str]], seen: Mapping[str, str]
) -> Iterator[Examination]:
    """The days of each model from the last one on that labels told something of.

    Other variants than the champion are their rollout's business.

    Args:
        lake: Where `performance.TEAM__NAME__findings` are.
        models: Team and name.
        seen: The newest day that was looked at, by `kind/team.name`.
    """
    written = lake_columns(lake, "performance")
    for team, name in models:
        where = f"{table('performance', team, name)}__findings"
        if where in written:
            model = f"{team}.{name}"
            recent, values = since(where, seen, [f"{kind}/{model}" for kind in KINDS.values()])
            rows = lake.read(
                f"""select partition_day, claim, subject, verdict, failed, reason from {where}
                    where {recent} and variant = ?""",
                [*values, CHAMPION],
            ).to_pylist()
            yield from of_findings(model, rows)


def of_findings(model: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Examination]:
    """An examination of each day and kind that some row tells of; an inconclusive one tells none.

    The subject of an alert is the metric, the objective or the column.
    """
    looked: dict[Day, set[str]] = {}
    failing: dict[Day, dict[str, Finding]] = {}
    for row in rows:
        kind = KINDS.get(f"{row['claim']}/{row['subject']}") or KINDS.get(row["claim"])
        if kind is None or row["verdict"] == "INCONCLUSIVE":
            continue
        at = row["partition_day"], kind
        looked.setdefault(at, set()).add(row["subject"])
        if row["failed"]:
            told = f"{row['partition_day']}: {row['reason']}"
            found = failing.setdefault(at, {})
            found[row["subject"]] = Finding(subject=row["subject"], detail=told)
    for (day, kind), subjects in sorted(looked.items()):
        found = failing.get((day, kind), {})
        for subject in sorted(subjects):
            yield Examination(
                model=model,
                kind=kind,
                window=str(day),
                failing=(found[subject],) if subject in found else (),
                affects=(model,),
                subject=subject,
            )
