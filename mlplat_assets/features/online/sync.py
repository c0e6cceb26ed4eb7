"""Bringing the online store in step with the lake: changed days in, changed keys out."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl
from filelock import FileLock

from mlplat_assets.discovery import Declared
from mlplat_assets.features.online.changes import Changes, Found
from mlplat_assets.features.online.state import (
    UNTOUCHED,
    DayState,
    Version,
    batches,
    behind,
    decoded,
    encoded,
    known_versions,
    recorded_days,
)
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import OnlineStore, ViewRequest
from resources.settings import Settings

# Rows compared at once: 300 MB for ten columns, days as they were and as they are.
_BATCH_ROWS = 2_000_000
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What a sync did. A key counts as changed when any of its rows did, late ones included."""

    days: tuple[date, ...] = ()
    keys_changed: int = 0
    keys_written: int = 0
    keys_removed: int = 0
    rows_read: int = 0
    newest_event: datetime | None = None

    def __add__(self, other: "Synced") -> "Synced":
        """Both of them."""
        newest = [at for at in (self.newest_event, other.newest_event) if at is not None]
        return Synced(
            days=tuple(sorted((*self.days, *other.days))),
            keys_changed=self.keys_changed + other.keys_changed,
            keys_written=self.keys_written + other.keys_written,
            keys_removed=self.keys_removed + other.keys_removed,
            rows_read=self.rows_read + other.rows_read,
            newest_event=max(newest, default=None),
        )


class OnlineSync:
    """One view in one lake and one online store, at one moment.

    `as_of` decides which rows are in effect: event time + landing delay <= as_of.
    """

    def __init__(
        self, lake: Lake, store: OnlineStore, view: Declared[FeatureView], as_of: datetime
    ) -> None:
        """Read what the lake has recorded and what the store was given of it.

        Raises:
            ValueError: `as_of` has no time zone.
        """
        if as_of.tzinfo is None:
            raise ValueError(f"as_of {as_of} has no time zone: pass a UTC-aware datetime")
        self._lake, self._store, self._view = lake, store, view
        self._table = table("features", view.team, view.name)
        self._until = as_of.astimezone(UTC).replace(tzinfo=None) - view.spec.landing_delay
        self._as_of = as_of
        self._recorded = recorded_days(lake, self._table)
        self._states = decoded(store.synced(view.full_name))

    def behind(self) -> list[date]:
        """The recorded days that are not online as recorded, oldest first."""
        return behind(self._recorded, self._states, self._until)

    def run(self, first: date, last: date) -> Synced:
        """Bring the days `first` to `last` in step, and those that a sync began before.

        A day is marked only when all of its rows are written: a run that fails or is killed is
        gone on with by the next one. Others must not sync the view meanwhile (`exclusively`).

        Raises:
            OnlineStoreUnavailable: The store is away.
        """
        due = [
            day
            for day in self.behind()
            if first <= day <= last or self._states.get(day, UNTOUCHED).began(self._recorded[day])
        ]
        done = Synced()
        for days in batches(due, self._recorded, _BATCH_ROWS):
            done += self._bring(days)
        return done

    def _bring(self, days: list[date]) -> Synced:
        snapshot, name = self._snapshot(), self._view.full_name
        with self._lake.connect() as connection:
            changes = Changes(connection, self._view)
            waiting = changes.read_fresh(days, snapshot, self._until)
            self._read_held(changes, days)
            found = changes.find(self._others(days, snapshot))
            versions = {
                day: Version(
                    digest=self._recorded[day].digest, snapshot=snapshot, before=waiting.get(day)
                )
                for day in days
            }
            begun = {day: self._state(day).beginning(version) for day, version in versions.items()}
            self._store.mark_synced(name, encoded(begun))
            written, removed = _apply(self._store, name, changes)
        done = {day: DayState(versions=(versions[day],), finished=True) for day in days}
        self._store.mark_synced(name, encoded(done))
        self._states |= done
        return _report(days, found, written, removed)

    def _snapshot(self) -> int:
        """The last one recorded, which leaves out what is being written; the newest without it."""
        last = max(version.snapshot for version in self._recorded.values())
        kept = self._lake.read(
            "select max(snapshot_id) as newest, bool_or(snapshot_id = ?) as has_last "
            "from ducklake_snapshots('lake')",
            [last],
        ).to_pylist()[0]
        return last if kept["has_last"] else kept["newest"]

    def _read_held(self, changes: Changes, days: list[date]) -> None:
        """Read the days as they were given; audit those of which a version is lost."""
        known = known_versions(self._lake, self._table)
        lost = {
            day for day in days for v in self._state(day).versions if (day, v.digest) not in known
        }
        given: dict[tuple[Version, bool], list[date]] = {}
        for day in days:
            state = self._state(day)
            for version in () if day in lost else state.versions:
                given.setdefault((_unnamed(version), state.finished), []).append(day)
        for (version, finished), days_of_it in given.items():
            if not changes.read_held(days_of_it, version, finished=finished):
                lost.update(days_of_it)
        if lost:
            for held in _held_rows(self._store, self._view, lost, self._as_of):
                changes.audit(held)

    def _others(self, days: list[date], snapshot: int) -> Mapping[Version, list[date]]:
        """The days beside, in the versions from which rows may be online.

        A day that is in step has the content of its version at any later snapshot: one reading
        instead of one a version.
        """
        grouped: dict[Version, list[date]] = {}
        for day, state in self._states.items():
            if day in days or day not in self._recorded:
                continue
            version = _unnamed(state.versions[-1])
            if state.began(self._recorded[day]):
                version = Version(digest="", snapshot=snapshot, before=version.before)
            grouped.setdefault(version, []).append(day)
        return grouped

    def _state(self, day: date) -> DayState:
        return self._states.get(day, UNTOUCHED)


