"""Feast's side of the online store bench; run by Feast's own interpreter.

    python online_store_feast.py DATA_FOLDER REDIS_HOST_PORT_DB < commands > answers

A command is a line of JSON, and so is its answer: seconds of each call, or of the whole sync.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feast
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig
from feast.types import Float64

_FIRST, _LAST = datetime(2012, 12, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)


def _store(folder: Path, online: object) -> feast.FeatureStore:
    config = feast.RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"registry_{type(online).__name__}.db"),
        online_store=online,
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    entity = feast.Entity(name="entity", join_keys=["entity"], value_type=feast.ValueType.STRING)
    views = [
        feast.FeatureView(
            name=view,
            entities=[entity],
            ttl=timedelta(days=60),
            schema=[feast.Field(name=name, dtype=Float64) for name in names],
            source=feast.FileSource(
                path=str(folder / f"{view}.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
            ),
        )
        for view, names in _views().items()
    ]
    store.apply([entity, *views])
    return store


def _views() -> dict[str, list[str]]:
    return {f"view_{v}": [f"view_{v}_feature_{f}" for f in range(5)] for v in range(4)}


def _features() -> list[str]:
    return [f"{view}:{name}" for view, names in _views().items() for name in names]


def _reads(store: feast.FeatureStore, command: dict) -> list[float]:
    features = _features()
    rows = [[{"entity": key} for key in keys] for keys in command["keys"]]

    def read(entity_rows: list[dict]) -> float:
        started = time.perf_counter()
        store.get_online_features(features=features, entity_rows=entity_rows).to_dict()
        return time.perf_counter() - started

    if command["clients"] == 1:
        return [read(one) for one in rows]
    with ThreadPoolExecutor(command["clients"]) as clients:
        return list(clients.map(read, rows))


def _values(store: feast.FeatureStore, command: dict) -> dict:
    rows = [{"entity": key} for key in command["keys"]]
    return store.get_online_features(features=_features(), entity_rows=rows).to_dict()


def _sync(store: feast.FeatureStore) -> float:
    started = time.perf_counter()
    store.materialize(_FIRST, _LAST)
    return time.perf_counter() - started


def main() -> None:
    """Answer commands until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    folder, redis = Path(sys.argv[1]), sys.argv[2]
    stores = {
        "redis": _store(folder, RedisOnlineStoreConfig(connection_string=redis)),
        "sqlite": _store(folder, SqliteOnlineStoreConfig(path=str(folder / "feast.sqlite"))),
    }
    for line in sys.stdin:
        command = json.loads(line)
        store = stores[command["store"]]
        if command["do"] == "sync":
            answer: object = _sync(store)
        else:
            answer = (_reads if command["do"] == "reads" else _values)(store, command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
