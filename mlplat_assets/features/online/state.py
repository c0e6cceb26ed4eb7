"""What of each day of a view the online store may hold, and which days it has yet to take in.

The store remembers, beside its rows, the version of every lake day that it was given. A row that
came from the lake is always one of a remembered version of its day, in whatever moment a sync was
killed: that is what lets the next sync find the rows that the lake holds no more.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from resources.lake import VERSIONS, Lake
from resources.online_store import SyncedPartition


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The newest recorded version of one day of a lake table."""

    digest: str
    snapshot: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Version:
    """A day's content at a lake snapshot; with `before`, its rows of earlier events only.

    `before` is UTC without a zone, as in the lake: the first event that was not yet in effect.
    """

    digest: str
    snapshot: int
    before: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DayState:
    """The versions of a day from which rows may be online: one if the last sync finished."""

    versions: tuple[Version, ...] = ()
    finished: bool = False

    def lacks(self, recorded: Recorded, until: datetime) -> bool:
        """Whether rows of the recorded version with events up to `until` may not be online."""
        if not self.finished or self.versions[-1].digest != recorded.digest:
            return True
        before = self.versions[-1].before
        return before is not None and before <= until

    def began(self, recorded: Recorded) -> bool:
        """Whether a sync of the recorded version was begun, and is to be gone on with."""
        return bool(self.versions) and self.versions[-1].digest == recorded.digest

    def beginning(self, version: Version) -> "DayState":
        """The state while rows of another version are being written."""
        same = [held.before for held in self.versions if held.digest == version.digest]
        moments = [moment for moment in (version.before, *same) if moment is not None]
        before = max(moments) if len(moments) > len(same) else None
        others = (held for held in self.versions if held.digest != version.digest)
        return DayState(versions=(*others, replace(version, before=before)))


UNTOUCHED = DayState()


def recorded_days(lake: Lake, table: str) -> dict[date, Recorded]:
    """The newest recorded version of each day of a table; nothing before the first record."""
    if not lake.has(VERSIONS):
        return {}
    found = lake.read(
        f"""select partition_day, arg_max(digest, recorded_at) as digest,
                   arg_max(snapshot, recorded_at) as snapshot,
                   arg_max(row_count, recorded_at) as row_count
            from {VERSIONS} where table_name = ? group by 1 order by 1""",
        [table],
    )
    return {
        row["partition_day"]: Recorded(
            digest=row["digest"], snapshot=row["snapshot"], rows=row["row_count"]
        )
        for row in found.to_pylist()
    }


def behind(
    recorded: Mapping[date, Recorded], states: Mapping[date, DayState], until: datetime
) -> list[date]:
    """The recorded days that are not online as recorded, oldest first."""
    return [
        day
        for day, version in sorted(recorded.items())
        if states.get(day, UNTOUCHED).lacks(version, until)
    ]


def decoded(synced: Mapping[date, SyncedPartition]) -> dict[date, DayState]:
    """The states that a store keeps."""
    return {day: _decoded(held) for day, held in synced.items()}


def encoded(states: Mapping[date, DayState]) -> dict[date, SyncedPartition]:
    """States as a store keeps them: the plain digest where a day is wholly online.

    The digest of any other day is a JSON document, which equals no digest of the lake.
    """
    return {
        day: SyncedPartition(digest=_digest(state), snapshot=state.versions[-1].snapshot)
        for day, state in states.items()
    }


def known_versions(lake: Lake, table: str) -> set[tuple[date, str]]:
    """Day and digest of every version of a table that was ever recorded."""
    found = lake.read(
        f"select distinct partition_day, digest from {VERSIONS} where table_name = ?", [table]
    ).to_pydict()
    return set(zip(found["partition_day"], found["digest"], strict=True))


def batches(days: Iterable[date], recorded: Mapping[date, Recorded], rows: int) -> list[list[date]]:
    """Days in batches of at most so many rows, or of one day; newest first.

    Newest first, because rows of later batches are then mostly older than what is held.
    """
    made: list[list[date]] = []
    room = 0
    for day in sorted(days, reverse=True):
        size = recorded[day].rows
        if not made or size > room:
            made.append([])
            room = rows
        made[-1].append(day)
        room -= size
    return made


def _digest(state: DayState) -> str:
    newest = state.versions[-1]
    if state.finished and newest.before is None:
        return newest.digest
    versions = [
        [held.digest, held.snapshot, held.before and held.before.isoformat()]
        for held in state.versions
    ]
    return json.dumps({"finished": state.finished, "versions": versions})


def _decoded(held: SyncedPartition) -> DayState:
    if not held.digest.startswith("{"):
        whole = Version(digest=held.digest, snapshot=held.snapshot)
        return DayState(versions=(whole,), finished=True)
    kept = json.loads(held.digest)
    versions = tuple(
        Version(
            digest=digest,
            snapshot=snapshot,
            before=datetime.fromisoformat(before) if before else None,
        )
        for digest, snapshot, before in kept["versions"]
    )
    return DayState(versions=versions, finished=kept["finished"])
