"""Four views of five features by one entity, as Parquet: what both stores are filled from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ENTITIES = 10_000
# Tasks of one event loop that ask at once.
CLIENTS = 16
VIEWS = {
    f"view_{view}": tuple(f"view_{view}_feature_{feature}" for feature in range(5))
    for view in range(4)
}
LAST = datetime(2013, 1, 31, tzinfo=UTC)
TTL = timedelta(days=60)


def write_views(folder: Path) -> None:
    """One file per view, one row per entity, at random times of the month before LAST."""
    random = np.random.default_rng(20130105)
    for view, features in VIEWS.items():
        seconds = random.integers(1, 30 * 86_400, ENTITIES)
        times = pl.Series([LAST - timedelta(seconds=int(one)) for one in seconds])
        times = times.dt.cast_time_unit("us").dt.replace_time_zone(None)
        frame = pl.DataFrame(
            {
                "entity": [f"E{number}" for number in range(ENTITIES)],
                "event_timestamp": times,
                "created_timestamp": times,
                "partition_day": times.dt.date(),
                **{name: random.standard_normal(ENTITIES) for name in features},
            }
        )
        frame.write_parquet(folder / f"{view}.parquet")
