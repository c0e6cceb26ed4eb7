"""Which content of which lake partitions a training set was made from, day by day.

Digests are computed from the rows as they stood at a snapshot, so that a change that nobody
recorded shows as well. Measured on a year of flights: 0.05 to 0.1 s a table.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlplat_assets.features.historical import LakeSnapshot
from resources.artifacts import ArtifactStore
from resources.digests import canonical_json, digest
from resources.lake_digests import digests_between


@dataclass(frozen=True, kw_only=True)
class DayVersion:
    """One day of a table: its content's digest, its rows, and how many training rows took from it.

    A day without rows is None in a table's days, and has neither.
    """

    digest: str
    rows: int
    used: int


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """The content of a table's days `first` to `last`, all that a training set could read.

    `columns` are those that the digests cover; `days` holds the days that have rows.
    """

    table: str
    columns: tuple[str, ...]
    first: date
    last: date
    days: Mapping[date, DayVersion]

    @property
    def rows(self) -> int:
        """Rows of all days."""
        return sum(day.rows for day in self.days.values())

    def summary(self) -> dict[str, object]:
        """First and last day with rows, how many, and one digest over their digests."""
        days = [day.isoformat() for day in self.days]
        found = [version.digest for version in self.days.values()]
        return {
            "table": self.table,
            "first": days[0] if days else None,
            "last": days[-1] if days else None,
            "days": len(days),
            "digest": digest([list(pair) for pair in zip(days, found, strict=True)]),
        }


@dataclass(frozen=True, kw_only=True)
class ChangedDay:
    """A day that holds other content than was recorded; None where it holds no rows."""

    table: str
    day: date
    before: str | None
    now: str | None
    rows_before: int
    rows_now: int
    used: int


def table_version(
    at: LakeSnapshot, name: str, first: date, last: date, used: Mapping[date, int]
) -> TableVersion:
    """A table's days as they stood; `used` are the training rows that took a value from each."""
    columns = tuple(at.columns(name))
    return TableVersion(
        table=name,
        columns=columns,
        first=first,
        last=last,
        days={
            day: DayVersion(digest=content, rows=rows, used=used.get(day, 0))
            for day, content, rows in _contents(at, name, columns, first, last)
        },
    )


def changed_days(at: LakeSnapshot, recorded: Sequence[TableVersion]) -> Iterator[ChangedDay]:
    """The recorded days whose content is another one at a snapshot, by table and day.

    A table that lacks a recorded column now has changed on every day.

    Raises:
        LookupError: A table is gone.
    """
    for version in recorded:
        name, columns = version.table, version.columns
        known = set(columns) <= set(at.columns(name))
        span = (version.first, version.last)
        found = {d: (c, n) for d, c, n in _contents(at, name, columns if known else (), *span)}
        for day in sorted({*version.days, *found}):
            then = version.days.get(day)
            content, rows = found.get(day, (None, 0))
            if then is None or then.digest != content:
                yield ChangedDay(
                    table=name,
                    day=day,
                    before=then and then.digest,
                    now=content,
                    rows_before=then.rows if then else 0,
                    rows_now=rows,
                    used=then.used if then else 0,
                )


def keep(artifacts: ArtifactStore, versions: Sequence[TableVersion]) -> str:
    """Store the versions as one document; returns its digest."""
    return artifacts.put_bytes(canonical_json([_plain(version) for version in versions]))


def kept(artifacts: ArtifactStore, document: str) -> list[TableVersion]:
    """The versions of a stored document."""
    return [_read(found) for found in json.loads(artifacts.get_bytes(document))]


def _contents(
    at: LakeSnapshot, name: str, columns: Sequence[str], first: date, last: date
) -> Iterator[tuple[date, str, int]]:
    sql = digests_between(at.table(name), columns or at.columns(name))
    found = at.read(sql, [first, last]).to_pydict()
    return zip(found["day"], found["digest"], found["n"], strict=True)


def _plain(version: TableVersion) -> dict[str, object]:
    days = [[d.isoformat(), v.digest, v.rows, v.used] for d, v in version.days.items()]
    return {
        "table": version.table,
        "columns": list(version.columns),
        "first": version.first.isoformat(),
        "last": version.last.isoformat(),
        "days": days,
    }


def _read(found: Mapping[str, Any]) -> TableVersion:
    return TableVersion(
        table=found["table"],
        columns=tuple(found["columns"]),
        first=date.fromisoformat(found["first"]),
        last=date.fromisoformat(found["last"]),
        days={
            date.fromisoformat(day): DayVersion(digest=content, rows=rows, used=used)
            for day, content, rows, used in found["days"]
        },
    )
