"""The join by Feast: a child process of bench/point_in_time.py, run by Feast's interpreter.

python -m bench.point_in_time_feast (dask | duckdb) FOLDER
"""

import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from feast import (  # pyright: ignore[reportMissingImports]
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.types import Float64  # pyright: ignore[reportMissingImports]

from bench.measured_process import serve
from bench.point_in_time_data import FEATURES, TTL, VIEWS


def declared_store(engine: str, folder: Path, own: Path) -> FeatureStore:
    """A store whose views are the folder's files, and whose own files are in another."""
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(own / "registry.db"),
            online_store={"type": "sqlite", "path": str(own / "online.db")},
            offline_store={"type": engine},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=view,
            entities=[entity],
            ttl=TTL,
            schema=[Field(name=name, dtype=Float64) for name in FEATURES[view]],
            source=FileSource(
                path=str(folder / f"{view}.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created",
            ),
        )
        for view in VIEWS
    ]
    store.apply([entity, *views])
    return store


def main() -> None:
    """Serve the engine that the command line names."""
    engine, folder = sys.argv[1], Path(sys.argv[2])
    features = [f"{view}:{name}" for view in VIEWS for name in FEATURES[view]]
    # Feast's DuckDB engine calls something deprecated each time; Feast's import turns these on.
    warnings.simplefilter("ignore", DeprecationWarning)
    with TemporaryDirectory() as temporary:
        store = declared_store(engine, folder, Path(temporary))

        def join() -> pd.DataFrame:
            labels = pd.read_parquet(folder / "labels.parquet")
            return store.get_historical_features(entity_df=labels, features=features).to_df()

        versions = {name: version(name) for name in ("feast", "dask", "duckdb", "pandas")}
        serve(join, lambda frame, path: frame.to_parquet(path), versions)


if __name__ == "__main__":
    main()
