"""A multiclass model answers with the most probable class and the probability of each."""

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.routing.versions import Routing, Target
from resources.online_store import online_store
from tests.bentos.artefacts import MODEL, card, expected_prediction, of_classes, write_artefact
from tests.bentos.test_endpoint import REQUEST

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
TARGET = Target(version=3, artifact_digest="sha256:" + "3" * 64)


@pytest.mark.parametrize(("bias", "decided"), [(-3.0, "on_time"), (3.0, "late")])
def test_the_class_and_all_probabilities_are_answered_and_journalled(
    bias: float, decided: str, tmp_path: Path
) -> None:
    routing = Routing(model=MODEL)
    folder = write_artefact(tmp_path / "artefact", bias=bias, document=of_classes())
    routing.activate(routing.load(TARGET, folder))
    with (
        closing(online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")) as store,
        closing(Journal(tmp_path / "journal", lambda: NOON)) as journal,
    ):
        endpoint = Endpoint(
            routing=routing, store=store, journal=journal, bento="b:v3", clock=lambda: NOON
        )
        answer = json.loads(asyncio.run(endpoint.answer_body(json.dumps(REQUEST).encode())).body)
    p = expected_prediction(bias=bias, distance=700, temp=None, carrier="UA")
    assert answer["prediction"] == decided
    assert answer["probabilities"] == pytest.approx({"late": p, "on_time": 1 - p}, rel=1e-5)
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record["prediction"] == max(answer["probabilities"].values())
    assert record["probabilities"] == answer["probabilities"]


def test_a_graph_that_answers_otherwise_than_its_card_says_is_not_loaded(tmp_path: Path) -> None:
    three = of_classes() | {"classes": ["early", "late", "on_time"]}
    for name, document in (("three", three), ("none", card())):
        folder = write_artefact(tmp_path / name, bias=0.0, document=of_classes())
        (folder / "card.json").write_text(json.dumps(document))
        with pytest.raises(ArtifactUnusable, match="a row of missing values is predicted as"):
            Routing(model=MODEL).load(TARGET, folder)
