"""`mlplat features` over a catalogue with a service, an on-demand view, tags and a promise."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands import feature_pages, features
from mlplat_assets.commands.feature_search import ranked
from mlplat_assets.commands.feature_uses import models_of, on_demand_with, services_with
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.spec import FeatureService, Field, OnDemandView
from tests.small_home import DAY, VIEW_TABLE, open_lake, settings_at, write_weather

WEATHER = "flights.weather"
SERVICE = FeatureService(
    description="What an arrival model asks for.",
    features=("flights.weather:temp", "flights.carrier_recent"),
    tags={"tier": "gold"},
)
DERIVED = OnDemandView(
    description="Comfort on the way to the gate.",
    request=(Field(name="walk_minutes", dtype="int", description="To the gate"),),
    inputs=("flights.weather:temp", "flights.weather:humid"),
    features=(Field(name="comfort", dtype="float", description="0 to 1"),),
    compute=lambda columns: columns,
    owner="gates@example.com",
)


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Today's catalogue and more, in place of the one that the commands read."""
    read = catalogue()
    weather = read.views[WEATHER]
    spec = replace(weather.spec, freshness=timedelta(hours=2), tags={"domain": "sky"})
    more = replace(
        read,
        views=read.views | {WEATHER: replace(weather, spec=spec)},
        services={"flights.arrivals_v1": named("arrivals_v1", SERVICE)},
        on_demand={"flights.comfort": named("comfort", DERIVED)},
    )
    for module in (features, feature_pages):
        monkeypatch.setattr(module, "catalogue", lambda: more)
    return more


def named(name: str, spec: FeatureService | OnDemandView) -> Declared:
    return Declared(team="flights", name=name, file=Path(__file__), spec=spec)


def printed(show: object, home: Path, *arguments: str) -> str:
    console = Console(file=io.StringIO(), width=140)
    show(settings_at(home), console, *arguments)  # type: ignore[operator]
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_the_list_shows_services_on_demand_views_tags_and_what_is_stale(
    declared: Catalogue, tmp_path: Path
) -> None:
    write_weather(tmp_path, 37.9)
    shown = printed(features.list_features, tmp_path)
    assert "flights.weather origin 8 6 hours 2 1 2013-01-05 11:00 stale" in shown
    assert "domain=sky" in shown
    assert "flights.comfort walk_minutes flights.weather:temp, flights.weather:humid 1 0" in shown
    assert "owned by gates@example.com" in shown
    service = "flights.arrivals_v1 flights.weather:temp, flights.carrier_recent 0 What an arrival"
    assert service in shown
    assert "tier=gold" in shown


def test_a_stale_view_is_shown_with_its_promise_and_since_when(
    declared: Catalogue, tmp_path: Path
) -> None:
    write_weather(tmp_path, 37.9)
    shown = printed(feature_pages.show, tmp_path, WEATHER)
    assert "tags domain=sky" in shown
    assert "freshness 2 hours" in shown
    assert "newest event 2013-01-05 11:00 UTC," in shown
    assert "stale since 2013-01-05 13:00 UTC" in shown
    assert "flights.arrival_delay, flights.arrivals_v1, flights.comfort" in shown


def test_a_fresh_view_is_shown_with_its_age(declared: Catalogue, tmp_path: Path) -> None:
    write_weather(tmp_path, 37.9)
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = pl.DataFrame({
        "origin": ["EWR"], "event_timestamp": [now], "created_timestamp": [now],
        "partition_day": [DAY], "temp": [30.0], "wind_gust": [1.5],
    })  # fmt: skip
    open_lake(tmp_path).replace_days(VIEW_TABLE, rows.to_arrow(), DAY, DAY)
    shown = printed(feature_pages.show, tmp_path, WEATHER)
    assert "UTC, 00:00 old, promised at most 02:00" in shown
    assert "stale" not in shown


def test_a_service_and_an_on_demand_view_have_pages_of_their_own(
    declared: Catalogue, tmp_path: Path
) -> None:
    service = printed(feature_pages.show, tmp_path, "flights.arrivals_v1")
    assert "tags tier=gold" in service
    assert "flights.weather:temp float Degrees Fahrenheit" in service
    assert "flights.carrier_recent:landings_24h int" in service
    derived = printed(feature_pages.show, tmp_path, "flights.comfort")
    assert "request walk_minutes (int)" in derived
    assert "computed from flights.weather:temp, flights.weather:humid" in derived
    assert "comfort float 0 to 1" in derived
    with pytest.raises(LookupError, match=r"did you mean flights\.comfort\?"):
        feature_pages.show(settings_at(tmp_path), Console(file=io.StringIO()), "flights.comfrt")


def test_uses_are_by_feature(declared: Catalogue) -> None:
    assert services_with(WEATHER, declared) == {"flights.arrivals_v1": {"temp"}}
    assert on_demand_with(WEATHER, declared) == {"flights.comfort": {"temp", "humid"}}
    assert services_with("flights.aircraft", declared) == {}
    assert models_of("flights.arrivals_v1", declared) == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["comfort"], "flights.comfort"),
        (["gates@example"], "flights.comfort"),
        (["tier=gold"], "flights.arrivals_v1"),
        (["SKY"], WEATHER),
        (["humidity"], WEATHER),
        (["carrier", "gold"], "flights.arrivals_v1"),
    ],
)
def test_search_looks_at_names_owners_tags_features_and_descriptions(
    declared: Catalogue, words: list[str], first: str
) -> None:
    assert ranked(declared, words)[0][1].full_name == first


def test_search_puts_a_name_before_a_feature_and_asks_for_every_word(declared: Catalogue) -> None:
    found = [one.full_name for _, one, _ in ranked(declared, ["weather"])]
    assert found[0] == WEATHER
    assert "flights.arrivals_v1" in found
    assert ranked(declared, ["weather", "zebra"]) == []
