"""Generated rules and dashboard: read by promtool, asked of a real service by a real Prometheus."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from mlplat_assets.alerts.grafana import dashboard
from mlplat_assets.alerts.prometheus import rules
from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue
from mlplat_assets.monitoring_spec import Monitoring, Objectives
from tests.bentos.artefacts import MODEL
from tests.bentos.servers import call, free_port, serving
from tests.bentos.versions import promote
from tests.deploy.test_dashboard import REQUEST
from tests.services import unavailable

PROMISED = Objectives(p99_ms=50, error_share=0.01)


def program(name: str) -> str:
    if shutil.which(name) is None:
        unavailable(f"{name} is not on the PATH: apt-get install prometheus")
    return name


@pytest.fixture(scope="module")
def declared() -> Catalogue:
    """The real declarations, of a team that is live, with one model that promises."""
    found = catalogue()
    models = {
        name: replace(
            model,
            spec=replace(
                model.spec,
                monitoring=Monitoring(objectives=PROMISED if name == MODEL else Objectives()),
            ),
        )
        for name, model in found.models.items()
    }
    views = {
        name: replace(view, spec=replace(view.spec, freshness=timedelta(hours=2)))
        for name, view in found.views.items()
        if name == "flights.weather"
    }
    teams = {"flights": replace(found.teams["flights"], end_day=None)}
    return replace(found, models=models, views={**found.views, **views}, teams=teams)


@pytest.fixture
def file(declared: Catalogue, tmp_path: Path) -> Path:
    made = tmp_path / "mlplat_rules.yml"
    made.write_text(rules(declared))
    return made


def test_promtool_takes_the_rules(file: Path) -> None:
    command = [program("promtool"), "check", "rules", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout


def test_every_promise_is_a_rule_and_a_model_without_any_has_none_of_speed(
    declared: Catalogue, file: Path
) -> None:
    groups = {group["name"]: group["rules"] for group in yaml.safe_load(file.read_text())["groups"]}
    assert list(groups) == [*(f"mlplat {name}" for name in sorted(declared.models)),
                            "mlplat features"]  # fmt: skip
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in groups[f"mlplat {MODEL}"]}
    assert severities == {
        "MlplatSlow": "P1",
        "MlplatErrors": "P1",
        "MlplatAbsent": "P1",
        "MlplatJournalLost": "P0",
        "MlplatRegistryStale": "P1",
    }
    others = {rule["alert"] for rule in groups["mlplat flights.departure_delay"]}
    assert others == {"MlplatJournalLost", "MlplatRegistryStale"}
    ages = [
        rule for rule in groups["mlplat features"] if rule["labels"]["view"] == "flights.weather"
    ]
    assert ages[0]["expr"].endswith("> 7200")


def test_a_replayed_teams_views_have_no_rule() -> None:
    assert "MlplatFeaturesStale" not in rules(catalogue())


# What promtool plays to the rules: 20 requests a second, of a p99 and faults as told.
UNIT_TEST = """
rule_files: [mlplat_rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'mlplat_requests_total{model="M",status="200"}', values: '0+1200x30'}
  - {series: 'mlplat_requests_total{model="M",status="503"}', values: '0+FAULTSx30'}
  - {series: 'mlplat_request_seconds_bucket{model="M",le="0.02"}', values: '0+FASTx30'}
  - {series: 'mlplat_request_seconds_bucket{model="M",le="0.2"}', values: '0+1200x30'}
  - {series: 'mlplat_request_seconds_bucket{model="M",le="+Inf"}', values: '0+1200x30'}
  - {series: 'mlplat_journal_lost_total{model="M"}', values: '0+LOSTx30'}
  - {series: 'mlplat_routing_problems{model="M"}', values: 'STALEx30'}
  - {series: 'mlplat_feature_freshness_seconds{view="flights.weather"}', values: 'AGEx30'}
  alert_rule_test:
