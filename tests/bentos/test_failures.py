"""What a version was asked and did not answer is on record, in each way that a request comes."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.answering.batch import answer_batch
from bentos.model_server.answering.deadlines import patient
from bentos.model_server.answering.failures import Failures
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.meter import Meter
from bentos.model_server.routing.versions import Routing, Target
from bentos.model_server.runtime.batcher import Overloaded
from mlplat_assets.monitoring.journal_records import Failed
from resources.online_store import online_store
from tests.bentos.artefacts import MODEL, fail_beyond, write_artefact
from tests.bentos.endpoints import NOON, REQUEST


class Broken:
    """An endpoint whose model gives no number, with its journal of failures."""

    def __init__(self, home: Path) -> None:
        folder = fail_beyond(write_artefact(home / "artefact", bias=0.0), limit=0.5)
        routing = Routing(model=MODEL)
        target = Target(version=3, artifact_digest="sha256:" + "3" * 64)
        self.folder = home / "journal" / f"{MODEL}.failures"
        self.meter = Meter()
        routing.activate(routing.load(target, folder))
        self.store = online_store(f"sqlite:///{home / 'online.sqlite'}")
        self.failures = Failures(
            journal=Journal(self.folder, lambda: NOON), meter=self.meter, clock=lambda: NOON
        )
        self.endpoint = Endpoint(
            routing=routing,
            store=self.store,
            journal=Journal(home / "journal" / MODEL, lambda: NOON),
            bento="b:v3",
            clock=lambda: NOON,
            meter=self.meter,
            failures=self.failures,
        )

    def records(self) -> list[dict[str, Any]]:
        return read_segments(self.folder, {})[0] if self.folder.exists() else []


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Broken]:
    made = Broken(tmp_path)
    yield made
    made.endpoint.close()
    made.failures.close()
    made.store.close()


def test_a_prediction_that_is_no_number_is_a_failure_of_its_version(broken: Broken) -> None:
    answer = asyncio.run(broken.endpoint.answer_body(json.dumps(REQUEST).encode()))
    assert answer.status == 422
    (record,) = broken.records()
    assert set(record) == {field for field in Failed.__struct_fields__}
    assert (record["version"], record["variant"], record["unit_id"]) == (3, "champion", "UA1545")
    assert (record["status"], record["error"]) == (422, "PredictionUnusable")
    assert broken.meter.counts["failure_recorded"] == 1


def test_a_batch_that_fails_is_one_failure(broken: Broken) -> None:
    body = json.dumps({"requests": [REQUEST, REQUEST | {"unit_id": "B6"}]}).encode()
    answer = asyncio.run(answer_batch(broken.endpoint, body, patient()))
    assert answer.status == 422 and json.loads(answer.body)["index"] == 0
    assert [record["unit_id"] for record in broken.records()] == ["UA1545"]


def test_what_is_no_request_is_nobody_s_failure(broken: Broken) -> None:
    for body in (b"{", json.dumps(REQUEST | {"unit_id": 5}).encode()):
        asyncio.run(broken.endpoint.answer_body(body))
    assert broken.records() == [] and not broken.folder.exists()


def test_a_journal_that_cannot_be_written_costs_a_count_and_no_answer(
    broken: Broken, tmp_path: Path
) -> None:
    broken.folder.parent.mkdir(parents=True, exist_ok=True)
    broken.folder.write_text("a file where the folder should be")
    answer = asyncio.run(broken.endpoint.answer_body(json.dumps(REQUEST).encode()))
    assert answer.status == 422 and broken.meter.counts["failure_lost"] == 1


def test_turning_away_writes_nothing(broken: Broken) -> None:
    choice = broken.endpoint.routing.choose("u")
    decoded = choice.served.plan.contract.validate(REQUEST, lambda: NOON)
    broken.failures.record(Overloaded("full"), choice, decoded)
    assert broken.records() == []
