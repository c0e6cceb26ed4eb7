"""Served predictions, counted day by day where they lie: the journal's JSON is read by SQL."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mlplat_assets.monitoring.drift.counting import Cell, sketches
from mlplat_assets.monitoring.drift.profile import PREDICTION, Profile
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.monitoring.drift.verdict import profiled_columns
from resources.lake import Lake

# A later document's value stands for an earlier one's.
_DOCUMENTS = ("entities", "context", "features")

Days = tuple[date, date]


def served_versions(lake: Lake, served: str, days: Days) -> dict[int, str]:
    """The artefact digest of each version that predicted in the days, by version."""
    found = lake.read(
        f"""select distinct version, artifact_digest from {served}
            where partition_day between ? and ? order by version""",
        list(days),
    ).to_pydict()
    return dict(zip(found["version"], found["artifact_digest"], strict=True))


def served_days(
    lake: Lake, served: str, version: int, profile: Profile, days: Days, segment: str | None = None
) -> dict[tuple[Any, ...], Sketch]:
    """A sketch of each day that a version predicted on, or of each day and value of a segment.

    Args:
        lake: Where the predictions are.
        served: Their table.
        version: Which version's.
        profile: What to count them by.
        days: First and last, inclusive.
        segment: An input column; rows without a value of it are under None.
    """
    columns = profiled_columns(profile)
    names = [*profile["columns"]]
    source, paths = journal_source(served, names)
    cells = journal_cells(names)
    by = ["partition_day", *([cells[segment].value] if segment else [])]
    with lake.connect() as connection:
        return sketches(connection, source, columns, cells, by=by, bound=[*paths, version, *days])


def recorded_profile(card: Mapping[str, Any]) -> Profile:
    """The profile without redacted columns, which would look like ones that went missing."""
    redacted = card.get("serving", {}).get("journal", {}).get("redact", ())
    profile: Profile = card["profile"]
    columns = {name: one for name, one in profile["columns"].items() if name not in redacted}
    return {**profile, "columns": columns}


def journal_source(served: str, names: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Predictions with each document taken apart once, and what its first marks bind.

    Then it binds a version, and the first and last day.
    """
    paths = [f'$."{name}"' for name in names]
    parts = ", ".join(
        f"json_type({one}, ?::varchar[]) as {one}_types, "
        f"json_extract_string({one}, ?::varchar[]) as {one}_values"
        for one in _DOCUMENTS
    )
    # A value stands once in the plan, not in each of the counts that are made of it.
    chosen = ", ".join(_chosen(place) for place in range(1, len(names) + 1))
    source = f"""(select prediction_id, partition_day, prediction, {chosen} from (
                  select prediction_id, partition_day, prediction, {parts} from {served}
                  where version = ? and partition_day between ? and ?))"""
    return source, [paths] * (2 * len(_DOCUMENTS))


def journal_cells(names: Sequence[str]) -> dict[str, Cell]:
    """The input columns of `journal_source`, and `prediction`."""
    cells = {
        name: Cell(value=f"value_{place}", type="JSON", json_type=f"type_{place}")
        for place, name in enumerate(names, start=1)
    }
    return {**cells, PREDICTION: Cell(value="prediction", type="DOUBLE")}


def _chosen(place: int) -> str:
    """A column's value and type, from the last document that has it."""
    told = [(f"{one}_types[{place}]", f"{one}_values[{place}]") for one in reversed(_DOCUMENTS)]
    cases = " ".join(f"when {kind} is not null then {value}" for kind, value in told)
    kinds = ", ".join(kind for kind, _ in told)
    return f"case {cases} end as value_{place}, coalesce({kinds}) as type_{place}"
