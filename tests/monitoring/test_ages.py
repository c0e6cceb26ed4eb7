"""A model whose views stopped or whose version is old says so, by what it promised."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.keys import key
from mlplat_assets.monitoring.age_checks import age_checks
from mlplat_assets.monitoring.ages import Age, feature_ages
from mlplat_assets.monitoring_spec import Monitoring
from resources.dagster_bindings import RESOURCES
from tests.small_home import MODEL, crown, open_lake, take_in, write_prediction
from tests.small_world import in_environment, settings_of

PREDICTIONS, CHAMPIONS = (
    key(stage, "flights", "arrival_delay") for stage in ("predictions", "champions")
)
TABLE = "predictions.flights__arrival_delay"
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with in_environment(settings_of(tmp_path)):
        yield tmp_path


def checked(monitoring: Monitoring, at: datetime) -> dict[dg.AssetKey, dg.AssetCheckEvaluation]:
    declared = catalogue()
    model = declared.models[MODEL]
    watched = replace(model, spec=replace(model.spec, monitoring=monitoring))
    checks = age_checks(
        declared.teams["flights"], replace(declared, models={MODEL: watched}), clock=lambda: at
    )
    assert checks is not None
    ran = dg.materialize([checks], resources=RESOURCES, selection=dg.AssetSelection.checks(checks))
    return {each.asset_key: each for each in ran.get_asset_check_evaluations()}


def test_a_view_that_stopped_is_told_by_what_predictions_read(home: Path) -> None:
    version = crown(home, "first")
    write_prediction(home, version)
    take_in(home)
    promised = {"flights.weather": HOUR, "flights.weather_alert": HOUR}
    weather, alert = feature_ages(open_lake(home), TABLE, promised)
    assert weather.newest == datetime(2013, 1, 5, 11, tzinfo=UTC)
    assert not weather.kept and "01:15 old at 2013-01-05 12:15 UTC" in str(weather)
    assert alert.newest is None and not alert.kept
    # Another entity's row is newer: the view goes on.
    fresh = {"flights.weather": "2013-01-05T12:00:00+00:00"}
    write_prediction(home, version, prediction_id="0" * 32, feature_times=fresh)
    take_in(home)
    (weather,) = feature_ages(open_lake(home), TABLE, {"flights.weather": HOUR})
    assert weather.kept


def test_the_checks_warn_of_old_rows_and_of_an_old_version(home: Path) -> None:
    version = crown(home, "first")
    write_prediction(home, version)
    take_in(home)
    promised = Monitoring(feature_age={"flights.weather": 2 * HOUR}, version_age=timedelta(days=30))
    now = checked(promised, version.created_at + timedelta(days=30))
    assert now[PREDICTIONS].passed and now[CHAMPIONS].passed
    later = checked(replace(promised, feature_age={"flights.weather": HOUR}),
                    version.created_at + timedelta(days=31))  # fmt: skip
    assert not later[PREDICTIONS].passed and not later[CHAMPIONS].passed
    assert "flights.weather" in (later[PREDICTIONS].description or "")
    assert "not within the promised 30 days" in (later[CHAMPIONS].description or "")
    assert {each.severity for each in later.values()} == {dg.AssetCheckSeverity.WARN}


def test_a_model_that_nobody_serves_breaks_no_promise(home: Path) -> None:
    crowned_never = Monitoring(feature_age={"flights.weather": HOUR}, version_age=HOUR)
    found = checked(crowned_never, datetime(2026, 1, 1, tzinfo=UTC))
    assert found[PREDICTIONS].description == "nothing was predicted yet"
    assert found[CHAMPIONS].description == "no version is in production"
    assert all(each.passed for each in found.values())


def test_what_was_never_read_keeps_no_promise() -> None:
    age = Age(what="the row", newest=None, at=datetime(2026, 1, 1, tzinfo=UTC), promised=HOUR)
    assert not age.kept and str(age) == "the row: none was found"
