"""A walk through what happens to an online store: after each step it equals the lake.

Run it with `python -m tests.e2e.online_walk`: it starts a Redis of its own, builds three weeks of
real flights in a temporary folder, and prints a table.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import redis
from rich.console import Console
from rich.table import Table

from mlplat_assets.catalogue import catalogue
from mlplat_assets.demo.plan import Days
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.online.comparison import compare
from mlplat_assets.features.online.sync import OnlineSync, Synced
from mlplat_assets.keys import key
from resources.online_store import OnlineRow, OnlineStore, online_store
from resources.settings import REPOSITORY, Settings
from tests.services import own_redis
from tests.small_world import World, in_environment, open_world, settings_of

DAYS = Days(first=date(2013, 1, 1), last=date(2013, 1, 21))
OLD, LATE = date(2013, 1, 3), date(2013, 1, 19)
OF_LANDINGS = [
    f"flights.{name}" for name in ("aircraft_last_leg", "carrier_recent", "route_recent")
]
KILLED_VIEW, KILLED_AFTER = "flights.aircraft_last_leg", 500

Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a sync did in one store, and how many entities differed from the lake around it."""

    what: str
    store: str
    done: Synced
    entities: int
    before: int
    after: int


class Walk:
    """One lake, and the same steps on every online store."""

    def __init__(self, world: World, stores: dict[str, str]) -> None:
        self.world = world
        self.urls = stores
        self.stores = {name: online_store(url) for name, url in stores.items()}
        self.sources: dict[str, list[Change]] = {}
        self.steps: list[Step] = []

    def run(self) -> None:
        """All steps, in the order in which an operator might meet them."""
        self.change("arrivals", _hold_back_late_rows)
        self.build(DAYS, self.world.catalogue.sources, self.world.catalogue.views)
        self.sync("first sync")
        entity = self.an_entity()
        for source in ("arrivals", "planes"):
            self.change(source, lambda rows: rows.filter(pl.col("tailnum") != entity))
        self.build(DAYS, ["flights.arrivals", "flights.planes"], [*OF_LANDINGS, "flights.aircraft"])
        self.sync(f"delete {entity} upstream")
        self.change("weather", _correct_an_old_day)
        self.build(Days(first=OLD, last=OLD), ["flights.weather"], ["flights.weather"])
        self.sync(f"backfill {OLD}")
        self.sources["arrivals"].remove(_hold_back_late_rows)
        self.build(Days(first=LATE, last=DAYS.last), ["flights.arrivals"], OF_LANDINGS)
        self.sync(f"late rows of {LATE}")
        self.change("arrivals", _correct_every_landing)
        self.build(DAYS, ["flights.arrivals"], OF_LANDINGS)
        self.kill()
        self.sync("goes on after the kill")
        self.flush()
        self.sync("rebuild after the flush", by_command=True)

    def change(self, source: str, change: Change) -> None:
        """From now on the source gives other rows."""
        self.sources.setdefault(source, []).append(change)

    def build(self, days: Days, sources: Iterable[str], views: Iterable[str]) -> None:
        """Bring days of sources and of feature views into the lake, in one run."""
        keys = [key("raw", *name.split(".")) for name in sources]  # type: ignore[arg-type]
        keys += [key("features", *name.split(".")) for name in views]  # type: ignore[arg-type]
        self.world.materialise(keys, days, catalogue=self._changed())

    def sync(self, what: str, *, by_command: bool = False) -> None:
        """Bring every store in step, and compare every entity before and after."""
        for name, store in self.stores.items():
            before, _ = self.different(store)
            done = Synced()
            if by_command:
                _run_mlplat(replace(self.world.settings, online_url=self.urls[name]))
            else:
                for view in self.world.catalogue.views.values():
                    sync = OnlineSync(self.world.lake, store, view, as_of=datetime.now(UTC))
                    done += sync.run(date.min, date.max)
            after, entities = self.different(store)
            self._add(what, name, done, entities, before, after)

    def kill(self) -> None:
        """Sync each store in a process that is killed half-way."""
        for name, store in self.stores.items():
            before, _ = self.different(store)
            command = [sys.executable, "-m", "tests.e2e.online_walk", "be-killed", self.urls[name]]
            environment = os.environ | self.world.settings.environment()
            ended = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False)
            assert ended.returncode == -signal.SIGKILL
            after, entities = self.different(store)
            self._add("sync killed half-way", name, Synced(), entities, before, after)

    def flush(self) -> None:
        """Lose everything that is online."""
        for name, url in self.urls.items():
            if url.startswith("redis"):
                redis.Redis.from_url(url).flushall()
            else:
                self.stores[name].close()
                for file in Path(url.removeprefix("sqlite:///")).parent.glob("online.sqlite*"):
                    file.unlink()
                self.stores[name] = online_store(url)

    def different(self, store: OnlineStore) -> tuple[int, int]:
        """How many entities of all views differ from the lake as of now, of how many."""
        found = [
            compare(self.world.lake, store, view, as_of=datetime.now(UTC))
            for view in self.world.catalogue.views.values()
        ]
        return sum(f.different for f in found), sum(f.entities for f in found)

    def an_entity(self) -> str:
        """An aircraft of both views of aircraft that landed on the last day."""
        found = self.world.lake.read(
            """select tailnum from features.flights__aircraft_last_leg
               semi join features.flights__aircraft using (tailnum) group by 1
               order by max(partition_day) desc, count(*) desc, tailnum limit 1"""
        )
        return found["tailnum"][0].as_py()

    def _changed(self) -> Catalogue:
        """The catalogue with its sources as they are now."""
        declared = self.world.catalogue
        sources = dict(declared.sources)
        for name, changes in self.sources.items():
            source = sources[f"flights.{name}"]
            read = _reading(source.spec.read, list(changes))
            sources[f"flights.{name}"] = replace(source, spec=replace(source.spec, read=read))
        return replace(declared, sources=sources)

    def _add(
        self, what: str, store: str, done: Synced, entities: int, before: int, after: int
    ) -> None:
        self.steps.append(
            Step(what=what, store=store, done=done, entities=entities, before=before, after=after)
        )


