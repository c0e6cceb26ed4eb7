"""The Parquet files that all engines join: labels, and 4 views of 5 features, ten rows a label."""

from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

VIEWS = ("view_0", "view_1", "view_2", "view_3")
FEATURES = {view: tuple(f"{view}_f{i}" for i in range(5)) for view in VIEWS}
ROWS_PER_LABEL = 10
TTL = timedelta(days=30)

_Integers: TypeAlias = npt.NDArray[np.int64]
_ENTITIES = 10_000
_START = np.datetime64("2026-01-01", "us").astype(np.int64)
_MINUTE = 60_000_000
_MINUTES = 120 * 24 * 60


def write_files(folder: Path, labels: int, keys: str) -> None:
    """Write `labels.parquet` and one file per view, their rows in no order.

    Times are whole minutes of 120 days, so that some rows of a key fall on the same minute and
    their created times decide; `row` numbers the labels, for engines that lose their order.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(2026)
    table = {
        "row": pa.array(np.arange(labels)),
        "entity_id": pa.array(_keys(random, labels, keys)),
        "event_timestamp": _stamps(_times(random, labels)),
    }
    pq.write_table(pa.table(table), folder / "labels.parquet")
    rows = ROWS_PER_LABEL * labels
    for view in VIEWS:
        event = _times(random, rows)
        table = {
            "entity_id": pa.array(_keys(random, rows, keys)),
            "event_timestamp": _stamps(event),
            "created": _stamps(event + random.integers(0, 720, rows) * _MINUTE),
            **{name: pa.array(random.random(rows)) for name in FEATURES[view]},
        }
        pq.write_table(pa.table(table), folder / f"{view}.parquet")


def _keys(random: np.random.Generator, rows: int, keys: str) -> _Integers:
    if keys == "uniform":
        return random.integers(0, _ENTITIES, rows)
    weights = 1 / np.arange(1, _ENTITIES + 1)
    return random.choice(_ENTITIES, rows, p=weights / weights.sum())


def _times(random: np.random.Generator, rows: int) -> _Integers:
    return _START + random.integers(0, _MINUTES, rows) * _MINUTE


def _stamps(times: _Integers) -> pa.Array:
    return pa.array(times).cast(pa.timestamp("us", "UTC"))
