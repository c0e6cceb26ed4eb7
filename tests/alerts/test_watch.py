"""What is looked at becomes alerts: checks, runs, drift and performance, on a real instance."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.alerts.assets import alerts_changed, events
from mlplat_assets.catalogue import catalogue
from mlplat_assets.definitions import defs
from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import key
from resources.alerts.records import Alert, Said, Severity, State, Step
from resources.lake import Lake
from tests.alerts.worlds import (
    Book,
    checked,
    declared,
    ran,
    training_set_of,
    watch,
    write_drift,
    write_findings,
)
from tests.small_home import open_lake, open_registry, settings_at
from tests.small_world import in_environment

MODEL, OTHER = "flights.arrival_delay", "flights.departure_delay"
DRIFTED = {"drifted": True, "psi": 0.41, "kind": "distribution"}
GONE = {"kind": "quality", "findings": "null_spike 93%"}
RETYPED = {"kind": "quality", "findings": "retyped 100%"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = open_lake(tmp_path)
    yield lake
    lake.close()


@pytest.fixture
def book(tmp_path: Path, lake: Lake, instance: dg.DagsterInstance) -> Book:
    return Book(open_registry(tmp_path), watch(instance, lake, declared(MODEL, OTHER)))


def june(day: int) -> date:
    return date(2013, 6, day)


def test_a_null_spike_and_a_retyped_column_are_p0_on_the_first_day(book: Book, lake: Lake) -> None:
    write_drift(lake, MODEL, june(1), temp=GONE, wind=RETYPED, gust={})
    assert book.look() == [Said.OPENED, Said.OPENED]
    assert {*book.open()} == {
        (Severity.P0, "null_spike", MODEL, "temp"),
        (Severity.P0, "schema_break", MODEL, "wind"),
    }
    for day in (2, 3):
        write_drift(lake, MODEL, june(day), temp={}, wind=RETYPED, gust={})
    assert book.look() == [Said.RESOLVED]
    assert [subject for *_, subject in book.open()] == ["wind"]


def test_drift_is_p2_on_the_second_day_and_one_alert_for_all_columns(
    book: Book, lake: Lake
) -> None:
    write_drift(lake, MODEL, june(1), temp=DRIFTED, wind=DRIFTED)
    assert book.look() == []
    write_drift(lake, MODEL, june(2), temp=DRIFTED, wind={**DRIFTED, "psi": 0.9})
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P2, "drift", MODEL, "")]
    (alert,) = book.store.alerts.open()
    assert "2 columns drifted: wind PSI 0.90, temp PSI 0.41" in alert.detail


def test_the_day_that_is_still_filling_up_counts_as_it_stands_last(book: Book, lake: Lake) -> None:
    write_drift(lake, MODEL, june(1), temp=DRIFTED)
    write_drift(lake, MODEL, june(2), temp={})
    book.look()
    write_drift(lake, MODEL, june(3), temp=DRIFTED)
    book.look()
    write_drift(lake, MODEL, june(3), temp={})
    book.look()
    write_drift(lake, MODEL, june(4), temp=DRIFTED)
    assert book.look() == [] and book.open() == []


def test_an_old_day_that_is_made_again_is_no_news(book: Book, lake: Lake) -> None:
    write_drift(lake, MODEL, june(20), temp={})
    book.look()
    write_drift(lake, MODEL, june(2), temp=GONE)
    assert book.look() == []


def test_a_window_of_too_few_rows_says_nothing_of_drift(book: Book, lake: Lake) -> None:
    for day in (1, 2):
        write_drift(lake, MODEL, june(day), temp=DRIFTED)
    book.look()
    for day in (3, 4, 5):
        write_drift(lake, MODEL, june(day), temp={"verdict": "INCONCLUSIVE"})
    assert book.look() == [] and len(book.open()) == 1


def test_slow_answers_are_p1_errors_too_and_decay_is_p3(book: Book, lake: Lake) -> None:
    found = [
        {"claim": "meets_its_objectives", "subject": "p99_ms", "verdict": "FAIL"},
        {"claim": "meets_its_objectives", "subject": "error_share", "verdict": "FAIL"},
        {"claim": "performs_as_promised", "subject": "auc", "verdict": "FAIL"},
        {"claim": "no_concept_drift", "subject": "auc", "verdict": "INCONCLUSIVE"},
    ]
    for day in (1, 2):
        write_findings(lake, MODEL, june(day), *found)
    book.look()
    assert {(severity, kind) for severity, kind, *_ in book.open()} == {
        (Severity.P1, "latency"),
        (Severity.P1, "errors"),
    }
    write_findings(lake, MODEL, june(3), *found)
    assert book.look() == [Said.OPENED]
    assert (Severity.P3, "decay", MODEL, "auc") in book.open()


def test_labels_that_come_days_later_still_count(book: Book, lake: Lake) -> None:
    """Objectives are known at once, concept drift when labels land: neither hides the other."""
    told = {"claim": "meets_its_objectives", "subject": "p99_ms", "verdict": "PASS"}
    concept = {"claim": "no_concept_drift", "subject": "auc", "verdict": "INCONCLUSIVE"}
    for day in (1, 2, 3, 4):
        write_findings(lake, MODEL, june(day), told, concept)
    book.look()
    for day in (1, 2):
        write_findings(lake, MODEL, june(day), told, {**concept, "verdict": "CONCEPT_DRIFT"})
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P2, "concept_drift", MODEL, "auc")]


def test_a_lake_that_did_not_change_is_not_read_again(
    book: Book, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_drift(lake, MODEL, june(1), temp=GONE)
    book.look()
    monkeypatch.setattr(lake, "read", None)
    assert book.look() == []


def test_one_broken_table_is_one_p0_whoever_reads_it(
    tmp_path: Path, lake: Lake, instance: dg.DagsterInstance
) -> None:
    broken = checked("features", "flights.weather", "temp_is_known", blocking=True)
    both = [training_set_of(model, broken.key) for model in (MODEL, OTHER)]
    catalogue = with_view(declared(MODEL, OTHER))
    book = Book(open_registry(tmp_path), watch(instance, lake, catalogue, broken, *both))
    ran(broken, instance, passes=False)
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P0, "broken_table", "flights.weather",
                            "features.temp_is_known")]  # fmt: skip
    (alert,) = book.store.alerts.open(OTHER)
    assert alert.affects == (MODEL, OTHER) and alert.detail == "12 rows lack it"
    assert book.look() == []
    ran(broken, instance, passes=True)
    ran(broken, instance, passes=True)
    # Both runs are one window: the newest evaluation is what the table is like.
    assert book.look() == []
    ran(broken, instance, passes=True)
    assert book.look() == [Said.RESOLVED]


def with_view(catalogue: Catalogue) -> Catalogue:
    catalogue.views["flights.weather"] = catalogue.models[MODEL]  # type: ignore[assignment]
    return catalogue


def test_a_warning_of_a_table_is_p3_and_a_candidates_gate_no_alert(
    tmp_path: Path, lake: Lake, instance: dg.DagsterInstance
) -> None:
    view = checked("features", "flights.weather", "is_complete", blocking=False)
    gate = checked("evaluations", MODEL, "beats_champion", blocking=True)
    catalogue = with_view(declared(MODEL))
    book = Book(open_registry(tmp_path), watch(instance, lake, catalogue, view, gate))
    for _ in range(3):
        ran(view, instance, passes=False)
        book.look()
    assert book.open() == [(Severity.P3, "warning", "flights.weather", "features.is_complete")]


def test_runs_that_fail_again_are_p1(
    tmp_path: Path, lake: Lake, instance: dg.DagsterInstance
) -> None:
    hourly = checked("predictions", MODEL, "is_whole", blocking=False)
    book = Book(open_registry(tmp_path), watch(instance, lake, declared(MODEL), hourly))
    ran(hourly, instance, fails=True)
    assert book.look() == []
    ran(hourly, instance, fails=True)
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P1, "failed_run", MODEL, "predictions")]
    ran(hourly, instance)
    ran(hourly, instance)
    assert book.look() == [Said.RESOLVED]


def test_a_live_model_whose_hourly_run_is_missed_is_p1_and_a_replayed_one_never(
    tmp_path: Path, lake: Lake, instance: dg.DagsterInstance
) -> None:
    hourly = checked("predictions", MODEL, "is_whole", blocking=False)
    live = Book(
        open_registry(tmp_path), watch(instance, lake, declared(MODEL, end_day=None), hourly)
    )
    replayed = Book(open_registry(tmp_path / "replayed"),
                    watch(instance, lake, declared(MODEL), hourly))  # fmt: skip
    assert live.look() == []
    ran(hourly, instance)
    now = datetime.now(UTC)
    for book in (live, replayed):
        assert book.look(now + timedelta(hours=2, minutes=50)) == []
        assert book.look(now + timedelta(hours=3, minutes=10)) == []
    assert live.look(now + timedelta(hours=3, minutes=11)) == [Said.OPENED]
    assert live.open() == [(Severity.P1, "missed_run", MODEL, "predictions")]
    assert replayed.look(now + timedelta(days=30)) == []


def test_a_model_whose_alerts_changed_is_materialised_with_all_that_are_open() -> None:
    alert = Alert(
        id=3, model="flights.weather", kind="broken_table", subject="features.temp_is_known",
        severity=Severity.P0, state=State.OPEN, detail="12 rows lack it", affects=(MODEL, "x.gone"),
        window="1", failing=True, before=0, began_at=datetime.now(UTC),
    )  # fmt: skip
    (made,) = events([Step(alert=alert)], [alert], declared(MODEL, OTHER))
    assert made.asset_key == key("alerts", "flights", "arrival_delay")
    assert made.metadata["open"].value == 1 and made.metadata["worst"].value == "P0"


def test_the_sensor_ticks_on_the_real_definitions(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with in_environment(settings_at(tmp_path)):
        lake = open_lake(tmp_path)
        for day in (1, 2):
            write_drift(lake, MODEL, june(day), temp=DRIFTED)
        repository = defs().get_repository_def()

        def tick(cursor: str | None) -> dg.SensorResult:
            with dg.build_sensor_context(
                instance=instance, cursor=cursor, repository_def=repository,
                resources=repository.get_top_level_resources(),
            ) as context:  # fmt: skip
                found = alerts_changed(catalogue())(context)
            assert isinstance(found, dg.SensorResult)
            return found

        first = tick(None)
        assert [event.asset_key for event in first.asset_events] == [
            key("alerts", "flights", "arrival_delay")
        ]
        again = tick(first.cursor)
        assert again.asset_events == [] and again.skip_reason is not None
        store = open_registry(tmp_path)
        assert [alert.kind for alert in store.alerts.open(MODEL)] == ["drift"]
        assert store.outbox.undelivered() == []
        lake.close()