class KilledStore:
    """A store whose process is killed once so many rows were written."""

    def __init__(self, store: OnlineStore, rows: int) -> None:
        self._store, self._left = store, rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        for row in rows:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._store.write(view, [row])
            self._left -= 1
        raise AssertionError(f"{self._left} rows too few to be killed half-way")


def be_killed(url: str) -> None:
    """Sync one view until the kill."""
    from resources.lake import lake_from
    from resources.settings import from_environment

    view = catalogue().views[KILLED_VIEW]
    store = KilledStore(online_store(url), KILLED_AFTER)
    lake = lake_from(from_environment())
    sync = OnlineSync(lake, store, view, as_of=datetime.now(UTC))  # type: ignore[arg-type]
    sync.run(date.min, date.max)


def printed(steps: list[Step], console: Console) -> None:
    """The steps as a table."""
    made = Table(box=None, header_style="dim")
    for column in ("STEP", "STORE"):
        made.add_column(column, no_wrap=True)
    for column in ("DAYS", "ROWS READ", "KEYS CHANGED", "WRITTEN", "REMOVED", "ENTITIES"):
        made.add_column(column, justify="right")
    made.add_column("DIFFERENT: BEFORE", justify="right")
    made.add_column("AFTER", justify="right")
    for step in steps:
        done = step.done
        numbers = (len(done.days), done.rows_read, done.keys_changed, done.keys_written)
        counts = (*numbers, done.keys_removed, step.entities, step.before, step.after)
        made.add_row(step.what, step.store, *(f"{count:,}" for count in counts))
    console.print(made)


def walked(home: Path) -> Walk:
    """The walk on Redis and SQLite, below a folder."""
    home.mkdir(parents=True, exist_ok=True)
    with own_redis(home) as url, in_environment(settings_of(home)):
        walk = Walk(
            open_world(home, catalogue()),
            {"redis": url, "sqlite": f"sqlite:///{home / 'walk' / 'online.sqlite'}"},
        )
        walk.run()
        return walk


def _reading(
    read: Callable[[date, date], pl.DataFrame], changes: list[Change]
) -> Callable[[date, date], pl.DataFrame]:
    def changed(first: date, last: date) -> pl.DataFrame:
        rows = read(first, last)
        for change in changes:
            rows = change(rows)
        return rows

    return changed


def _hold_back_late_rows(rows: pl.DataFrame) -> pl.DataFrame:
    late = (pl.col("partition_day") == LATE) & (pl.col("carrier") == "B6")
    return rows.filter(~late)


def _correct_an_old_day(rows: pl.DataFrame) -> pl.DataFrame:
    is_old = pl.col("partition_day") == OLD
    return rows.with_columns(temp=pl.when(is_old).then(pl.col("temp") + 1).otherwise("temp"))


def _correct_every_landing(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("arrival_delay") + 1)


def _run_mlplat(settings: Settings) -> None:
    command = [sys.executable, "-m", "mlplat_assets.cli", "features", "sync"]
    environment = os.environ | settings.environment()
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["be-killed"]:
        be_killed(sys.argv[2])
    else:
        with tempfile.TemporaryDirectory() as folder:
            printed(walked(Path(folder)).steps, Console(width=150))
