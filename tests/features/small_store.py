"""A feature store over a real small lake and online store, with views declared on the spot."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlplat_assets.discovery import Catalogue, Declared, Team, python_declarations
from mlplat_assets.features.arrow_types import ARROW_TYPES
from mlplat_assets.features.store import FeatureStore
from mlplat_assets.keys import table
from mlplat_assets.spec import DType, FeatureService, FeatureView, Field, OnDemandView
from resources.lake import Lake, create_table
from resources.online_store import OnlineStore, online_store

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEAMS = {
    team: Team(name=team, owner=f"{team}@example.com", first_day=date(2013, 1, 1))
    for team in ("shop", "other")
}


def fields(types: Mapping[str, DType]) -> tuple[Field, ...]:
    return tuple(Field(name=name, dtype=dtype) for name, dtype in types.items())


def declared(
    name: str,
    keys: Mapping[str, DType],
    features: Mapping[str, DType],
    *,
    team: str = "shop",
    **also: Any,
) -> Declared[FeatureView]:
    """A view of a team."""
    spec = FeatureView(
        entities=fields(keys), features=fields(features), description="Some.", **also
    )
    return Declared(team=team, name=name, file=Path(f"{name}.py"), spec=spec)


def on_demand(home: Path, full_name: str, source: str) -> Declared[OnDemandView]:
    """An on-demand view, declared by a file of this source below a folder."""
    team, name = full_name.split(".")
    file = home / team / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    (found,) = [one for one in python_declarations(home, TEAMS) if one.full_name == full_name]
    return found


def service(name: str, *features: str) -> Declared[FeatureService]:
    """A feature service of the team `shop`."""
    spec = FeatureService(features=features, description="Some.")
    return Declared(team="shop", name=name, file=Path(f"{name}.py"), spec=spec)


class Shop:
    """The stores of one folder, and the feature store of some views over them."""

    def __init__(self, home: Path, online: OnlineStore) -> None:
        self.lake = Lake(f"sqlite:{home / 'catalog.sqlite'}", str(home / "data"), home / "lock")
        self.online = online
        self.now = NOW

    def store(
        self,
        *views: Declared[FeatureView],
        services: tuple[Declared[FeatureService], ...] = (),
        on_demand: tuple[Declared[OnDemandView], ...] = (),
    ) -> FeatureStore:
        declarations = Catalogue(
            teams=TEAMS,
            views={view.full_name: view for view in views},
            on_demand={view.full_name: view for view in on_demand},
            services={one.full_name: one for one in services},
        )
        return FeatureStore(self.lake, self.online, declarations, lambda: self.now)

    def write(self, view: Declared[FeatureView], *rows: tuple[object, ...]) -> None:
        """Append rows (keys..., event, created or ... for the same, features...) to the lake."""
        incoming = lake_table(view, rows)
        name = table("features", view.team, view.name)
        with self.lake.write() as connection:
            connection.register("incoming", incoming)
            create_table(
                connection, name, "select * from incoming limit 0", partition_by="partition_day"
            )
            connection.execute(f"insert into {name} by name select * from incoming")


def lake_table(view: Declared[FeatureView], rows: tuple[tuple[object, ...], ...]) -> pa.Table:
    """Rows of a view as the lake keeps them, in the partition of the day they were created."""
    keys = [(entity.name, ARROW_TYPES[entity.dtype]) for entity in view.spec.entities]
    features = [(feature.name, ARROW_TYPES[feature.dtype]) for feature in view.spec.features]
    stamp = pa.timestamp("us")
    types = [*keys, ("event_timestamp", stamp), ("created_timestamp", stamp), *features]
    columns: dict[str, list[object]] = {name: [] for name, _ in types}
    days: list[date | None] = []
    for row in rows:
        values = list(row)
        event, created = values[len(keys)], values[len(keys) + 1]
        if created is ...:
            values[len(keys) + 1] = created = event
        days.append(created.date() if isinstance(created, datetime) else None)
        for (name, _), value in zip(types, values, strict=True):
            naive = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            columns[name].append(naive)
    arrays = {name: pa.array(columns[name], kind) for name, kind in types}
    return pa.table({**arrays, "partition_day": pa.array(days, pa.date32())})


@contextmanager
def shop_at(home: Path) -> Iterator[Shop]:
    """The stores of a folder, closed at the end of the block."""
    with closing(online_store(f"sqlite:///{home / 'online.sqlite'}")) as online:
        shop = Shop(home, online)
        yield shop
        shop.lake.close()