@contextmanager
def exclusively(settings: Settings, view: str) -> Iterator[None]:
    """Hold a view for one sync at a time, whoever starts it."""
    path = settings.home / "locks" / f"online.{view}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def _apply(store: OnlineStore, name: str, changes: Changes) -> tuple[int, int]:
    """Write what changed; returns how many keys were written and how many removed."""
    written, removed = store.write(name, changes.writes()), 0
    replacements = changes.replacements()
    while batch := list(itertools.islice(replacements, _KEYS_AT_ONCE)):
        written += store.replace(name, [change for change in batch if change.row is not None])
        removed += store.replace(name, [change for change in batch if change.row is None])
    return written, removed


def _held_rows(
    store: OnlineStore, view: Declared[FeatureView], days: set[date], as_of: datetime
) -> Iterator[pl.DataFrame]:
    """Key, times and day of the rows that the store holds of the days."""
    names = [entity.name for entity in view.spec.entities]
    wanted = {day.isoformat(): day for day in days}
    keys = store.keys(view.full_name)
    while batch := list(itertools.islice(keys, _KEYS_AT_ONCE)):
        requests = [ViewRequest(view=view.full_name, key=k, features=(), ttl=None) for k in batch]
        rows = [
            (*key, found.event_timestamp, found.created_timestamp, wanted[found.partition])
            for key, found in zip(batch, store.read(requests, as_of), strict=True)
            if found.partition in wanted
        ]
        if rows:
            times = ["event_timestamp", "created_timestamp"]
            frame = pl.DataFrame(rows, [*names, *times, "partition_day"], orient="row")
            yield frame.with_columns(pl.col(times).dt.replace_time_zone(None))


def _unnamed(version: Version) -> Version:
    """The version without its day's digest: equal for all days that are read alike."""
    return replace(version, digest="")


def _report(days: list[date], found: Found, written: int, removed: int) -> Synced:
    return Synced(
        days=tuple(sorted(days)),
        keys_changed=found.keys_changed,
        keys_written=written,
        keys_removed=removed,
        rows_read=found.rows_read,
        newest_event=found.newest_event,
    )