"""
HEALTHY = {"FAULTS": "1", "FAST": "1199", "LOST": "0", "STALE": "0", "AGE": "600"}
ALERTS = ["MlplatSlow", "MlplatErrors", "MlplatAbsent", "MlplatJournalLost", "MlplatRegistryStale",
          "MlplatFeaturesStale"]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "alert"),
    [
        ({}, None),
        ({"FAST": "1100"}, "MlplatSlow"),
        ({"FAULTS": "60"}, "MlplatErrors"),
        ({"LOST": "1"}, "MlplatJournalLost"),
        ({"STALE": "1"}, "MlplatRegistryStale"),
        ({"AGE": "7300"}, "MlplatFeaturesStale"),
        ({'_lost_total{model="M"}': '_lost_total{model="other"}'}, "MlplatAbsent"),
    ],
    ids=lambda value: str(value) if not isinstance(value, dict) else "",
)
def test_the_rule_of_what_is_broken_fires_and_no_other(
    file: Path, broken: dict[str, str], alert: str | None
) -> None:
    """As promtool evaluates half an hour of a service that breaks in one way."""
    text = UNIT_TEST
    for name in ALERTS:
        text += f"  - {{eval_time: 25m, alertname: {name}, exp_alerts: []}}\n"
    for old, new in {**broken, **HEALTHY, **broken}.items():
        text = text.replace(old, new)
    played = file.parent / "played.yml"
    played.write_text(text.replace('model="M"', f'model="{MODEL}"'))
    command = [program("promtool"), "test", "rules", str(played)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    fired = [name for name in ALERTS if f"alertname: {name}," in told.stdout + told.stderr]
    assert fired == ([alert] if alert else []), told.stdout + told.stderr
    assert (told.returncode == 0) is (alert is None)


@contextmanager
def prometheus(folder: Path, file: Path, target: int) -> Iterator[int]:
    """A real Prometheus that scrapes one port each second; its own port."""
    port = free_port()
    document = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(file)],
        "scrape_configs": [
            {"job_name": "mlplat", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    command = [program("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
               f"--storage.tsdb.path={folder / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def asked(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())["data"]
    finally:
        connection.close()


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer; what is not there yet, or does not answer yet, is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := found():
                return answer
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s")


def test_a_real_prometheus_scrapes_a_real_service_and_the_rules_find_their_numbers(
    declared: Catalogue, file: Path, tmp_path: Path
) -> None:
    program("prometheus")
    promote(tmp_path, -1.0)
    with serving("bentos.model_server.service:ModelServer", tmp_path, MLPLAT_MODEL=MODEL) as server:
        for _ in range(3):
            assert call(server.port, "POST", "/v1/predict", REQUEST)[0] == 200
        with prometheus(tmp_path, file, server.port) as port:
            counted = quote(f'sum(mlplat_requests_total{{model="{MODEL}",status="200"}})')
            found = until(lambda: asked(port, f"/api/v1/query?query={counted}")["result"])
            assert float(found[0]["value"][1]) == 3
            # Until the first scrape every series is absent.
            judged = until(lambda: quiet(asked(port, "/api/v1/rules")["groups"]))
            assert judged.count((MODEL, "ok")) == 5
            for query in questions(declared):
                assert "result" in asked(port, f"/api/v1/query?query={quote(query)}"), query


def quiet(groups: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The model and health of every rule, once each was evaluated and none is about to fire."""
    found = [rule for group in groups for rule in group["rules"]]
    if any(rule["state"] != "inactive" or rule["health"] == "unknown" for rule in found):
        return []
    return [(rule["labels"].get("model", ""), rule["health"]) for rule in found]


def questions(declared: Catalogue) -> list[str]:
    panels = json.loads(dashboard(declared))["panels"]
    asked_for = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "1m") for query in asked_for]


def test_the_dashboard_is_what_grafanas_own_types_hold_and_write_again(declared: Catalogue) -> None:
    document = json.loads(dashboard(declared))
    register_default_plugins()
    held = Dashboard.from_json(document)
    assert json.loads(JSONEncoder().encode(held)) == document


def test_a_model_has_a_row_and_its_promise_is_a_line_in_it(declared: Catalogue) -> None:
    document = json.loads(dashboard(declared))
    rows = [panel["title"] for panel in document["panels"] if panel["type"] == "row"]
    assert [title.split(",")[0] for title in rows] == sorted(declared.models)
    lines = [query for query in questions(declared) if query.startswith("vector(")]
    assert lines == ["vector(0.05)", "vector(0.01)"]
