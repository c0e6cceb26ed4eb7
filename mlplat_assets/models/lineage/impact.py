"""Which training sets and versions a bad partition touched."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlplat_assets.models.lineage.accounts import STEPS
from mlplat_assets.models.lineage.data_versions import kept
from resources.artifacts import ArtifactStore
from resources.lake import Lake
from resources.registry.records import Version


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Days of a lake table that hold a bad partition, or may: both ends inclusive.

    `exact` is for the partition itself. What is computed from it is known by its lineage and its
    windows only, without an end (`last` None) where those are not declared.
    """

    table: str
    first: date
    last: date | None
    exact: bool

    def covers(self, day: date) -> bool:
        """Whether the day is among them."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, kw_only=True)
class TouchedRows:
    """The training rows that took a value from the days of a reach.

    `rows` is None where only the first and last day that could be read were recorded.
    """

    table: str
    rows: int | None
    exact: bool


@dataclass(frozen=True, kw_only=True)
class TouchedSet:
    """A training set that read a bad partition, and the versions that learnt from it."""

    model: str
    training_set_digest: str
    as_of: str
    of_rows: int | None
    touched: list[TouchedRows]
    versions: list[int]
    stages: list[str]


def touched_sets(
    reaches: Sequence[Reach], versions: Iterable[Version], lake: Lake, artifacts: ArtifactStore
) -> list[TouchedSet]:
    """Every training set that took a value from one of the reaches, registered or not."""
    learnt: dict[tuple[str, str], list[Version]] = {}
    made: dict[tuple[str, str], Mapping[str, Any]] = {}
    for version in versions:
        identity = version.model, str(version.lineage.get("training_set_digest"))
        learnt.setdefault(identity, []).append(version)
        made[identity] = version.lineage
    for manifest in _manifests(lake, artifacts):
        made.setdefault((manifest["model"], manifest["training_set_digest"]), manifest)
    found = []
    for identity, recorded in sorted(made.items(), key=lambda item: item[0]):
        touched = list(_touched(reaches, recorded, artifacts))
        if touched:
            by = learnt.get(identity, [])
            found.append(
                TouchedSet(
                    model=identity[0],
                    training_set_digest=identity[1],
                    as_of=str(recorded.get("as_of")),
                    of_rows=recorded.get("rows"),
                    touched=touched,
                    versions=[version.number for version in by],
                    stages=[version.stage.value for version in by],
                )
            )
    return found


def _manifests(lake: Lake, artifacts: ArtifactStore) -> Iterator[dict[str, Any]]:
    """Of every training set that was made, as far as it is still stored."""
    if not lake.has(STEPS):
        return
    rows = lake.read(
        f"select distinct made from {STEPS} where stage = 'training_sets' and outcome = 'made'"
    )
    for made in rows["made"].to_pylist():
        if artifacts.exists(made):
            yield json.loads(artifacts.get_bytes(made))


def _touched(
    reaches: Sequence[Reach], recorded: Mapping[str, Any], artifacts: ArtifactStore
) -> Iterator[TouchedRows]:
    if "partition_versions" not in recorded:
        yield from _by_range(reaches, recorded)
        return
    tables = {one.table: one for one in kept(artifacts, recorded["partition_versions"])}
    for reach in reaches:
        days = tables[reach.table].days if reach.table in tables else {}
        rows = sum(one.used for day, one in days.items() if reach.covers(day))
        if rows:
            yield TouchedRows(table=reach.table, rows=rows, exact=reach.exact)


def _by_range(reaches: Sequence[Reach], recorded: Mapping[str, Any]) -> Iterator[TouchedRows]:
    """From the first and last day that could be read: all that an older version recorded."""
    spans = {used["table"]: used for used in recorded.get("partitions", ())}
    for reach in reaches:
        span = spans.get(reach.table)
        if span is None or span["first"] is None:
            continue
        first, last = date.fromisoformat(span["first"]), date.fromisoformat(span["last"])
        if reach.first <= last and (reach.last is None or first <= reach.last):
            yield TouchedRows(table=reach.table, rows=None, exact=False)
