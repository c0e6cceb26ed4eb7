"""One prediction traced to people, code and data."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mlplat_assets.monitoring.explanation import Explanation, explain
from resources.registry.identity import Role
from resources.registry.records import ApprovalTerms
from resources.registry.registry import Registry, registry
from tests.small_home import (
    APPROVER,
    AUTHOR,
    LINEAGE,
    MODEL,
    PREDICTION,
    crown,
    furnish,
    open_lake,
    open_registry,
    register,
    settings_at,
    take_in,
    write_prediction,
    write_weather,
)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished home that no test changes: a lake takes seconds to make."""
    home = tmp_path_factory.mktemp("furnished")
    furnish(home)
    return home


def explained(home: Path, prediction_id: str = PREDICTION) -> Explanation:
    return explain(prediction_id, open_lake(home), open_registry(home), settings_at(home).journal)


def test_a_prediction_names_every_approver_with_role_time_and_reason(tmp_path: Path) -> None:
    other, terms = "lee@flights.example.com", ApprovalTerms(required=2)
    asked = register(tmp_path, "first", approval=terms)
    opened = open_registry(tmp_path)
    ada = as_holder(tmp_path, opened.tokens.create("ada", Role.ADMIN, actor="root").text)
    for name in (APPROVER, other):
        text = ada.tokens.create(name, Role.APPROVER).text
        as_holder(tmp_path, text).approve(MODEL, asked.number, reason=f"{name} looked at it")
    ada.promote(MODEL, asked.number, reason="first")
    write_weather(tmp_path, temp=37.94)
    write_prediction(tmp_path, asked)
    take_in(tmp_path)
    found = explained(tmp_path)
    assert found.approver == f"{APPROVER}, {other}"
    assert [(a.approver, a.role, a.reason) for a in found.approvals] == [
        (APPROVER, Role.APPROVER, f"{APPROVER} looked at it"),
        (other, Role.APPROVER, f"{other} looked at it"),
    ]
    assert all(a.at <= found.served_at for a in found.approvals)


def as_holder(home: Path, token: str) -> Registry:
    return registry(settings_at(home).registry_url, token=token)


def test_a_prediction_names_its_version_people_code_and_data(tmp_path: Path) -> None:
    partition = furnish(tmp_path)
    found = explained(tmp_path)
    assert (found.model, found.version, found.variant) == (MODEL, 2, "champion")
    assert (found.stage, found.approver, found.author) == ("production", APPROVER, AUTHOR)
    assert found.run_id == "run-second"
    assert found.artifact_digest == open_registry(tmp_path).version(MODEL, 2).artifact_digest
    assert found.training_set_digest == LINEAGE["training_set_digest"]
    assert (found.lake_snapshot, found.code_commit) == (41, LINEAGE["code_commit"])
    assert found.code_dirty is True
    assert found.event_timestamp == datetime(2013, 1, 5, 12, 15, tzinfo=UTC)
    assert found.entities == {"carrier": "UA", "origin": "EWR", "tailnum": None}
    weather, alert = found.views
    assert weather.view == "flights.weather"
    assert weather.event_timestamp == datetime(2013, 1, 5, 11, tzinfo=UTC)
    assert (weather.partition, weather.digest) == (date(2013, 1, 5), partition)
    assert not weather.changed_since
    assert weather.values == {"weather__temp": 37.94, "weather__wind_gust": None}
    assert weather.statuses == {"weather__temp": "PRESENT", "weather__wind_gust": "NULL"}
    # A view whose name another one begins with keeps its own columns.
    assert list(alert.values) == ["weather_alert__is_active"]
    assert (alert.event_timestamp, alert.partition, alert.digest) == (None, None, None)


def test_a_data_version_is_the_one_recorded_when_the_prediction_was_served(tmp_path: Path) -> None:
    partition = furnish(tmp_path)
    assert write_weather(tmp_path, temp=99.0) != partition
    weather = explained(tmp_path).views[0]
    assert weather.digest == partition
    assert weather.changed_since


def test_a_partition_recorded_only_later_has_no_data_version_then(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    write_prediction(
        tmp_path, version, served_at=(datetime.now(UTC) - timedelta(hours=1)).isoformat()
    )
    take_in(tmp_path)
    assert explained(tmp_path).views[0].digest is None
    write_weather(tmp_path, temp=37.94)
    weather = explained(tmp_path).views[0]
    assert (weather.digest, weather.changed_since) == (None, False)


def test_stage_and_approver_are_those_of_then_not_of_now(tmp_path: Path) -> None:
    first = crown(tmp_path, "first")
    write_prediction(tmp_path, first)
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    write_prediction(tmp_path, first, prediction_id="early", served_at=before)
    take_in(tmp_path)
    crown(tmp_path, "second")
    assert open_registry(tmp_path).version(MODEL, 1).stage == "archived"
    found = explained(tmp_path)
    assert (found.stage, found.approver) == ("production", APPROVER)
    early = explained(tmp_path, "early")
    assert (early.stage, early.approver) == (None, None)


def test_a_prediction_that_waits_in_the_journal_says_so(tmp_path: Path) -> None:
    write_prediction(tmp_path, crown(tmp_path, "first"))
    with pytest.raises(LookupError, match="not in the lake yet; materialise predictions/flights/"):
        explained(tmp_path)


@pytest.mark.parametrize("unknown", ["nope", "", "'; drop table x", PREDICTION[:-1], "UA-1545"])
def test_an_unknown_prediction_says_where_ids_come_from(furnished: Path, unknown: str) -> None:
    with pytest.raises(LookupError, match=r"no prediction .* in the lake or in .*prediction_id"):
        explained(furnished, unknown)


def test_a_torn_line_of_the_journal_is_no_prediction(furnished: Path) -> None:
    folder = settings_at(furnished).journal / MODEL
    (folder / "20130106T000000000000Z-1-torn.ndjson").write_text('{"prediction_id":"torn"')
    with pytest.raises(LookupError, match="no prediction 'torn'"):
        explained(furnished, "torn")


def test_a_prediction_of_another_artefact_than_registered_is_not_explained(tmp_path: Path) -> None:
    register(tmp_path, "first")
    version = crown(tmp_path, "second")
    write_prediction(tmp_path, version, version=1)
    take_in(tmp_path)
    with pytest.raises(LookupError, match=r"version 1 is sha256:.*MLPLAT_REGISTRY_URL"):
        explained(tmp_path)
