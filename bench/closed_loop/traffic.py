"""Clients of the service: the flights of the days as HTTP requests, and what they were answered."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.closed_loop.world import LIVE, MODEL, SERVED_DAY, Home
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import Arrivals, requests
from resources.online_store import online_store


@dataclass(kw_only=True)
class Seen:
    """What the answers of one variant were: how many, by status; the first and last id of one."""

    statuses: Counter[int] = field(default_factory=Counter)
    version: int = 0
    first: str = ""
    last: str = ""

    def __str__(self) -> str:
        """`version 1: 412 answers, first id ..., last id ...`."""
        told = ", ".join(f"{n} of status {status}" for status, n in sorted(self.statuses.items()))
        if not self.version:
            return told
        return f"version {self.version}: {told}; ids {self.first} ... {self.last}"


class Clients:
    """Ask for one flight after the other, features arriving as time passes."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.model, self.inputs = home.world.model(MODEL)
        self.store = online_store(home.settings.online_url, home.settings.online_timeout)
        self.seen: dict[str, Seen] = {}
        self.unlike: dict[str, Any] = {}
        self.every = 1
        self._asked = 0
        self._live = self._bodies(LIVE)
        host = home.settings.serving_url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(host, timeout=30)

    def serve_the_day(self) -> int:
        """Send every flight of the first day in service; how many there were."""
        bodies = list(self._bodies(SERVED_DAY))
        for body in bodies:
            self._send(body)
        return len(bodies)

    def ask(self, n: int) -> None:
        """The next flights of the days that follow; where they end, they begin again."""
        self._connection.close()  # a service hangs up on who is silent for long; this opens another
        for _ in range(n):
            body = next(self._live, None)
            if body is None:
                self._live = self._bodies(LIVE)
                body = next(self._live)
            self._asked += 1
            changed = self.unlike if self._asked % self.every == 0 else {}
            self._send(body | {"context": body["context"] | changed})

    def change(self, every: int, **context: object) -> None:
        """From now on every so many-th request has another context."""
        self.every, self.unlike = every, context

    def version(self) -> int:
        """Which version the service says is in production."""
        return self._exchange("GET", "/v1/model", None)[1]["version"]

    def variants(self) -> list[dict[str, Any]]:
        """Which versions it says answer."""
        return self._exchange("GET", "/v1/model", None)[1]["routing"]["variants"]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _bodies(self, days: Days) -> Iterator[dict[str, Any]]:
        lake = self.home.world.lake
        views = [view for view, _ in self.inputs.views().values()]
        arrivals = Arrivals(lake, views, days)
        for moment, bodies in requests(lake, self.model, self.inputs, days):
            arrivals.release(self.store, moment)
            yield from bodies

    def _send(self, body: dict[str, Any]) -> None:
        status, answer = self._exchange("POST", "/v1/predict", body)
        # A number that is none is the version's fault (422 as well), another 422 would be ours.
        if status != 200 and "finite" not in answer["error"]:
            raise RuntimeError(f"{status} for {body}: {answer}")
        variant = answer.get("variant", "failed")
        seen = self.seen.setdefault(variant, Seen())
        seen.statuses[status] += 1
        seen.version = answer.get("version", 0)
        seen.last = answer.get("prediction_id", "")
        seen.first = seen.first or seen.last

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        content = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json"}
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())
