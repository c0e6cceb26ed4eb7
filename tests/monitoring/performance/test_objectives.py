"""A service is held to its objectives no closer than so many answers can tell."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import polars as pl
import pytest

from bentos.model_server.meter import Meter
from bentos.model_server.metrics.exposition import exposition
from bentos.model_server.metrics.snapshots import snapshot
from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.monitoring.performance.objectives import objectives_met
from mlplat_assets.monitoring.service_answers import ServiceAnswers, counted, service_answers
from mlplat_assets.monitoring_spec import Objectives

MODEL = "flights.arrival_delay"


def latencies(slow: int, total: int = 10_000) -> pl.DataFrame:
    return pl.DataFrame({"latency_ms": np.where(np.arange(total) < slow, 80.0, 3.0)})


@pytest.mark.parametrize(
    ("slow", "verdict"),
    [(60, Verdict.PASS), (100, Verdict.INCONCLUSIVE), (150, Verdict.FAIL)],
)
def test_a_p99_is_judged_by_the_share_that_is_slower(slow: int, verdict: Verdict) -> None:
    (found,) = objectives_met(Objectives(p99_ms=50), latencies(slow), None)
    assert (found.subject, found.verdict, found.bound) == ("p99_ms", verdict, 50)


def test_few_answers_tell_nothing_of_a_p99() -> None:
    (found,) = objectives_met(Objectives(p99_ms=50), latencies(199, 199), None)
    assert found.verdict is Verdict.INCONCLUSIVE and "fewer than 200" in found.reason


@pytest.mark.parametrize(
    ("faults", "verdict"), [(3, Verdict.PASS), (10, Verdict.INCONCLUSIVE), (30, Verdict.FAIL)]
)
def test_faults_of_the_service_are_held_against_their_share(faults: int, verdict: Verdict) -> None:
    answers = ServiceAnswers(by_status={200: 900 - faults, 422: 100, 503: faults})
    (found,) = objectives_met(Objectives(error_share=0.01), latencies(0), answers)
    assert found.verdict is verdict
    assert f"{faults} of 503" in found.reason


def test_nothing_is_promised_of_a_service_that_declares_nothing() -> None:
    assert list(objectives_met(Objectives(), latencies(0), None)) == []


def told() -> str:
    """What the service itself exposes after 3 answers, a refusal and a fault."""
    meter = Meter()
    for status in (200, 200, 200, 422, 503):
        meter.answered(status, "champion", 3, 0.002)
    return exposition([snapshot(meter, MODEL, 0.0)])


@pytest.fixture
def service() -> Iterator[str]:
    """A server that answers every path with the exposition of a real meter."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(told().encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_services_own_counters_are_read_by_status(service: str) -> None:
    found = service_answers(service, MODEL)
    assert isinstance(found, ServiceAnswers)
    assert found.by_status == {200: 3, 422: 1, 503: 1}
    assert (found.requests, found.faults) == (5, 1)


def test_a_service_that_cannot_be_asked_says_why(service: str) -> None:
    assert service_answers(service, "flights.departure_delay") == (
        f"{service} serves another model than flights.departure_delay"
    )
    refused = service_answers(f"{service}/below", MODEL)
    assert refused == f"{service}/below/metrics answers 404"
    silent = service_answers("http://127.0.0.1:9", MODEL)
    assert isinstance(silent, str) and silent.startswith("nothing listens at")


def test_a_service_that_answered_nobody_yet_has_no_requests() -> None:
    found = counted(exposition([snapshot(Meter(), MODEL, 0.0)]), MODEL)
    assert found is not None and found.requests == 0
