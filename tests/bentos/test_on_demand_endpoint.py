"""On-demand features in an answer and its journal line, and what a function that fails gives."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.routing.versions import Routing, Target
from resources.digests import digest_of_bytes
from resources.online_store import OnlineRow, OnlineStore, online_store
from tests.bentos.artefacts import MODEL, card, write_artefact

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCE = """
import sys
import numpy as np
from mlplat_assets.spec import Field, OnDemandView

def compute(columns):
    seats = columns["seats"]
    if (seats == 1).any():
        raise LookupError("a flight of one")
    if (seats == 2).any():
        sys.exit(3)
    if (seats == 3).any():
        return {"chill": np.zeros(7), "age": seats, "who": columns["carrier"]}
    return {
        "chill": columns["weather__temp"] - columns["weather__gust"] / 10,
        "age": (columns["event_timestamp"] - np.datetime64("2013-01-05")) / np.timedelta64(1, "m"),
        "who": columns["carrier"] + "!" if columns["carrier"][0] else columns["carrier"],
    }

ON_DEMAND = OnDemandView(
    description="", request=(), inputs=(), features=(), compute=compute,
)
"""
ENTRY: dict[str, Any] = {
    "view": "flights.comfort",
    "source": "on_demand/flights__comfort.py",
    "request": [
        {"name": "seats", "dtype": "int"},
        {"name": "carrier", "dtype": "string"},
        {"name": "event_timestamp", "dtype": "timestamp"},
    ],
    "inputs": [
        {"column": f"weather__{name}", "view": "flights.weather", "feature": name, "dtype": "float"}
        for name in ("temp", "gust")
    ],
    "features": [
        {"name": "chill", "dtype": "float"},
        {"name": "age", "dtype": "int"},
        {"name": "who", "dtype": "string"},
    ],
    "columns": ["comfort__chill", "comfort__age", "comfort__who"],
}
REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
    "event_timestamp": "2013-01-05T12:00:00+00:00",
}
Make = Callable[..., Endpoint]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    """Weather of EWR at 11:00."""
    opened = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    known = OnlineRow(
        key=("EWR",),
        event_timestamp=NOON - HOUR,
        created_timestamp=NOON,
        partition="2013-01-05",
        values={"temp": 0.5, "gust": 20.0},
    )
    opened.write("flights.weather", [known])
    yield opened
    opened.close()


@pytest.fixture
def endpoint(tmp_path: Path, store: OnlineStore) -> Make:
    """Makes the endpoint of a model with on-demand features, by its source and card's changes."""

    def make(source: str = SOURCE, /, **changed: Any) -> Endpoint:
        document = card()
        document["views"][0]["features"] = ["temp", "gust"]
        entry = ENTRY | {"digest": digest_of_bytes(source.encode())} | changed
        folder = write_artefact(
            tmp_path / "artefact", bias=-1.0, document=document | {"on_demand": [entry]}
        )
        (folder / "on_demand").mkdir(exist_ok=True)
        (folder / ENTRY["source"]).write_text(source)
        routing = Routing(model=MODEL)
        target = Target(version=3, artifact_digest="sha256:" + "3" * 64)
        routing.activate(routing.load(target, folder))
        journal = Journal(tmp_path / "journal" / MODEL, lambda: NOON)
        return Endpoint(
            routing=routing, store=store, journal=journal, bento="b:v3", clock=lambda: NOON
        )

    return make


def ask(endpoint: Endpoint, **changed: Any) -> tuple[int, dict[str, Any]]:
    answer = asyncio.run(endpoint.answer_body(json.dumps(REQUEST | changed).encode()))
    return answer.status, json.loads(answer.body)


def seats(number: int) -> dict[str, Any]:
    return REQUEST["context"] | {"seats": number}


def test_computed_features_are_in_the_vector_and_their_inputs_are_not(
    endpoint: Make, tmp_path: Path
) -> None:
    status, answer = ask(endpoint())
    assert status == 200
    assert answer["feature_status"] == {
        "weather__temp": "PRESENT",
        "comfort__chill": "PRESENT",
        "comfort__age": "PRESENT",
        "comfort__who": "PRESENT",
    }
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record["features"] == {
        "weather__temp": 0.5,
        "comfort__chill": -1.5,
        "comfort__age": 720,
        "comfort__who": "UA!",
    }
    assert record["feature_times"] == {"flights.weather": (NOON - HOUR).isoformat()}


def test_what_rests_on_a_missing_value_is_null(endpoint: Make, tmp_path: Path) -> None:
    status, answer = ask(endpoint(), entities={"carrier": None, "origin": "JFK"})
    assert status == 200
    assert answer["feature_status"]["weather__temp"] == "NOT_FOUND"
    assert answer["feature_status"]["comfort__chill"] == "NULL"
    assert answer["feature_status"]["comfort__who"] == "NULL"
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record["features"]["comfort__chill"] is None


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1, "flights__comfort.py, line 9, raised LookupError: a flight of one; every row must be"),
        (2, "raised SystemExit: 3"),
        (3, "feature 'chill', declared float, has shape (7,): return 1 values, one for each row"),
    ],
)
def test_a_function_that_fails_is_a_500_that_names_it_and_nothing_is_journalled(
    endpoint: Make, tmp_path: Path, number: int, message: str
) -> None:
    asked = endpoint()
    status, answer = ask(asked, context=seats(number))
    assert status == 500
    assert answer["error"].startswith("on-demand view flights.comfort: ")
    assert message in answer["error"]
    assert read_segments(tmp_path / "journal", {})[0] == []
    assert ask(asked)[0] == 200


@pytest.mark.parametrize(
    ("source", "changed", "message"),
    [
        (SOURCE.replace("def compute", "def compute_all"), {}, "NameError"),
        (SOURCE + "\nraise SystemExit", {}, "SystemExit"),
        (SOURCE, {"digest": "sha256:" + "0" * 64}, "but the card was made with sha256:000"),
        (SOURCE, {"source": "on_demand/other.py"}, "No such file"),
        (SOURCE, {"request": [{"name": "age", "dtype": "int"}]}, "nothing fills ['age'] of flig"),
        (SOURCE.replace('columns["carrier"] + "!" if columns["carrier"][0] else', '"!" +'), {},
         "every row must be answered, with NaN (None for a text) where a value is missing"),
    ],
)  # fmt: skip
def test_a_version_whose_function_cannot_run_is_not_loaded(
    endpoint: Make, source: str, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtifactUnusable) as refused:
        endpoint(source, **changed)
    assert message in str(refused.value)
