"""What each page tells, over real HTTP, on a registry and a lake as the platform writes them."""

from dataclasses import replace
from pathlib import Path

import pytest

from resources.digests import digest
from tests.console.clients import Client
from tests.console.homes import console
from tests.small_home import (
    APPROVER,
    AUTHOR,
    LINEAGE,
    MODEL,
    PREDICTION,
    crown,
    open_registry,
    register,
    settings_at,
)


def test_the_first_page_tells_of_every_model_who_answers_and_what_waits(reader: Client) -> None:
    page = reader.get("/")
    assert page.status == 200
    line = page.words.partition("flights.arrival_delay")[2].partition("flights.departure_delay")[0]
    assert "canary 5%" in line
    assert "1 canary 1 production 1 archived" in line
    assert "OK 2013-03-01" in line
    assert "version 3" in line
    assert "flights@example.com" in line


def test_a_declared_model_without_a_version_shows_too(reader: Client) -> None:
    assert "flights.departure_delay" in reader.get("/").words
    page = reader.get("/models/flights.departure_delay")
    assert page.status == 200
    assert "No version is registered yet." in page.words
    assert "No version is in production." in page.words


def test_a_model_page_has_its_traffic_versions_labels_and_its_assets_in_dagster(
    reader: Client,
) -> None:
    page = reader.get(f"/models/{MODEL}")
    assert "champion 2 95.00% canary 3 5.00% Revision 1." in page.words
    assert "3 canary waits for approval" in page.words
    assert "2013-01-05 2 820 0.74 0.465" in page.words
    for stage in ("champions", "approvals", "retrainings", "alerts"):
        assert f"http://127.0.0.1:3001/assets/{stage}/flights/arrival_delay" in page.text
    assert "http://127.0.0.1:5001" in page.text


def test_a_version_page_has_its_evidence_and_its_lineage(reader: Client) -> None:
    page = reader.get(f"/models/{MODEL}/versions/3")
    assert "It has 0 of 1 approval. Who may give one: dana@flights.example.com" in page.words
    assert "gate auc 0.7444 0.62 0.7145 - PASS auc 0.7444 is at least 0.62" in page.words
    assert str(LINEAGE["training_set_digest"]) in page.words
    assert str(LINEAGE["code_commit"]) in page.words
    assert "features.flights__weather 2013-01-01 2013-06-30 181" in page.words
    assert "http://127.0.0.1:3001/runs/run-third" in page.text


def test_the_drift_page_shows_the_storm_by_sign_and_number_not_by_colour_alone(
    reader: Client,
) -> None:
    page = reader.get(f"/models/{MODEL}/drift?to=2013-02-10")
    assert "weather__wind_gust, 2013-02-08: PSI 0.9, threshold 0.25" in page.text
    gust = page.words.partition("weather__wind_gust")[2].partition("weather__visib")[0]
    assert "X" in gust
    assert "over twice its threshold" in page.words
    assert "2013-01-21: INCONCLUSIVE, 120 rows" in page.text


def test_a_model_without_compared_days_says_so(reader: Client) -> None:
    assert "No day was compared yet" in reader.get("/models/flights.departure_delay/drift").words


@pytest.mark.parametrize("asked", ["to=yesterday", "version=9", "version=x"])
def test_a_drift_page_that_cannot_be_is_told(reader: Client, asked: str) -> None:
    page = reader.get(f"/models/{MODEL}/drift?{asked}")
    assert page.status in (404, 422)
    assert asked.partition("=")[2] in page.words


def test_the_approvals_page_lists_who_may_approve_what(reader: Client) -> None:
    page = reader.get("/approvals")
    assert f"{MODEL} 3" in page.words
    assert "0 of 1" in page.words
    assert APPROVER in page.words
    assert AUTHOR in page.words


def test_the_audit_page_tells_that_the_chain_holds(reader: Client) -> None:
    page = reader.get("/audit")
    assert "10 entries verified" in page.words
    assert "version 2 promoted" in page.words
    assert "version 2 promoted" not in reader.get("/audit?before=7").words
    assert "No entry." in reader.get("/audit?model=flights.departure_delay").words


