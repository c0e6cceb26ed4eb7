"""Online reads and syncs: ours, bare redis-py on our layout as floor, and Feast 0.67.

    python -m bench.online_store

Four views of five features, 10,000 entities, a Redis started for it. Engines take turns within
each round, so that a busy moment of the machine meets all of them; figures are medians of rounds.
Writes bench/results/online_store.json and prints a table. Takes two to three minutes.
"""

import functools
import gc
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import redis

from bench.online_store_data import CLIENTS, ENTITIES, VIEWS, write_views
from bench.online_store_engines import Floor, Keys, Layouts, Ours, timed, timed_tasks
from bench.online_store_report import Samples, report
from bench.online_store_servers import Feast, redis_server
from mlplat_assets.features.online.rows import online_rows
from mlplat_assets.spec import FeatureView, Field
from resources.online_rows import Packer, decode_key
from resources.online_store import OnlineRow, OnlineStore, online_store

ROUNDS = 5
# Calls per round by entities: of ours and the floor, and of Feast, which takes far longer.
CALLS = {1: 1000, 100: 100}
FEAST_CALLS = {1: 150, 100: 16}


def view_rows(folder: Path, view: str) -> Iterator[OnlineRow]:
    """A file's rows as the sync of a view makes them."""
    declared = FeatureView(
        entities=(Field(name="entity", dtype="string"),),
        features=tuple(Field(name=name, dtype="float") for name in VIEWS[view]),
        description="",
    )
    return online_rows(pl.read_parquet(folder / f"{view}.parquet"), declared)


def sync_rate(store: OnlineStore, folder: Path) -> float:
    """Rows/s from the files to an empty store."""
    for view in VIEWS:
        store.clear(view)
    started = time.perf_counter()
    for view in VIEWS:
        store.write(view, view_rows(folder, view))
    return ENTITIES * len(VIEWS) / (time.perf_counter() - started)


def syncs(ours: dict[str, OnlineStore], feast: Feast, port: int, folder: Path) -> dict[str, int]:
    """Rows/s of whole views, medians of three turns."""
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, store in ours.items():
            rates[f"ours_{name}"].append(sync_rate(store, folder))
        redis.Redis(port=port, db=1).flushdb()
        for name in ("redis", "sqlite"):
            rates[f"feast_{name}"].append(ENTITIES * len(VIEWS) / feast.ask(do="sync", store=name))
    return {name: round(statistics.median(found)) for name, found in rates.items()}


def one_client(
    samples: Samples, engines: dict[str, Callable[[Keys], object]], choice: random.Random
) -> None:
    """A round of single calls, engines in another order at every call."""
    for entities, calls in CALLS.items():
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(calls):
            keys = chosen(choice, entities)
            for name in choice.sample(list(engines), len(engines)):
                seconds[name].append(timed(engines[name], keys))
        for name, found in seconds.items():
            samples.add((name, entities, 1), found)


def many_clients(
    samples: Samples, ours: dict[str, Ours], floor: Floor, choice: random.Random
) -> None:
    """A round with CLIENTS tasks of one event loop, as a server has them."""
    for entities, calls in CALLS.items():
        batches = [chosen(choice, entities) for _ in range(4 * calls)]
        for name, store in ours.items():
            found, whole = timed_tasks(store.aread, batches, CLIENTS)
            samples.add((f"ours_{name}", entities, CLIENTS), found, whole)
        read = functools.partial(floor.aread, floor.opened())
        found, whole = timed_tasks(read, batches, CLIENTS)
        samples.add(("floor_redis", entities, CLIENTS), found, whole)


def feast_round(samples: Samples, feast: Feast, choice: random.Random) -> None:
    """A round of Feast, single calls and CLIENTS threads, as its own server has them."""
    for name in ("redis", "sqlite"):
        for entities, calls in FEAST_CALLS.items():
            for clients in (1, CLIENTS):
                keys = [chosen(choice, entities) for _ in range(calls)]
                started = time.perf_counter()
                found = feast.ask(do="reads", store=name, keys=keys, clients=clients)
                whole = time.perf_counter() - started if clients > 1 else 0.0
                samples.add((f"feast_{name}", entities, clients), found, whole)


def chosen(choice: random.Random, entities: int) -> list[str]:
    """Entities at random, none twice."""
    return [f"E{number}" for number in choice.sample(range(ENTITIES), entities)]


def check_values(ours: dict[str, Ours], feast: Feast) -> None:
    """That all stores give the same values.

    Raises:
        RuntimeError: They do not.
    """
    keys = chosen(random.Random(0), 100)
    theirs = feast.ask(do="values", store="redis", keys=keys)
    expected = {name: theirs[name] for names in VIEWS.values() for name in names}
    for name, store in ours.items():
        found: dict[str, list[object]] = defaultdict(list)
        for answer in store.read(keys):
            for feature, value in answer.values.items():
                found[feature].append(value)
        if found != expected or None in found["view_0_feature_0"]:
            raise RuntimeError(f"ours on {name} and Feast on Redis give different values")


def layouts(url: str, folder: Path) -> Layouts:
    """The same rows as ours, in the other layouts."""
    rows: dict[str, dict[str, bytes]] = {}
    for view in VIEWS:
        changes = Packer(view).changes(view_rows(folder, view))
        rows[view] = {str(decode_key(key)[0]): row for key, _, row in changes}
    return Layouts(url, rows)


def measured(ours: dict[str, Ours], floor: Floor, others: Layouts, feast: Feast) -> Samples:
    """Every case, in ROUNDS rounds."""
    samples, choice = Samples(), random.Random(20130105)
    singles: dict[str, Callable[[Keys], object]] = {
        **{f"ours_{name}": store.read for name, store in ours.items()},
        "floor_redis": floor.read,
        "layout_hget_each": others.hget_each,
        "layout_mget_strings": others.mget_strings,
        "layout_mget_entities": others.mget_entities,
    }
    for read in singles.values():
        read(chosen(choice, 10))
    # What filling the stores left behind is not the reads' to collect.
    gc.collect()
    gc.freeze()
    for _ in range(ROUNDS):
        one_client(samples, singles, choice)
        many_clients(samples, ours, floor, choice)
        feast_round(samples, feast, choice)
    return samples


def main() -> None:
    """Measure, write the results, print them."""
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as port:
        folder = Path(name)
        write_views(folder)
        url = f"redis://127.0.0.1:{port}/0"
        stores = {
            "redis": online_store(url),
            "sqlite": online_store(f"sqlite:///{folder / 'online.sqlite'}"),
        }
        feast = Feast(folder, port)
        rates = syncs(stores, feast, port, folder)
        ours = {backend: Ours(store) for backend, store in stores.items()}
        check_values(ours, feast)
        samples = measured(ours, Floor(url), layouts(url, folder), feast)
        feast.close()
        for store in stores.values():
            store.close()
        redis_version = str(redis.Redis(port=port).info("server")["redis_version"])  # type: ignore[index]
    report(samples, rates, redis_version)


if __name__ == "__main__":
    main()
