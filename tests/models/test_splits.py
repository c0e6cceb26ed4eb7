"""Splits by time keep the order of time and say which days are short."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from mlplat_assets.model_spec import TimeSplit
from mlplat_assets.models.splits import Split, split

START = datetime(2013, 1, 1, tzinfo=UTC)
DAYS = 100


def frame(*, naive: bool = False) -> pl.DataFrame:
    """Four rows a day, labels alternating."""
    start = START.replace(tzinfo=None) if naive else START
    times = [start + timedelta(hours=6 * i) for i in range(4 * DAYS)]
    rows = range(4 * DAYS)
    return pl.DataFrame({"event_timestamp": times, "late": [i % 2 for i in rows], "row": rows})


def parts(found: Split) -> list[pl.DataFrame]:
    return [found.train, found.validation, found.holdout]


def test_parts_are_consecutive_and_hold_every_row_before_as_of() -> None:
    found = split(
        frame(),
        TimeSplit(validation_days=10, holdout_days=20),
        as_of=START + timedelta(days=90),
        label="late",
    )
    assert [len(part) for part in parts(found)] == [240, 40, 80]
    assert pl.concat(parts(found))["row"].to_list() == list(range(360))
    assert found.periods["train"].end == found.periods["validation"].start
    assert found.periods["validation"].end == found.periods["holdout"].start
    assert found.periods["holdout"].iso() == {"first": "2013-03-12", "last": "2013-03-31"}


def test_a_row_on_a_boundary_belongs_to_the_later_part() -> None:
    as_of = START + timedelta(days=30)
    found = split(frame(), TimeSplit(validation_days=5, holdout_days=5), as_of=as_of)
    assert found.holdout["event_timestamp"].min() == as_of - timedelta(days=5)
    assert found.holdout["event_timestamp"].max() == as_of - timedelta(hours=6)


def test_training_days_leave_older_rows_out() -> None:
    policy = TimeSplit(train_days=7, validation_days=5, holdout_days=5)
    found = split(frame(), policy, as_of=START + timedelta(days=60))
    assert len(found.train) == 28
    assert found.periods["train"].iso() == {"first": "2013-02-13", "last": "2013-02-19"}


def test_naive_timestamps_are_utc_and_zones_do_not_move_rows() -> None:
    policy = TimeSplit(validation_days=10, holdout_days=20)
    as_of = START + timedelta(days=90)
    utc = split(frame(), policy, as_of=as_of)
    zoned = frame().with_columns(pl.col("event_timestamp").dt.convert_time_zone("Asia/Tokyo"))
    elsewhere = as_of.astimezone(timezone(timedelta(hours=-5)))
    for other in (
        split(frame(naive=True), policy, as_of=as_of),
        split(zoned, policy, as_of=as_of),
        split(frame(), policy, as_of=elsewhere),
    ):
        assert [p["row"].to_list() for p in parts(other)] == [
            p["row"].to_list() for p in parts(utc)
        ]
        assert other.periods == utc.periods


def test_an_empty_part_is_refused_naming_its_days_and_the_days_there_are() -> None:
    with pytest.raises(ValueError, match=r"holdout part \(2013-04-16 to 2013-05-05\) has no rows"):
        split(
            frame(),
            TimeSplit(validation_days=10, holdout_days=20),
            as_of=START + timedelta(days=125),
        )
    with pytest.raises(ValueError, match=r"train part has no rows .* 2013-01-01 to 2013-04-10"):
        split(
            frame(),
            TimeSplit(validation_days=60, holdout_days=40),
            as_of=START + timedelta(days=90),
        )
    with pytest.raises(ValueError, match="days are none"):
        split(frame().clear(), TimeSplit(), as_of=START)


def test_a_part_with_one_class_is_refused_naming_its_days() -> None:
    late = pl.when(pl.col("row") < 280).then(pl.col("late")).otherwise(0).alias("late")
    policy = TimeSplit(validation_days=10, holdout_days=20)
    with pytest.raises(ValueError, match=r"all 80 holdout rows of 2013-03-12 to 2013-03-31"):
        split(frame().with_columns(late), policy, as_of=START + timedelta(days=90), label="late")


def test_a_naive_as_of_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        split(frame(), TimeSplit(), as_of=START.replace(tzinfo=None))
