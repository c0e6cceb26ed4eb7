"""The join by ours, by Polars and by pandas: a child process of bench/point_in_time.py.

python -m bench.point_in_time_engines ENGINE FOLDER
"""

import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measured_process import serve
from bench.point_in_time_data import FEATURES, TTL, VIEWS
from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join


def ours(folder: Path, provenance: bool = False) -> pa.Table:
    """Our join of the labels with lazily read views."""
    views = [
        ViewFrame(
            view,
            pl.scan_parquet(folder / f"{view}.parquet"),
            ("entity_id",),
            FEATURES[view],
            "event_timestamp",
            "created",
            ttl=TTL,
        )
        for view in VIEWS
    ]
    return point_in_time_join(
        pq.read_table(folder / "labels.parquet"), views, provenance=provenance
    )


def bare_polars(folder: Path, order: tuple[str, ...] = ("event_timestamp", "created")) -> pa.Table:
    """What one would write by hand for the same answer, without any check of the input."""
    joined = pl.scan_parquet(folder / "labels.parquet").sort("event_timestamp")
    for view in VIEWS:
        rows = (
            pl.scan_parquet(folder / f"{view}.parquet")
            .sort(order)
            .select("entity_id", "event_timestamp", *FEATURES[view], at="event_timestamp")
        )
        joined = joined.join_asof(
            rows, on="event_timestamp", by="entity_id", check_sortedness=False
        )
        fresh = pl.col("event_timestamp") - pl.col("at") <= TTL
        features = [pl.when(fresh).then(pl.col(name)).alias(name) for name in FEATURES[view]]
        joined = joined.with_columns(features).drop("at")
    return joined.sort("row").collect().to_arrow()


def pandas(folder: Path) -> pa.Table:
    """The same with pandas.merge_asof."""
    import pandas as pd

    joined = pd.read_parquet(folder / "labels.parquet").sort_values("event_timestamp")
    for view in VIEWS:
        rows = pd.read_parquet(folder / f"{view}.parquet")
        rows = rows.sort_values(["event_timestamp", "created"], kind="stable")
        rows = rows.drop(columns="created")
        joined = pd.merge_asof(joined, rows, on="event_timestamp", by="entity_id", tolerance=TTL)
    return pa.Table.from_pandas(joined.sort_values("row"), preserve_index=False)


ENGINES = {
    "ours": ours,
    "polars": bare_polars,
    "polars_ties_ignored": partial(bare_polars, order=("event_timestamp",)),
    "pandas": pandas,
}


def main() -> None:
    """Serve the engine that the command line names."""
    engine, folder = ENGINES[sys.argv[1]], Path(sys.argv[2])
    versions = {name: version(name) for name in ("numpy", "pandas", "polars", "pyarrow")}
    serve(lambda: engine(folder), pq.write_table, versions)


if __name__ == "__main__":
    main()
