"""What drift wrote to the lake: each day's verdict and what broke, as examinations."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from mlplat_assets.alerts.days import lake_columns, since
from mlplat_assets.alerts.findings import Examination, Finding
from mlplat_assets.keys import table
from resources.lake import Lake

# What a day of drift may tell.
KINDS = ("drift", "null_spike", "schema_break")
_NAMED = 3


def drift_examinations(
    lake: Lake, models: Iterable[tuple[str, str]], seen: Mapping[str, str]
) -> Iterator[Examination]:
    """The days of each model from the last one on that told something.

    Args:
        lake: Where `drift.TEAM__NAME` are.
        models: Team and name.
        seen: The newest day that was looked at, by `kind/team.name`.
    """
    columns = lake_columns(lake, "drift")
    for team, name in models:
        where = table("drift", team, name)
        if where in columns:
            model = f"{team}.{name}"
            recent, values = since(where, seen, [f"{kind}/{model}" for kind in KINDS])
            later = _later(columns[where])
            rows = lake.read(
                f"""select partition_day, version, verdict, "column", psi, drifted, {later}
                    from {where} where {recent}""",
                values,
            ).to_pylist()
            yield from of_drift(model, rows)


def of_drift(model: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Examination]:
    """What a day tells of drift, and of the data's soundness by column.

    A day on which no version had rows enough says nothing of drift.
    """
    days: dict[date, list[Mapping[str, Any]]] = {}
    for row in rows:
        days.setdefault(row["partition_day"], []).append(row)
    for day, found in sorted(days.items()):
        yield from _soundness(model, day, found)
        if any(row["verdict"] != "INCONCLUSIVE" for row in found):
            yield _drift(model, day, found)


def _drift(model: str, day: date, rows: list[Mapping[str, Any]]) -> Examination:
    drifted = [row for row in rows if row["verdict"] == "DRIFT"]
    worst = sorted(
        (row for row in drifted if row["drifted"]), key=lambda row: row["psi"] or 0, reverse=True
    )
    named = ", ".join(f"{row['column']} PSI {row['psi'] or 0:.2f}" for row in worst[:_NAMED])
    versions = ", ".join(str(number) for number in sorted({row["version"] for row in drifted}))
    count = f"{len(worst)} column{'' if len(worst) == 1 else 's'}"
    told = f"{day}: version {versions}, {count} drifted: {named}"
    return Examination(
        model=model,
        kind="drift",
        window=str(day),
        failing=(Finding(subject="", detail=told),) if drifted else (),
        affects=(model,),
    )


def _soundness(model: str, day: date, rows: list[Mapping[str, Any]]) -> Iterator[Examination]:
    """Broken columns: those whose values are gone, and those that hold something else."""
    broken: dict[str, dict[str, Finding]] = {"null_spike": {}, "schema_break": {}}
    for row in rows:
        if row["kind"] == "quality":
            told = row["findings"] or "broken"
            kind = "null_spike" if "null" in told else "schema_break"
            detail = f"{day}: version {row['version']}, {row['column']}: {told}"
            broken[kind][row["column"]] = Finding(subject=row["column"], detail=detail)
    for kind, found in broken.items():
        yield Examination(
            model=model,
            kind=kind,
            window=str(day),
            failing=tuple(found.values()),
            affects=(model,),
        )


def _later(columns: frozenset[str]) -> str:
    """The columns of findings, null in a table from before there were any."""
    named = ("kind", "findings")
    return ", ".join(name if name in columns else f"null as {name}" for name in named)
