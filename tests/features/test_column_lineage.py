"""Columns are traced to the tables they come from; what cannot be read is told, never raised."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.aggregates import Aggregate, WindowedAggregates
from mlplat_assets.features import column_lineage
from mlplat_assets.features.column_lineage import known_lineage, of_aggregates, of_model, of_sql
from mlplat_assets.spec import FeatureView, Field
from resources.lake import lake_from
from tests.small_world import settings_of

SCHEMA = {
    "raw": {"shop__sales": {"shop": "varchar", "price": "double", "tax": "double", "at": "date"}},
    "staging": {"shop__days": {"shop": "varchar", "opens": "date"}},
}
SALES = '"lake"."raw"."shop__sales"'


def test_a_renamed_star_a_join_and_an_aggregate_are_traced_to_their_tables() -> None:
    found = of_sql(
        f"""with sales as (select * from {SALES}),
            totals as (select shop, sum(price + tax) filter (price > 0) as total
                       from sales group by all)
            select totals.shop, total / 2 as half, opens as since
            from totals join "lake"."staging"."shop__days" as days using (shop)""",
        SCHEMA,
    )
    assert found.unresolved == {}
    assert found.columns["half"] == ("raw.shop.sales:price", "raw.shop.sales:tax")
    assert found.columns["since"] == ("staging.shop.days:opens",)
    assert "raw.shop.sales:shop" in found.columns["shop"]


def test_a_constant_and_a_calendar_come_from_no_column() -> None:
    found = of_sql("select 1 as one, unnest(generate_series(1, 3)) as n", SCHEMA)
    assert found.columns == {"one": (), "n": ()}


@pytest.mark.parametrize("sql", ["selec nonsense from", "create table x (a int)"])
def test_a_text_that_is_no_query_is_told_and_not_raised(sql: str) -> None:
    found = of_sql(sql, SCHEMA)
    assert found.columns == {}
    assert "*" in found.unresolved
    assert "column_lineage_unresolved" in found.metadata()


def test_dagster_gets_the_asset_and_column_of_each_source() -> None:
    metadata = of_sql(f"select price as p from {SALES}", SCHEMA).metadata()
    value = metadata["dagster/column_lineage"].value
    assert isinstance(value, dg.TableColumnLineage)
    (source,) = value.deps_by_column["p"]
    assert (source.asset_key.path, source.column_name) == (["raw", "shop", "sales"], "price")
    assert "column_lineage_unresolved" not in metadata


def test_declared_aggregates_state_their_columns() -> None:
    hour = timedelta(hours=1)
    aggregates = WindowedAggregates(
        source="shop.sales", timestamp="sold_at", unit="sale_id", every=hour,
        features={
            "price_mean": Aggregate(function="mean", window=hour, column="price"),
            "sales": Aggregate(function="count", window=hour),
        },
    )  # fmt: skip
    view = FeatureView(
        description="Sales.", aggregates=aggregates,
        entities=(Field(name="shop", dtype="string"),),
        features=(Field(name="price_mean", dtype="float"), Field(name="sales", dtype="int")),
    )  # fmt: skip
    assert of_aggregates(view, aggregates).columns == {
        "shop": ("raw.shop.sales:shop",),
        "event_timestamp": ("raw.shop.sales:sold_at",),
        "created_timestamp": ("raw.shop.sales:sold_at",),
        "partition_day": ("raw.shop.sales:sold_at",),
        "price_mean": ("raw.shop.sales:price",),
        "sales": ("raw.shop.sales:sale_id",),
    }


def test_a_model_is_read_once_per_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_from(settings_of(tmp_path / "home"))
    day = date(2024, 3, 1)
    rows = pl.DataFrame({"shop": ["a"], "price": [1.0], "partition_day": [day]})
    lake.replace_days("raw.shop__sales", rows.to_arrow(), day, day)
    model, compiled = tmp_path / "ftr_shop__prices.sql", tmp_path / "compiled.sql"
    (tmp_path / "macros").mkdir()
    read = []
    monkeypatch.setattr(
        column_lineage, "of_sql", lambda *arguments: read.append(1) or of_sql(*arguments)
    )

    def built(text: str) -> column_lineage.ColumnLineage:
        model.write_text(text)
        compiled.write_text(f"select {text} from {SALES}")
        return of_model(lake, "features.shop__prices", tmp_path, model, compiled)

    assert known_lineage(lake, "features.shop__prices") is None
    first = built("price as p")
    assert first.columns == {"p": ("raw.shop.sales:price",)}
    assert built("price as p") == first == known_lineage(lake, "features.shop__prices")
    assert len(read) == 1
    assert built("shop as p").columns == {"p": ("raw.shop.sales:shop",)}
    assert len(read) == 2
