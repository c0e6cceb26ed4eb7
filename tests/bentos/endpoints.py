"""Endpoints of the tiny model in this process, on real stores, and questions to them."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.routing.shadows import Shadows
from bentos.model_server.routing.versions import Routing, Target
from resources.online_store import OnlineRow, OnlineStore, online_store
from tests.bentos.artefacts import MODEL, card, write_artefact

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
}


class Asked:
    """An endpoint with its journal, asked on one event loop."""

    def __init__(self, endpoint: Endpoint, journal: Path) -> None:
        self.endpoint = endpoint
        self.journal = journal

    def answers(self, *requests: Mapping[str, Any] | bytes) -> list[tuple[int, dict[str, Any]]]:
        """Status and answer of requests that arrive at the same time."""
        bodies = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in requests]

        async def ask() -> list[tuple[int, dict[str, Any]]]:
            found = await asyncio.gather(*[self.endpoint.answer_body(body) for body in bodies])
            return [(int(answer.status), json.loads(answer.body)) for answer in found]

        return asyncio.run(ask())

    def answer(self, **changed: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of one request with fields changed."""
        ((status, answer),) = self.answers(REQUEST | changed)
        return status, answer

    def records(self) -> list[dict[str, Any]]:
        """What is in the journal."""
        return read_segments(self.journal, {})[0]


@contextmanager
def weather(tmp_path: Path, temp: float | None = 0.5) -> Iterator[OnlineStore]:
    """An online store with the weather of EWR at 11:00."""
    opened = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    write_weather(opened, temp)
    yield opened
    opened.close()


def write_weather(store: OnlineStore, temp: float | None, at: datetime = NOON - HOUR) -> None:
    """The weather of EWR from a time on."""
    row = OnlineRow(
        key=("EWR",),
        event_timestamp=at,
        created_timestamp=NOON,
        partition="2013-01-05",
        values={"temp": temp},
    )
    store.write("flights.weather", [row])


@contextmanager
def endpoint(
    tmp_path: Path,
    store: OnlineStore,
    *,
    document: dict[str, Any] | None = None,
    shadows: Shadows | None = None,
    **serving: Any,
) -> Iterator[Asked]:
    """An endpoint of version 3, its card's `serving` changed."""
    document = dict(document or card())
    document["serving"] = {**document["serving"], **serving}
    folder = write_artefact(tmp_path / "artefact", bias=-1.0, document=document)
    routing = Routing(model=MODEL)
    target = Target(version=3, artifact_digest="sha256:" + "3" * 64)
    routing.activate(routing.load(target, folder))
    journal = Journal(tmp_path / "journal" / MODEL, lambda: NOON)
    made = Endpoint(
        routing=routing,
        store=store,
        journal=journal,
        bento="b:v3",
        clock=lambda: NOON,
        shadows=shadows,
    )
    yield Asked(made, tmp_path / "journal" / MODEL)
    made.close()
    journal.close()
