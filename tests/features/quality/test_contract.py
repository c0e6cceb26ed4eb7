"""What a table declares holds for its rows, or is told by column, count and example."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplat_assets.features.quality.contract import SchemaBroken, Violation, conform, violations
from mlplat_assets.spec import Field

DAY, NEXT = date(2024, 3, 1), date(2024, 3, 2)
NOON = datetime(2024, 3, 1, 12)  # noqa: DTZ001  the lake keeps UTC without a zone
COLUMNS = {"shop": "string", "event_timestamp": "timestamp", "partition_day": "date",
           "sales": "int", "share": "float"}  # fmt: skip
SHARE = Field(name="share", dtype="float", minimum=0, maximum=1)


def frame(**changes: object) -> pl.DataFrame:
    columns = {
        "shop": ["a", "b"],
        "event_timestamp": [NOON, NOON],
        "partition_day": [DAY, DAY],
        "sales": [1, 2],
        "share": [0.5, 1.0],
    }
    return pl.DataFrame(columns | changes)


def shares(*values: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"share": pl.Series(values, dtype=pl.Float64), "partition_day": [DAY] * len(values)}
    )


def test_declared_columns_come_in_order_and_in_the_lakes_types() -> None:
    rows = frame(
        sales=pl.Series([1, 2], dtype=pl.Int16),
        event_timestamp=pl.Series([NOON, NOON]).dt.replace_time_zone("America/New_York"),
        shop=pl.Series(["a", "b"], dtype=pl.Categorical),
    ).select("sales", "share", "shop", "partition_day", "event_timestamp")
    made = conform(rows, COLUMNS, producer="x")
    assert made.columns == list(COLUMNS)
    assert made.dtypes == [pl.String, pl.Datetime("us"), pl.Date, pl.Int64, pl.Float64]
    assert made["event_timestamp"][0] == NOON + timedelta(hours=5)


def test_a_window_without_a_value_takes_the_declared_type() -> None:
    made = conform(frame(sales=[None, None]), COLUMNS, producer="x")
    assert made.schema["sales"] == pl.Int64
    assert conform(frame().clear(), COLUMNS, producer="x").height == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sales": ["1", "2"]}, "column 'sales' is declared int, found String"),
        ({"sales": [1.0, 2.0]}, "column 'sales' is declared int, found Float64"),
        ({"share": [1, 2]}, "column 'share' is declared float, found Int64"),
        ({"sales": pl.Series([1, 2], dtype=pl.UInt64)}, "declared int, found UInt64"),
        ({"extra": [1, 2]}, "column 'extra' is not declared, found Int64"),
        ({"event_timestamp": [DAY, DAY]}, "'event_timestamp' is declared timestamp, found Date"),
    ],
)
def test_a_retyped_or_added_column_is_refused_by_name_and_type(
    changes: dict[str, object], told: str
) -> None:
    with pytest.raises(SchemaBroken, match=told):
        conform(frame(**changes), COLUMNS, producer="shop.py: compute()")


def test_a_removed_column_is_refused_and_all_differences_are_told_at_once() -> None:
    with pytest.raises(SchemaBroken) as refused:
        conform(frame(amount=[1, 2]).drop("sales"), COLUMNS, producer="shop.py: compute()")
    message = str(refused.value)
    assert message.startswith("shop.py: compute(): column 'sales' is declared int, found none; ")
    assert "column 'amount' is not declared" in message
    assert "Return exactly the declared columns" in message


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("list[int]", pl.List(pl.Int32()), pl.List(pl.Float64())),
        ("list[string]", pl.List(pl.String()), pl.String()),
        ("bytes", pl.Binary(), pl.String()),
        ("float32", pl.Float32(), pl.Float64()),
        ("bool", pl.Boolean(), pl.Int8()),
    ],
)
def test_every_declared_type_takes_its_own_values_only(
    dtype: str, good: pl.DataType, bad: pl.DataType
) -> None:
    conform(pl.DataFrame(schema={"x": good}), {"x": dtype}, producer="p")
    with pytest.raises(SchemaBroken):
        conform(pl.DataFrame(schema={"x": bad}), {"x": dtype}, producer="p")


def test_rows_that_keep_the_contract_break_no_rule() -> None:
    fields = (Field(name="sales", dtype="int", minimum=1, max_null_rate=0.0), SHARE)
    assert violations(frame(), fields, keys=["shop"], time="event_timestamp") == []


def test_a_repeated_row_and_a_null_key_are_told_apart() -> None:
    rows = frame(shop=["a", "a"])
    assert violations(rows, (), keys=["shop"], time="event_timestamp") == [
        Violation(
            rule="one row per key",
            column="shop, event_timestamp",
            count=1,
            example="shop a, event_timestamp 2024-03-01 12:00:00",
        )
    ]
    (missing,) = violations(frame(shop=[None, None]), (), keys=["shop"], time="event_timestamp")
    assert (missing.rule, missing.column, missing.count) == ("present in the key", "shop", 2)


def test_a_table_without_keys_has_one_row_per_time() -> None:
    (repeated,) = violations(frame(), (), time="event_timestamp")
    assert (repeated.column, repeated.count) == ("event_timestamp", 1)


def test_allowed_values_are_told_with_the_stranger_among_them() -> None:
    field = Field(name="shop", dtype="string", allowed=("a", "c"))
    (found,) = violations(frame(), (field,))
    assert (found.rule, found.count) == ("one of a, c", 1)
    assert found.example.startswith("b in event_timestamp 2024-03-01 12:00:00")


def test_a_null_rate_is_of_one_day_and_equal_to_its_maximum_is_kept() -> None:
    rows = pl.DataFrame(
        {"share": [None, 0.5, None, None, None, 0.1], "partition_day": [DAY] * 2 + [NEXT] * 4}
    )
    (found,) = violations(rows, (Field(name="share", dtype="float", max_null_rate=0.5),))
    assert found == Violation(
        rule="at most 50% null a day",
        column="share",
        count=1,
        example="2024-03-02: 3 of 4 rows",
    )


def test_nan_is_no_value_of_a_range() -> None:
    (found,) = violations(shares(0.5, float("nan")), (SHARE,))
    assert (found.rule, found.count) == ("a number", 1)


@given(
    st.lists(
        st.none() | st.integers(-3, 3).map(float) | st.just(float("nan")) | st.just(float("inf"))
    )
)
def test_ranges_count_what_a_loop_over_the_values_counts(values: list[float | None]) -> None:
    found = {v.rule: v.count for v in violations(shares(*values), (SHARE,))}
    present = [value for value in values if value is not None]
    naive = {
        "at least 0": sum(value < 0 for value in present),
        "at most 1": sum(value > 1 for value in present),
        "a number": sum(value != value for value in present),
    }
    assert found == {rule: count for rule, count in naive.items() if count}


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([NOON, None]))))
def test_the_grain_counts_what_a_loop_over_the_rows_counts(
    rows: list[tuple[str | None, datetime | None]],
) -> None:
    table = pl.DataFrame(
        rows, schema={"shop": pl.String(), "event_timestamp": pl.Datetime("us")}, orient="row"
    ).with_columns(partition_day=pl.lit(DAY))
    counted = violations(table, (), keys=["shop"], time="event_timestamp")
    found = {(v.rule, v.column): v.count for v in counted}
    whole = [row for row in rows if None not in row]
    naive = {
        ("present in the key", "shop"): sum(shop is None for shop, _ in rows),
        ("present in the key", "event_timestamp"): sum(at is None for _, at in rows),
        ("one row per key", "shop, event_timestamp"): len(whole) - len(set(whole)),
    }
    assert found == {rule: count for rule, count in naive.items() if count}
