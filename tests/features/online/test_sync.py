"""The online store follows the lake: whatever is written, cut off or lost on the way."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlplat_assets.discovery import Declared
from mlplat_assets.features.online.comparison import compare
from mlplat_assets.features.online.sync import OnlineSync, Synced
from mlplat_assets.spec import FeatureView, Field
from resources.lake import Lake
from resources.online_store import (
    OnlineRow,
    OnlineStore,
    OnlineStoreUnavailable,
    Replacement,
    ViewRequest,
    online_store,
)

FIRST = date(2013, 6, 1)
DAYS = 4
LAST = FIRST + timedelta(days=DAYS - 1)
LANDING = timedelta(hours=6)
LATER = datetime(2013, 7, 1, tzinfo=UTC)
_number = itertools.count()

Rows = list[tuple[int, int, float | None]]  # entity, event in hours from the day's start, value


class Small:
    """A view of its own in a lake, and an online store."""

    def __init__(self, lake: Lake, store: OnlineStore) -> None:
        self.lake, self.store = lake, store
        self.view = small_view(f"v{next(_number)}")
        self.table = f"features.team__{self.view.name}"

    def build(self, day: int, rows: Rows) -> None:
        """Make a day hold these rows, and record it, as a feature asset does."""
        partition = FIRST + timedelta(days=day)
        start = datetime.combine(partition, datetime.min.time())
        named = {
            (entity, hour): {
                "entity": entity,
                "event_timestamp": start + timedelta(hours=hour),
                # Each day has its own, so that no two rows are of the same two times.
                "created_timestamp": start + timedelta(hours=hour, minutes=day),
                "partition_day": partition,
                "value": value,
            }
            for entity, hour, value in rows
        }
        frame = pl.DataFrame(list(named.values()), schema=SCHEMA)
        self.lake.replace_days(self.table, frame.to_arrow(), partition, partition)
        self.lake.record_partitions(self.table, partition, partition, run_id="test")

    def sync(
        self, first: int = 0, last: int = DAYS - 1, at: datetime = LATER, cut: int | None = None
    ) -> Synced:
        """Sync a span of days; `cut` off after so many rows were written."""
        store = self.store if cut is None else CutOff(self.store, cut)
        sync = OnlineSync(self.lake, store, self.view, as_of=at)  # type: ignore[arg-type]
        done = sync.run(FIRST + timedelta(days=first), FIRST + timedelta(days=last))
        if (first, last) == (0, DAYS - 1):
            assert sync.behind() == []
        return done

    def differences(self, at: datetime = LATER) -> list[str]:
        """Where online differs from the lake."""
        return [str(found) for found in compare(self.lake, self.store, self.view, at).differences]

    def online(self, entity: int) -> float | None:
        """The value of an entity online."""
        request = ViewRequest(
            view=self.view.full_name, key=(entity,), features=("value",), ttl=None
        )
        return self.store.read([request], LATER)[0].values["value"]  # type: ignore[return-value]


class CutOff:
    """A store whose server goes away after some rows."""

    def __init__(self, store: OnlineStore, rows: int) -> None:
        self._store, self._left = store, rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        return self._store.write(view, self._until_cut(list(rows), view, self._store.write))

    def replace(self, view: str, changes: Iterable[Replacement]) -> int:
        return self._store.replace(view, self._until_cut(list(changes), view, self._store.replace))

    def _until_cut(self, rows: list, view: str, apply: object) -> list:
        if len(rows) > self._left:
            apply(view, rows[: self._left])  # type: ignore[operator]
            raise OnlineStoreUnavailable("cut off by the test")
        self._left -= len(rows)
        return rows


SCHEMA = {
    "entity": pl.Int64,
    "event_timestamp": pl.Datetime("us"),
    "created_timestamp": pl.Datetime("us"),
    "partition_day": pl.Date,
    "value": pl.Float64,
}


def small_view(name: str) -> Declared[FeatureView]:
    spec = FeatureView(
        entities=(Field(name="entity", dtype="int"),),
        features=(Field(name="value", dtype="float"),),
        description="A number by entity.",
        landing_delay=LANDING,
    )
    return Declared(team="team", name=name, file=Path(f"{name}.py"), spec=spec)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("lake")
    return Lake(f"sqlite:{home / 'catalog.sqlite'}", str(home / "data"), home / "lake.lock")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineStore]:
    opened = online_store(f"sqlite:///{tmp_path_factory.mktemp('online') / 'online.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def small(lake: Lake, store: OnlineStore) -> Small:
    return Small(lake, store)


def test_the_first_sync_writes_the_latest_row_of_each_entity(small: Small) -> None:
    small.build(0, [(1, 0, 1.0), (1, 5, 2.0), (2, 3, None)])
    small.build(1, [(1, 0, 3.0)])
    done = small.sync()
    assert (done.keys_written, done.keys_removed, done.rows_read) == (2, 0, 4)
    assert done.newest_event == datetime(2013, 6, 2, tzinfo=UTC)
    assert small.online(1) == 3.0
    assert small.differences() == []


def test_a_sync_without_changes_reads_and_writes_nothing(small: Small) -> None:
    small.build(0, [(1, 0, 1.0)])
    small.sync()
    assert small.sync() == Synced()


def test_late_rows_write_the_changed_keys_only(small: Small) -> None:
    small.build(0, [(1, 0, 1.0), (2, 0, 2.0), (3, 0, 3.0)])
    small.build(1, [(1, 0, 1.5)])
    small.sync()
    small.build(0, [(1, 0, 1.0), (1, 9, 9.0), (2, 0, 2.0), (2, 9, 9.0), (3, 0, 3.0)])
    done = small.sync()
    assert done.days == (FIRST,)
    assert done.keys_changed == 2
    assert done.keys_written == 1, "entity 1 has a newer row on the next day"
    assert small.online(1) == 1.5
    assert small.online(2) == 9.0
    assert small.differences() == []


def test_a_deleted_row_gives_way_to_the_one_before_and_the_last_to_none(small: Small) -> None:
    small.build(0, [(1, 0, 1.0)])
    small.build(1, [(1, 0, 2.0), (2, 0, 5.0)])
    small.sync()
    small.build(1, [])
    done = small.sync()
    assert (done.keys_written, done.keys_removed) == (1, 1)
    assert small.online(1) == 1.0
    assert small.store.count(small.view.full_name) == 1
    assert small.differences() == []


def test_an_older_backfill_never_overwrites_a_newer_value(small: Small) -> None:
    small.build(3, [(1, 0, 4.0)])
    small.sync()
    small.build(0, [(1, 0, 1.0)])
    small.sync(0, 0)
    assert small.online(1) == 4.0


@pytest.mark.parametrize("later", [0, 1])
def test_of_rows_of_one_event_the_one_known_last_is_online(small: Small, later: int) -> None:
    for day in (later, 1 - later):  # the second day's one is known a minute later
        small.build(day, [(1, 24 - 24 * day, float(day))])
    small.sync()
    assert small.online(1) == 1.0
    assert small.differences() == []


def test_a_newer_value_that_was_pushed_stays_when_the_row_below_it_is_deleted(
    small: Small,
) -> None:
    small.build(0, [(1, 0, 1.0)])
    small.sync()
    moment = datetime(2013, 6, 5, tzinfo=UTC)
    pushed = OnlineRow(
        key=(1,),
        event_timestamp=moment,
        created_timestamp=moment,
        partition="2013-06-05",
        values={"value": 7.0},
    )
    small.store.write(small.view.full_name, [pushed])
    small.build(0, [(1, 0, 2.0)])
    small.sync()
    small.build(0, [])
    small.sync()
    assert small.online(1) == 7.0
    assert compare(small.lake, small.store, small.view, LATER).ahead == 0
    small.build(0, [(2, 0, 1.0)])
    small.sync()
    found = compare(small.lake, small.store, small.view, LATER)
    assert (found.entities, found.ahead, found.different) == (1, 1, 0)


def test_rows_are_written_when_they_are_in_effect_and_the_day_waits(small: Small) -> None:
    small.build(0, [(1, 0, 1.0), (1, 12, 2.0)])
    small.sync(at=datetime(2013, 6, 1, 17, 59, tzinfo=UTC))
    assert small.online(1) == 1.0
    (held,) = small.store.synced(small.view.full_name).values()
    assert len(held.digest) != 32, "the day is not marked as the lake has it"
    early = OnlineSync(small.lake, small.store, small.view, datetime(2013, 6, 1, 18, tzinfo=UTC))
    assert early.behind() == [FIRST]
    # Whatever days are asked for, what has come into effect since is brought.
    small.sync(3, 3, at=datetime(2013, 6, 1, 18, tzinfo=UTC))
    assert small.online(1) == 2.0
    (held,) = small.store.synced(small.view.full_name).values()
    assert len(held.digest) == 32


def test_a_day_that_was_rebuilt_while_it_waited_leaves_nothing_behind(small: Small) -> None:
    noon = datetime(2013, 6, 1, 12, tzinfo=UTC)
    small.build(0, [(1, 5, 1.0), (2, 5, 1.0), (1, 20, 2.0)])
    small.sync(at=noon)
    small.build(0, [(2, 4, 3.0), (1, 20, 2.0)])
    small.sync(at=noon)
    assert small.differences(noon) == []
    assert small.store.count(small.view.full_name) == 1


def test_a_sync_that_is_cut_off_marks_nothing_and_the_next_goes_on(small: Small) -> None:
    small.build(0, [(n, 0, float(n)) for n in range(10)])
    with pytest.raises(OnlineStoreUnavailable):
        small.sync(cut=4)
    assert small.store.count(small.view.full_name) == 4
    assert OnlineSync(small.lake, small.store, small.view, LATER).behind() == [FIRST]
    # Rows of the version that was cut off are gone from the lake when the sync goes on.
    small.build(0, [(n, 0, float(n)) for n in range(3, 10)])
    small.sync()
    assert small.differences() == []


def test_a_version_whose_snapshot_is_gone_is_made_up_for_by_a_full_comparison(
    small: Small,
) -> None:
    small.build(0, [(1, 0, 1.0), (2, 0, 2.0), (3, 0, 3.0)])
    small.build(1, [(1, 0, 4.0), (3, 0, 5.0)])
    small.sync()
    small.build(1, [(1, 0, 6.0)])
    expire_snapshots(small.lake)
    done = small.sync()
    assert done.days == (FIRST + timedelta(days=1),)
    assert [small.online(n) for n in (1, 2, 3)] == [6.0, 2.0, 3.0]
    assert small.differences() == []


def test_a_lake_that_was_replaced_is_not_taken_for_the_one_that_was_synced(
    small: Small, store: OnlineStore, tmp_path: Path
) -> None:
    small.build(0, [(1, 0, 1.0), (2, 0, 2.0)])
    small.sync()
    small.lake = Lake(f"sqlite:{tmp_path / 'c.sqlite'}", str(tmp_path / "data"), tmp_path / "lock")
    small.build(0, [(2, 0, 3.0)])
    small.sync()
    assert small.differences() == []


def test_a_new_feature_reaches_every_entity(small: Small) -> None:
    small.build(0, [(1, 0, 1.0), (2, 0, 2.0)])
    small.sync()
    with small.lake.write() as connection:
        connection.execute(f"alter table {small.table} add column extra bigint")
        connection.execute(f"update {small.table} set extra = entity * 10")
    small.lake.record_partitions(small.table, FIRST, LAST, run_id="test")
    extra = Field(name="extra", dtype="int")
    spec = replace(small.view.spec, features=(*small.view.spec.features, extra))
    small.view = replace(small.view, spec=spec)
    assert small.sync().keys_written == 2
    assert small.differences() == []


def test_rows_without_a_key_are_passed_over(small: Small) -> None:
    small.build(0, [(None, 0, 1.0), (1, 0, 2.0)])  # type: ignore[list-item]
    assert small.sync().keys_written == 1
    assert small.differences() == []


def test_the_clock_must_have_a_zone(small: Small) -> None:
    with pytest.raises(ValueError, match="time zone"):
        OnlineSync(small.lake, small.store, small.view, LATER.replace(tzinfo=None))


def expire_snapshots(lake: Lake) -> None:
    """Forget every snapshot but the newest."""
    with lake.write() as connection:
        connection.execute("call ducklake_expire_snapshots('lake', older_than => now())")


rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(-30, 23),
        st.none() | st.sampled_from([0.0, 1.0, 2.5, float("nan")]),
    ),
    max_size=6,
)
span = st.tuples(st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)).map(sorted)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("build"), st.integers(0, DAYS - 1), rows),
        st.tuples(st.just("build"), st.integers(0, DAYS - 1), rows),
        st.tuples(st.just("sync"), span, st.none() | st.integers(0, 3)),
        st.tuples(st.just("sync"), span, st.none() | st.integers(0, 3)),
        st.tuples(st.just("wait"), st.integers(1, 40), st.none()),
        st.tuples(st.sampled_from(["flush", "expire"]), st.none(), st.none()),
    ),
    min_size=3,
    max_size=12,
)


@given(steps=steps)
@settings(
    max_examples=15,
    deadline=None,
    # A step writes to a real lake: shrinking would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_after_any_history_a_whole_sync_leaves_online_equal_to_the_lake(
    lake: Lake, store: OnlineStore, steps: list[tuple]
) -> None:
    small = Small(lake, store)
    now = datetime(2013, 6, 1, tzinfo=UTC)
    small.build(0, [])
    for what, one, two in steps:
        if what == "build":
            small.build(one, two)
        elif what == "wait":
            now += timedelta(hours=one)
        elif what == "flush":
            small.store.clear(small.view.full_name)
        elif what == "expire":
            expire_snapshots(lake)
        else:
            with suppress(OnlineStoreUnavailable):
                small.sync(*one, at=now, cut=two)
    small.sync(at=now)
    assert small.differences(now) == []
    assert small.sync(at=now) == Synced()