def test_the_audit_page_tells_when_the_registry_was_changed_behind_the_log(tmp_path: Path) -> None:
    crown(tmp_path, "first")
    with open_registry(tmp_path).database.writing() as connection:
        connection.exec_driver_sql("update versions set author = 'eve'")
    with console(settings_at(tmp_path)) as port:
        page = Client(port=port).get("/audit")
    assert "The log does not hold." in page.words
    assert "audit entry 1: names other lineage, author, approvers or tags" in page.words


def test_the_audit_trail_is_turned_page_by_page(tmp_path: Path) -> None:
    register(tmp_path, "first")
    opened = open_registry(tmp_path)
    for turn in range(60):
        opened.set_shadow(MODEL, 1, turn % 2 == 0, actor="carol", reason=f"turn {turn}")
    with console(settings_at(tmp_path)) as port:
        client = Client(port=port)
        newest, older = client.get("/audit"), client.get("/audit?before=12")
    assert "turn 59" in newest.words
    assert "turn 5 " not in newest.words + " "
    assert "before=12" in newest.text
    assert "version 1 as shadow: turn 0" in older.words
    assert "older" not in older.words


def test_a_prediction_is_explained_by_its_id(reader: Client) -> None:
    asked = reader.get(f"/predictions?id={PREDICTION}")
    assert (asked.status, asked.headers["location"]) == (303, f"/predictions/{PREDICTION}")
    page = reader.get(f"/predictions/{PREDICTION}")
    assert "0.2371 by flights.arrival_delay version 2" in page.words
    assert "weather__temp 37.94 flights.weather" in page.words
    assert "weather_alert__is_active - flights.weather_alert NOT_FOUND" in page.words


def test_an_unknown_prediction_is_told_with_the_remedy(reader: Client) -> None:
    page = reader.get("/predictions/0000")
    assert page.status == 404
    assert "take the prediction_id from the service's answer" in page.words


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/models/flights.nothing", "there is no model 'flights.nothing'"),
        (f"/models/{MODEL}/versions/99", f"{MODEL} has no version 99"),
        ("/models/no-model", "Not Found"),
        ("/models/flights.arrival_delay'--/drift", "Not Found"),
        ("/nowhere", "Not Found"),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(reader: Client, path: str, told: str) -> None:
    page = reader.get(path)
    assert page.status == 404
    assert told in page.words


def test_an_empty_home_has_nothing_yet(tmp_path: Path) -> None:
    with console(settings_at(tmp_path)) as port:
        client = Client(port=port)
        assert "flights.arrival_delay" in client.get("/").words
        assert "None." in client.get("/approvals").words
        for path in ("/audit", f"/models/{MODEL}/versions/1", f"/predictions/{PREDICTION}"):
            page = client.get(path)
            assert page.status == 200
            assert "there is no registry at" in page.words
            assert "run `mlplat demo`" in page.words
    assert not (tmp_path / "registry.sqlite").exists()


def test_a_store_that_is_away_is_a_page_with_503(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    away = "postgresql+psycopg://someone:secret@127.0.0.1:1/registry"
    with console(replace(settings, registry_url=away)) as port:
        page = Client(port=port).get("/")
    assert page.status == 503
    assert "cannot be read" in page.words
    assert "secret" not in page.text


def test_a_lake_that_is_away_is_a_page_with_503(tmp_path: Path) -> None:
    crown(tmp_path, "first")
    away = "postgres:host=127.0.0.1 port=1 dbname=lake password=hush"
    with console(replace(settings_at(tmp_path), lake_catalog=away)) as port:
        page = Client(port=port).get(f"/models/{MODEL}/drift")
    assert page.status == 503
    assert "hush" not in page.text


def test_a_registered_model_that_is_declared_no_more_shows(tmp_path: Path) -> None:
    artifact = digest("old")
    evidence = {
        "model": "weather.rain",
        "artifact_digest": artifact,
        "champion_version": None,
        "gates": [{"metric": "auc", "passed": True, "reason": "fine"}],
        "passed": True,
    }
    open_registry(tmp_path).register(
        "weather.rain",
        artifact_digest=artifact,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=(APPROVER,),
        author=AUTHOR,
        run_id="run",
    )
    with console(settings_at(tmp_path)) as port:
        client = Client(port=port)
        assert "weather.rain not declared any more" in client.get("/").words
        page = client.get("/models/weather.rain")
        assert "No file declares this model any more" in page.words
        assert client.get("/models/weather.rain/versions/1").status == 200
