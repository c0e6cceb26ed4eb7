"""Small frames of the three kinds, and the join of one view with them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_pandas(frame: pa.Table) -> pd.DataFrame:
    """The table as a pandas frame whose integers may be null."""
    return frame.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def to_polars(frame: pa.Table) -> pl.DataFrame:
    """The table as a Polars frame; fixed offsets, which Polars lacks, become UTC."""
    columns = {}
    for name in frame.column_names:
        kind = frame[name].type
        fixed = pa.types.is_timestamp(kind) and kind.tz == "+05:30"
        columns[name] = frame[name].cast(pa.timestamp("us", "UTC")) if fixed else frame[name]
    return pl.DataFrame(pl.from_arrow(pa.table(columns)))


KINDS: dict[str, Callable[[pa.Table], object]] = {
    "arrow": lambda frame: frame,
    "pandas": to_pandas,
    "polars": to_polars,
    "lazy": lambda frame: to_polars(frame).lazy(),
}


def entity_frame(*times: object, **columns: list[object]) -> pa.Table:
    """An entity frame with a time column and others."""
    return pa.table({**columns, "event_timestamp": pa.array(list(times), pa.timestamp("us"))})


def weather(*rows: tuple[object, ...], **fields: object) -> ViewFrame:
    """A view of rows (airport, event, created, temperature)."""
    frame = pa.table(
        {
            "airport": pa.array([row[0] for row in rows], pa.string()),
            "at": pa.array([row[1] for row in rows], pa.timestamp("us")),
            "created": pa.array([row[2] for row in rows], pa.timestamp("us")),
            "temp": pa.array([row[3] for row in rows], pa.float64()),
        }
    )
    view = ViewFrame("flights.weather", frame, ("airport",), ("temp",), "at", "created")
    return replace(view, **fields)  # type: ignore[arg-type]


def temps(entities: pa.Table, view: ViewFrame, known_at: bool = False) -> list[float | None]:
    """The joined temperatures."""
    return point_in_time_join(entities, [view], known_at=known_at)["temp"].to_pylist()


@contextmanager
def refusal(error: type[Exception], *parts: str) -> Iterator[None]:
    """The block raises the error, and its message holds every part."""
    with pytest.raises(error) as caught:
        yield
    for part in parts:
        assert part in str(caught.value)
