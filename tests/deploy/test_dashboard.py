"""The Grafana dashboard: of Grafana's schema, and about metrics that the service has."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.bentos.artefacts import MODEL
from tests.bentos.servers import ROOT, call, serving
from tests.bentos.versions import promote

FILE = ROOT / "deploy" / "grafana" / "dashboard.json"
REQUEST = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(FILE.read_bytes())


def test_it_is_what_grafanas_own_types_hold_and_write_again(document: dict[str, Any]) -> None:
    register_default_plugins()
    held = Dashboard.from_json(document)
    assert json.loads(JSONEncoder().encode(held)) == document


def test_panels_do_not_overlap_and_ask_the_chosen_data_source(document: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at.get("w", 24)) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"]


def test_every_metric_in_it_is_told_by_a_running_service(
    document: dict[str, Any], tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    with serving("bentos.model_server.service:ModelServer", tmp_path, MLPLAT_MODEL=MODEL) as server:
        assert call(server.port, "POST", "/v1/predict", REQUEST)[0] == 200
        assert call(server.port, "POST", "/v1/predict", {})[0] == 422
        text = call(server.port, "GET", "/metrics")[1].decode()
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    asked = {
        selector.name: {matcher.name for matcher in selector.matchers.matchers}
        for query in queries(document)
        for selector in selectors(promql.parse(query))
    }
    assert len(asked) >= 10
    assert not asked.keys() - told.keys()
    for name, labels in asked.items():
        assert labels <= told[name], name


def queries(document: dict[str, Any]) -> list[str]:
    """All PromQL of the panels, with what Grafana fills in."""
    found = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "1m") for query in found]


def selectors(expression: Any) -> Iterator[Any]:
    """Every selector of a metric in a parsed expression."""
    if isinstance(expression, promql.VectorSelector):
        yield expression
    below = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for each in (*below, *getattr(expression, "args", [])):
        if each is not None:
            yield from selectors(each)
