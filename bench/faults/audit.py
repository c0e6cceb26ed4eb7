"""Every journalled unit's bucket and variant, computed again from the registry's tables."""

import itertools
from dataclasses import dataclass

from bench.faults.storm import Row
from bench.serving_world import MODEL
from resources.registry.registry import Registry
from resources.registry.traffic_table import Traffic


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the journal says against what the tables say.

    Attributes:
        agreed: Rows whose bucket and variant are those of the revision that they name.
        moved_out: Units of the canary at one share that are not in it at the next higher one,
            among those of the journal.
        by_variant: Rows.
    """

    rows: int
    agreed: int
    units: int
    moved_out: dict[str, int]
    by_variant: dict[str, int]


def audited(versions: Registry, rows: list[Row]) -> Audit:
    """Compute again."""
    revisions = {row.revision for row in rows}
    newest = versions.traffic(MODEL).revision
    tables = {n: versions.traffic_at(MODEL, n) for n in sorted({*revisions, *range(newest + 1)})}
    agreed = sum(_agrees(row, tables[row.revision]) for row in rows)
    units = {row.unit_id for row in rows}
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.variant] = counted.get(row.variant, 0) + 1
    return Audit(
        rows=len(rows),
        agreed=agreed,
        units=len(units),
        moved_out=_moved_out(list(tables.values()), units),
        by_variant=counted,
    )


def _agrees(row: Row, table: Traffic) -> bool:
    return (row.bucket, row.variant) == (table.bucket(row.unit_id), table.variant(row.unit_id))


def _moved_out(tables: list[Traffic], units: set[str]) -> dict[str, int]:
    """By step of the canary's share, units that left it."""
    found: dict[str, int] = {}
    for before, after in itertools.pairwise(tables):
        shares = [sum(a.share for a in t.arms if a.variant == "canary") for t in (before, after)]
        if 0 < shares[0] < shares[1]:
            inside = {unit for unit in units if before.variant(unit) == "canary"}
            left = sum(after.variant(unit) != "canary" for unit in inside)
            found[f"{shares[0]:g}% -> {shares[1]:g}%, {len(inside)} units in it"] = left
    return found
