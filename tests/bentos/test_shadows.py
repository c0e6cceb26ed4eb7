"""Shadows repeat what was answered, and are in nobody's way."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bentos.model_server.artefact.predictor import Predictor
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.meter import Meter
from bentos.model_server.routing.shadows import Shadowed, Shadows
from bentos.model_server.routing.versions import Routing, Served, Target
from tests.bentos.artefacts import (
    MODEL,
    card,
    expected_prediction,
    of_classes,
    write_artefact,
)
from tests.bentos.versions import NOON

INPUTS = {"distance": 700, "weather__temp": 1.5, "carrier": "UA", "is_holiday": False, "seats": 9}


def stubborn(folder: Path, first: Callable[[], None]) -> Predictor:
    """A predictor that does something else first."""
    made = Predictor.load(folder)
    run = made.run

    def runs(numeric: Any, categorical: Any) -> Any:
        first()
        return run(numeric, categorical)

    made.run = runs
    return made


class Bench:
    """Shadows of a routing whose table the test writes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.routing = Routing(model=MODEL)
        self.routing.activate(self.served(1, 0.0))
        self.meter = Meter()
        self.folder = home / f"{MODEL}.shadows"
        journal = Journal(self.folder, lambda: NOON)
        self.shadows = Shadows(
            routing=self.routing, journal=journal, meter=self.meter, clock=lambda: NOON
        )

    def served(
        self,
        version: int,
        bias: float,
        document: dict[str, Any] | None = None,
        first: Callable[[], None] | None = None,
    ) -> Served:
        folder = write_artefact(self.home / str(version), bias=bias, document=document)
        target = Target(version=version, artifact_digest=f"sha256:{version}")
        served = self.routing.load(target, folder)
        return replace(served, predictor=stubborn(folder, first)) if first else served

    def shadow(self, *served: Served) -> None:
        assert self.routing.table is not None
        self.routing.table = replace(self.routing.table, shadows=served)

    def offer(self, n: int, inputs: dict[str, Any] = INPUTS) -> None:
        for number in range(n):
            if not self.shadows.room(1):
                continue
            self.shadows.offer(
                Shadowed(
                    prediction_id=f"p{number}",
                    unit_id=f"u{number}",
                    event_timestamp="2013-01-05T11:00:00+00:00",
                    names=tuple(inputs),
                    row=tuple(inputs.values()),
                )
            )

    def wait(self, **counts: int) -> None:
        """Until so many are counted."""
        deadline = time.monotonic() + 30
        while any(self.meter.counts[name] < number for name, number in counts.items()):
            assert time.monotonic() < deadline, self.meter.counts
            time.sleep(0.005)

    def records(self) -> list[dict[str, Any]]:
        return read_segments(self.folder, {})[0]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.shadows.close()


def test_every_shadow_repeats_the_vector_of_a_live_answer(bench: Bench) -> None:
    bench.shadow(bench.served(2, 1.0), bench.served(3, -1.0))
    bench.offer(100)
    bench.wait(shadow_answered=200)
    records = bench.records()
    assert len(records) == 200
    for version, bias in ((2, 1.0), (3, -1.0)):
        mine = [record for record in records if record["version"] == version]
        assert [record["prediction_id"] for record in mine] == [f"p{n}" for n in range(100)]
        p = expected_prediction(bias=bias, distance=700, temp=1.5, carrier="UA")
        assert [record["prediction"] for record in mine] == pytest.approx([p] * 100, rel=1e-5)
    first = records[0]
    assert isinstance(first.pop("latency_ms"), float) and isinstance(first.pop("prediction"), float)
    assert first == {
        "prediction_id": "p0", "unit_id": "u0", "event_timestamp": "2013-01-05T11:00:00+00:00",
        "model": MODEL, "version": 2, "artifact_digest": "sha256:2", "error": None,
        "served_at": NOON.isoformat(),
    }  # fmt: skip


