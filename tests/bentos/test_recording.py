"""Answers and the journal: one write for a batch, and what happens when it fails."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.answering.pending import Caller
from bentos.model_server.journal.health import write_probe
from bentos.model_server.journal.segments import read_segments
from bentos.model_server.routing.shadows import Shadowed, Shadows
from bentos.model_server.routing.versions import Choice, Routing, Served, Target
from resources.online_store import OnlineStore
from tests.bentos.artefacts import MODEL, card, write_artefact
from tests.bentos.endpoints import NOON, REQUEST, Asked, endpoint, weather

PATIENCE_SECONDS = 20.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    """The weather of EWR."""
    with weather(tmp_path) as store:
        yield store


def body(**changed: Any) -> bytes:
    return json.dumps(REQUEST | changed).encode()


async def until(condition: Callable[[], bool]) -> None:
    """Wait, for some seconds at most, until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_answers_of_one_turn_are_in_the_journal_by_one_write(
    tmp_path: Path, store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    write = os.write

    def counted(file: int, data: bytes) -> int:
        if data.startswith(b'{"unit_id"'):
            writes.append(data.count(b"\n"))
        return write(file, data)

    with endpoint(tmp_path, store) as asked:
        monkeypatch.setattr(os, "write", counted)
        answers = asked.answers(*[REQUEST | {"unit_id": f"u{n}"} for n in range(20)])
        assert {status for status, _ in answers} == {200}
        assert writes == [20]
        ids = [record["prediction_id"] for record in asked.records()]
        assert ids == [answer["prediction_id"] for _, answer in answers]
        assert len(set(ids)) == 20


def test_while_the_journal_cannot_be_written_the_service_refuses_and_is_not_ready(
    tmp_path: Path, store: OnlineStore
) -> None:
    async def run(asked: Asked) -> None:
        made = asked.endpoint
        assert made.is_ready()
        (tmp_path / "journal").write_text("in the way")
        refused = await made.answer_body(body())
        assert refused.status == 503
        assert not made.is_ready()
        assert (await made.answer_body(body())).status == 503
        (tmp_path / "journal").unlink()
        # No request is needed for it to come back.
        await until(made.is_ready)
        answer = await made.answer_body(body())
        assert answer.status == 200
        (record,) = asked.records()
        assert record["prediction_id"] == json.loads(answer.body)["prediction_id"]

    with endpoint(tmp_path, store) as asked:
        asyncio.run(run(asked))


def test_a_model_that_does_not_require_its_journal_answers_on_and_counts_what_is_lost(
    tmp_path: Path, store: OnlineStore
) -> None:
    async def run(asked: Asked) -> None:
        made = asked.endpoint
        (tmp_path / "journal").write_text("in the way")
        for _ in range(3):
            assert (await made.answer_body(body())).status == 200
        assert made.is_ready()
        assert made.meter.counts["journal_lost"] == 3

    with endpoint(tmp_path, store, journal={"required": False}) as asked:
        asyncio.run(run(asked))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_every_acknowledged_prediction_of_a_disk_that_fills_up_is_on_it(
    tmp_path: Path, small_disk: Path, store: OnlineStore
) -> None:
    async def run(asked: Asked) -> list[str]:
        made, acknowledged = asked.endpoint, []
        for _ in range(200):
            answers = await asyncio.gather(*[made.answer_body(body()) for _ in range(16)])
            good = [json.loads(a.body)["prediction_id"] for a in answers if a.status == 200]
            acknowledged += good
            assert {answer.status for answer in answers} <= {200, 503}
            if not good:
                break
        assert not made.is_ready()
        # Room again, as when somebody removes files that are no longer needed.
        small_disk.joinpath("ballast").unlink()
        await until(made.is_ready)
        answer = await made.answer_body(body())
        return [*acknowledged, json.loads(answer.body)["prediction_id"]]

    (small_disk / "ballast").write_bytes(bytes(300_000))
    (tmp_path / "journal").symlink_to(small_disk)
    with endpoint(tmp_path, store) as asked:
        acknowledged = asyncio.run(run(asked))
    records, _ = read_segments(small_disk, {})
    recorded = [record["prediction_id"] for record in records]
    assert len(acknowledged) > 100
    assert len(set(recorded)) == len(recorded)
    assert set(acknowledged) <= set(recorded)


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    write_probe(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_request_past_its_deadline_gets_504_and_is_not_recorded(
    tmp_path: Path, store: OnlineStore
) -> None:
    async def run(asked: Asked) -> int:
        late = Caller(deadline=time.monotonic() - 0.001)
        return (await asked.endpoint.answer_body(body(), late)).status

    with endpoint(tmp_path, store) as asked:
        assert asyncio.run(run(asked)) == 504
        assert asked.records() == []


def test_the_caller_and_the_trace_are_recorded(tmp_path: Path, store: OnlineStore) -> None:
    caller = Caller(deadline=time.monotonic() + 60, client='crew "A"', trace_id="ab" * 16)
    with endpoint(tmp_path, store) as asked:
        asyncio.run(asked.endpoint.answer_body(body(), caller))
        asked.answer()
        first, second = asked.records()
        assert (first["client"], first["trace_id"]) == ('crew "A"', "ab" * 16)
        assert "client" not in second
        assert "trace_id" not in second


class ByUnit(Routing):
    """Routes units whose id begins with 'other' to the second of two versions."""

    def __init__(self, first: Served, second: Served) -> None:
        super().__init__(model=MODEL)
        self._pair = first, second

    def choose(self, unit_id: str) -> Choice:
        first, second = self._pair
        is_other = unit_id.startswith("other")
        return Choice(
            variant="canary" if is_other else "champion",
            served=second if is_other else first,
            bucket=1,
            revision=4,
        )


def test_each_version_validates_by_its_own_card(tmp_path: Path, store: OnlineStore) -> None:
    wide = card() | {
        "context": [
            *card()["context"],
            {"name": "gate", "dtype": "string", "description": "", "minimum": None,
             "maximum": None, "allowed": []},
        ]
    }  # fmt: skip
    served: list[Served] = []
    for number, document in ((1, card()), (2, wide)):
        folder = write_artefact(tmp_path / str(number), bias=float(number), document=document)
        target = Target(version=number, artifact_digest=f"sha256:{number}")
        served.append(Routing(model=MODEL).load(target, folder))
    other = {"unit_id": "other", "context": REQUEST["context"] | {"gate": "B2"}}
    with endpoint(tmp_path, store) as asked:
        asked.endpoint.routing = ByUnit(*served)
        answers = asked.answers(
            REQUEST, REQUEST | other, REQUEST, REQUEST | {"unit_id": "other"}, REQUEST | other
        )
        assert [status for status, _ in answers] == [200, 200, 200, 422, 200]
        assert [answer.get("version") for _, answer in answers] == [1, 2, 1, None, 2]
        assert [answer.get("variant") for _, answer in answers[:2]] == ["champion", "canary"]
        assert answers[3][1]["field"] == "context.gate"
        status, answer = asked.answer(context=other["context"])
        assert (status, answer["field"]) == (422, "context.gate")
        assert {record["revision"] for record in asked.records()} == {4}


class Noting(Shadows):
    """Keeps what is offered to shadows."""

    def __init__(self) -> None:
        self.offered: list[Shadowed] = []

    def room(self, rows: int) -> int:
        return rows

    def offer(self, shadowed: Shadowed) -> None:
        self.offered.append(shadowed)


def test_shadows_are_offered_the_vector_of_every_answer(tmp_path: Path, store: OnlineStore) -> None:
    noting = Noting()
    with endpoint(tmp_path, store, shadows=noting) as asked:
        _, answer = asked.answer()
        (offered,) = noting.offered
        assert offered.prediction_id == answer["prediction_id"]
        assert offered.unit_id == "UA1545"
        assert offered.event_timestamp == NOON.isoformat()
        assert dict(zip(offered.names, offered.row, strict=True)) == {
            **REQUEST["entities"],
            **REQUEST["context"],
            "weather__temp": 0.5,
        }
