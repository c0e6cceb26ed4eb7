"""Grafana's dashboard of declared objectives: a row a model, what it does beside its promise."""

import json
from typing import Any

from mlplat_assets.alerts.queries import fault_share, quantile_seconds, routing_problems
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec

Json = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WINDOW = "$__rate_interval"
HEIGHT, WIDTH = 8, 8


def dashboard(declared: Catalogue) -> str:
    """The dashboard as JSON of Grafana's schema 41 (11.6)."""
    panels: list[Json] = []
    models = sorted(declared.models.values(), key=lambda model: model.full_name)
    for number, model in enumerate(models):
        panels += _row(model, declared, top=number * (HEIGHT + 1))
    made = {
        "schemaVersion": 41,
        "templating": {"list": [_data_source()]},
        "annotations": {},
        "uid": "mlplat-models",
        "title": "Models and their objectives",
        "description": "Written by `mlplat alerts rules` from the declarations.",
        "tags": ["mlplat"],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "fiscalYearStartMonth": 0,
        "refresh": "30s",
        "panels": panels,
    }
    return json.dumps(made, indent=2) + "\n"


def _row(model: Declared[ModelSpec], declared: Catalogue, top: int) -> list[Json]:
    name, wanted = model.full_name, model.spec.monitoring.objectives
    lost = f'sum by (model) (rate(mlplat_journal_lost_total{{model="{name}"}}[{WINDOW}]))'
    head = {
        "type": "row",
        "title": f"{name}, {declared.owner(model)}",
        "collapsed": False,
        "gridPos": {"h": 1, "w": 24, "x": 0, "y": top},
        "id": 0,
        "panels": [],
    }
    asked = [
        ("p99", "The slowest hundredth of answers beside its promise.", "s",
         {"p99": quantile_seconds(name, window=WINDOW),
          "promised": wanted.p99_ms is not None and f"vector({wanted.p99_ms / 1000:g})"}),
        ("Faults", "Share of requests that ended by a fault (5xx) beside its promise.",
         "percentunit",
         {"faults": fault_share(name, window=WINDOW),
          "promised": wanted.error_share is not None and f"vector({wanted.error_share:g})"}),
        ("Lost and stale", "Predictions not recorded a second; why the registry is not followed.",
         "short", {"lost": lost, "routing problems": routing_problems(name)}),
    ]  # fmt: skip
    return [
        head,
        *(
            _panel(title, told, unit, queries, at=(place * WIDTH, top + 1))
            for place, (title, told, unit, queries) in enumerate(asked)
        ),
    ]


def _panel(title: str, told: str, unit: str, queries: dict[str, Any], at: tuple[int, int]) -> Json:
    asked = [(name, query) for name, query in queries.items() if query]
    return {
        "type": "timeseries",
        "targets": [
            {
                "expr": query,
                "refId": letter,
                "instant": False,
                "range": True,
                "legendFormat": name,
            }
            for letter, (name, query) in zip("ABC", asked, strict=False)
        ],
        "title": title,
        "description": told,
        "transparent": False,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": at[0], "y": at[1]},
        "repeatDirection": "h",
        "options": {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "custom": {"showPoints": "never"}},
            "overrides": [],
        },
    }


def _data_source() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "skipUrlSync": False,
        "query": "prometheus",
        "multi": False,
        "allowCustomValue": True,
        "includeAll": False,
        "auto": False,
        "auto_min": "10s",
        "auto_count": 30,
    }