def test_of_classes_all_probabilities_are_recorded(bench: Bench) -> None:
    bench.shadow(bench.served(2, 1.0, of_classes()))
    bench.offer(1)
    bench.wait(shadow_answered=1)
    (record,) = bench.records()
    assert record["prediction"] == max(record["probabilities"].values())
    assert [*record["probabilities"]] == ["late", "on_time"]


def test_without_a_shadow_nothing_is_queued(bench: Bench) -> None:
    bench.offer(5000)
    assert not bench.meter.counts and not bench.folder.exists()


def test_a_vector_that_lacks_a_column_is_counted_and_not_run(bench: Bench) -> None:
    bench.shadow(bench.served(2, 1.0))
    bench.offer(3, {name: value for name, value in INPUTS.items() if name != "carrier"})
    bench.offer(1)
    bench.wait(shadow_unfed=3, shadow_answered=1)
    assert len(bench.records()) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), KeyError("x"), SystemExit(3)])
def test_a_shadow_that_raises_is_recorded_and_the_others_go_on(
    bench: Bench, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    bench.shadow(bench.served(2, 1.0, first=fail), bench.served(3, -1.0))
    bench.offer(50)
    bench.wait(shadow_answered=50, shadow_failed=50)
    failed = [record for record in bench.records() if record["version"] == 2]
    assert {record["error"] for record in failed} == {f"{type(error).__name__}: {error}"}
    assert {record["prediction"] for record in failed} == {None}


def test_what_is_no_finite_number_is_an_error(bench: Bench, monkeypatch: Any) -> None:
    served = bench.served(2, 1.0)
    monkeypatch.setattr(served.predictor, "run", lambda *_: np.asarray([np.nan]))
    bench.shadow(served)
    bench.offer(1)
    bench.wait(shadow_failed=1)
    assert bench.records()[0]["error"] == "it predicts what is not a finite number"


def test_a_shadow_that_hangs_fills_the_queue_and_no_more(bench: Bench) -> None:
    hold = threading.Event()
    bench.shadow(bench.served(2, 1.0, first=lambda: bool(hold.wait(30))))  # type: ignore[arg-type,return-value]
    started = time.perf_counter()
    bench.offer(5000)
    assert time.perf_counter() - started < 1.0
    dropped = bench.meter.counts["shadow_dropped"]
    assert 5000 - 1024 - 64 <= dropped <= 5000 - 1024
    hold.set()
    bench.wait(shadow_answered=1)


def test_a_journal_that_cannot_be_written_loses_shadows_alone(bench: Bench) -> None:
    bench.folder.write_text("in the way")
    bench.shadow(bench.served(2, 1.0))
    bench.offer(3)
    bench.wait(shadow_lost=3)


def test_a_shadow_works_a_four_hundredth_of_the_time_at_most(bench: Bench) -> None:
    worked: list[tuple[float, float]] = []

    def work() -> None:
        started, begun = time.perf_counter(), time.thread_time()
        while time.thread_time() - begun < 0.002:
            pass
        worked.append((started, time.perf_counter()))

    bench.shadow(bench.served(2, 1.0, first=work))
    bench.offer(1024)
    bench.wait(shadow_answered=192)
    assert all(after[0] - before[1] >= 0.79 for before, after in pairwise(worked))


def test_a_shadow_that_sleeps_holds_up_nothing_and_rests_for_nothing(bench: Bench) -> None:
    slept: list[float] = []

    def sleep() -> None:
        time.sleep(0.5)
        slept.append(time.perf_counter())

    bench.shadow(bench.served(2, 1.0, first=sleep), bench.served(3, 2.0))
    bench.offer(192)
    bench.wait(shadow_answered=384)
    assert all(after - before < 5.0 for before, after in pairwise(slept))


def test_the_card_of_a_shadow_may_differ_from_the_champion_s(bench: Bench) -> None:
    other = card()
    other["context"] = [field for field in other["context"] if field["name"] != "seats"]
    bench.shadow(bench.served(2, 1.0, other))
    bench.offer(1)
    bench.wait(shadow_answered=1)
