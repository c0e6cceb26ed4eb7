"""Counters of several processes as one text, against counting by hand."""

import os
import subprocess
import sys
import timeit
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bentos.model_server.meter import Meter
from bentos.model_server.metrics.exposition import exposition
from bentos.model_server.metrics.snapshots import Publisher

Sample = tuple[str, tuple[tuple[str, str], ...]]
MODEL = "flights.arrival_delay"


def parsed(text: str) -> dict[Sample, float]:
    """Value by name and labels, `model` left out."""
    return {
        (s.name, tuple(sorted((k, v) for k, v in s.labels.items() if k != "model"))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([200, 422, 503]),
            st.sampled_from(["champion", "canary", ""]),
            st.sampled_from([0.0, 0.0005, 0.0007, 0.02, 5.0, 9.0]),
        )
    )
)
def test_processes_add_up_to_what_counting_by_hand_gives(
    answers: list[tuple[int, int, str, float]],
) -> None:
    meters = [Meter(), Meter(), Meter()]
    for process, status, variant, seconds in answers:
        meters[process].answered(status, variant, 3, seconds)
    publishers = [Publisher(meter, MODEL, Path("/nonexistent")) for meter in meters]
    found = parsed(exposition([p.collected()[0] for p in publishers]))
    for status in (200, 422, 503):
        for variant in ("champion", "canary", ""):
            labels = (("status", str(status)), ("variant", variant), ("version", "3"))
            expected = sum(1 for _, s, v, _ in answers if (s, v) == (status, variant))
            assert found.get(("mlplat_requests_total", labels), 0) == expected
    for variant in ("champion", "canary", ""):
        taken = [seconds for _, _, v, seconds in answers if v == variant]
        for bound in ("0.0005", "0.02", "5.0", "+Inf"):
            labels = (("le", bound), ("variant", variant))
            expected = sum(1 for seconds in taken if seconds <= float(bound))
            assert found.get(("mlplat_request_seconds_bucket", labels), 0) == expected
        total = found.get(("mlplat_request_seconds_sum", (("variant", variant),)), 0)
        assert total == pytest.approx(sum(taken))


def test_a_dead_process_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    now = 1000.0
    dead, alive = Meter(), Meter()
    for meter in (dead, alive):
        meter.gauges["queue"] = lambda: 2.0
        meter.gauges["routing_problems"] = lambda: 1.0
        meter.counts["shadow_dropped"] += 3
        meter.stage("predict", 0.001)
        meter.batch(8)
        meter.status("PRESENT", 33)
    Publisher(dead, MODEL, tmp_path, lambda: now).publish()
    scraped = Publisher(alive, MODEL, tmp_path, lambda: now + 1)
    before = parsed(exposition(scraped.collected()))
    assert before["mlplat_queue_rows", ()] == 4
    assert before["mlplat_routing_problems", ()] == 1
    after = parsed(exposition(Publisher(alive, MODEL, tmp_path, lambda: now + 10).collected()))
    assert after["mlplat_queue_rows", ()] == 2
    assert after["mlplat_shadow_dropped_total", ()] == 6
    assert after["mlplat_journal_lost_total", ()] == 0
    assert after["mlplat_stage_seconds_count", (("stage", "predict"),)] == 2
    assert after["mlplat_batch_rows_sum", ()] == 16
    assert after["mlplat_feature_status_total", (("status", "PRESENT"),)] == 66


def test_a_process_that_ends_publishes_its_last_counts_and_holds_nothing(tmp_path: Path) -> None:
    meter = Meter()
    meter.gauges["in_flight"] = lambda: 1.0
    ending = Publisher(meter, MODEL, tmp_path / "removed" / "meanwhile")
    ending.start()
    meter.answered(200, "champion", 1, 0.001)
    ending.close()
    sibling = Publisher(Meter(), MODEL, tmp_path / "removed" / "meanwhile")
    found = parsed(exposition(sibling.collected()))
    labels = (("status", "200"), ("variant", "champion"), ("version", "1"))
    assert found["mlplat_requests_total", labels] == 1
    assert ("mlplat_in_flight", ()) not in found


def test_another_service_in_the_same_folder_and_a_torn_file_are_left_out(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bentos.model_server.meter import Meter\n"
        "from bentos.model_server.metrics.snapshots import Publisher\n"
        "m = Meter(); m.counts['journal_lost'] += 5\n"
        "Publisher(m, 'a.b', Path(sys.argv[1])).publish()"
    )
    # Its parent is this process, not this process's parent: another family.
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(list(tmp_path.glob("*.json"))) == 1
    (tmp_path / f"mlplat-{os.getppid()}-1-torn.json").write_bytes(b'{"model"')
    found = parsed(exposition(Publisher(Meter(), MODEL, tmp_path).collected()))
    assert found["mlplat_journal_lost_total", ()] == 0


def test_counting_costs_next_to_nothing() -> None:
    """0.15 to 0.25 microseconds were measured; the bound leaves room for a busy machine."""
    meter = Meter()
    timer = timeit.Timer(lambda: meter.answered(200, "champion", 1, 0.0012))
    assert min(timer.repeat(5, 20_000)) / 20_000 < 3e-6
