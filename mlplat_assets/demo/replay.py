"""Live traffic from history: features arrive and requests are made in time order."""

import http.client
import json
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from mlplat_assets.demo.plan import Days
from mlplat_assets.discovery import Declared
from mlplat_assets.features.online.rows import online_rows, view_rows
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import OnlineRow, OnlineStore

CLIENTS = 2


@dataclass(kw_only=True)
class Traffic:
    """What the clients saw: answers by prediction id, and how long each took."""

    predictions: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missing: int = 0

    def percentile(self, share: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Arrivals:
    """The rows of every view, released into the online store as their time comes."""

    def __init__(self, lake: Lake, views: list[Declared[FeatureView]], days: Days) -> None:
        self._waiting: dict[str, tuple[list[datetime], list[OnlineRow]]] = {}
        self._released = dict.fromkeys((view.full_name for view in views), 0)
        for view in views:
            reach = view.spec.ttl + timedelta(days=2) if view.spec.ttl else timedelta(days=366)
            rows = view_rows(lake, view, days.first - reach, days.last)
            effective, online = rows["effective"].to_list(), list(online_rows(rows, view.spec))
            self._waiting[view.full_name] = effective, online

    def release(self, store: OnlineStore, until: datetime) -> None:
        """Write what has come into effect since the last call, `until` included."""
        for name, (effective, rows) in self._waiting.items():
            start, end = self._released[name], bisect_right(effective, until)
            if end > start:
                store.write(name, rows[start:end])
                self._released[name] = end


def requests(
    lake: Lake, model: Declared[ModelSpec], inputs: ModelInputs, days: Days
) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
    """The requests of scheduled flights, cancelled ones too, by decision time."""
    found = pl.DataFrame(
        lake.read(
            """select * from staging.flights__decisions
               where event_timestamp::date between ? and ? order by event_timestamp, flight_id""",
            [days.first, days.last],
        )
    )
    for (moment,), part in found.partition_by("event_timestamp", as_dict=True).items():
        yield moment, [_request(row, model, inputs) for row in part.iter_rows(named=True)]


def replay(
    lake: Lake,
    store: OnlineStore,
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    days: Days,
    url: str,
    advance: Callable[[int], None],
) -> Traffic:
    """Send a span of days through the service; `advance` is told of each answered request.

    Raises:
        RuntimeError: The service refused a request.
    """
    views = [view for view, _ in inputs.views().values()]
    arrivals = Arrivals(lake, views, days)
    traffic = Traffic()
    local = threading.local()

    def send(body: dict[str, Any]) -> tuple[dict[str, Any], float]:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        started = time.perf_counter()
        headers = {"content-type": "application/json"}
        local.connection.request("POST", "/v1/predict", json.dumps(body), headers)
        response = local.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status} for {body}: {content.decode()}")
        return json.loads(content), time.perf_counter() - started

    with ThreadPoolExecutor(CLIENTS) as clients:
        for moment, bodies in requests(lake, model, inputs, days):
            arrivals.release(store, moment)
            for answer, seconds in clients.map(send, bodies):
                traffic.predictions.append(answer["prediction_id"])
                traffic.seconds.append(seconds)
                traffic.missing += "NOT_FOUND" in answer["feature_status"].values()
            advance(len(bodies))
    return traffic


def _request(
    row: dict[str, Any], model: Declared[ModelSpec], inputs: ModelInputs
) -> dict[str, Any]:
    return {
        "unit_id": row[inputs.label_table.spec.unit],
        "entities": {entity.name: row[entity.name] for entity in inputs.entities},
        "context": {field.name: row[field.name] for field in model.spec.context},
        "event_timestamp": row["event_timestamp"].replace(tzinfo=UTC).isoformat(),
    }
