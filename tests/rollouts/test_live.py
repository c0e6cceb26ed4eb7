"""Rollouts under a real `bentoml serve`: its traffic, its journals, its failures."""

import http.client
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.controller import Controller, Look
from resources.registry.registry import Registry, utc_now
from resources.registry.rollout_record import RolloutRecord
from tests.bentos.artefacts import MODEL
from tests.bentos.servers import Server, call, exchange, serving
from tests.bentos.test_traffic_service import REQUEST, SERVICE
from tests.bentos.versions import open_registry, promote, register
from tests.rollouts.place import declared
from tests.small_home import open_lake, settings_at

NO_TIME = timedelta(0)
PLAN = Rollout(
    shadow_time=NO_TIME, shadow_pairs=60, steps=(20, 60), step_time=NO_TIME, step_units=60
)
SHORT, LONG = 300, 2000  # miles


class Live:
    """A running service, and whoever rolls out its versions."""

    def __init__(self, home: Path, server: Server) -> None:
        self.home = home
        self.server = server
        self.registry: Registry = open_registry(home)
        self.lake = open_lake(home)
        self.asked = 0

    def look(self) -> Look:
        model, found = declared(PLAN)
        look = Controller(
            model=model,
            catalogue=found,
            plan=PLAN,
            registry=self.registry,
            lake=self.lake,
            settings=settings_at(self.home),
            clock=utc_now,
        ).look()
        if look.moved:
            self._follow()
        return look

    def ask(self, n: int, distance: int = SHORT) -> dict[int, int]:
        """Requests of new units; how many had each status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        statuses: dict[int, int] = {}
        for _ in range(n):
            self.asked += 1
            body = REQUEST | {"unit_id": f"unit-{self.asked}"}
            body["context"] = REQUEST["context"] | {"distance": distance}  # type: ignore[operator]
            status, _ = exchange(connection, "POST", "/v1/predict", body)
            statuses[status] = statuses.get(status, 0) + 1
        connection.close()
        return statuses

    def until(self, state: str, share: float, n: int = 80, distance: int = SHORT) -> RolloutRecord:
        """Requests and looks in turn until the rollout is there."""
        record, rounds = self._round(n, distance), 1
        while record.is_open and (record.state, record.leg.share) != (state, share) and rounds < 40:
            time.sleep(0.05)  # a shadow works one part in a hundred of the time
            record, rounds = self._round(n, distance), rounds + 1
        assert (record.state, record.leg.share) == (state, share), record.reason
        return record

    def _round(self, n: int, distance: int) -> RolloutRecord:
        self.ask(n, distance)
        self.look()
        record = self.registry.rollouts.last(MODEL)
        assert record is not None
        return record

    def _follow(self) -> None:
        wanted = self.registry.traffic(MODEL)
        assert wanted.champion is not None
        for _ in range(600):
            routing = call(self.server.port, "GET", "/v1/model")[1]["routing"]
            champion = routing["variants"][0]["version"]
            if (routing["revision"], champion) == (wanted.revision, wanted.champion.version):
                return
            time.sleep(0.05)
        raise AssertionError(f"the service does not follow to {wanted}")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Version 1 in production and served."""
    home = tmp_path_factory.mktemp("rollouts")
    promote(home, -1.0)
    with serving(SERVICE, home, MLPLAT_MODEL=MODEL) as server:
        yield Live(home, server)


def test_a_version_that_fails_only_as_a_canary_is_taken_back_within_a_few_hundred_requests(
    live: Live,
) -> None:
    bad = register(live.home, -1.001, fails_beyond=1.5)
    live.look()
    live.until("canary", 20)
    before = live.asked
    record = live.until("rolled_back", 20, n=40, distance=LONG)
    assert record.version == bad.number and "errors" in record.reason
    assert live.asked - before <= 400
    assert live.registry.traffic(MODEL).traffic.arms == ()
    assert live.ask(100, LONG) == {200: 100}, "the champion answers everybody again"


def test_a_version_that_fails_as_a_shadow_costs_nobody_an_answer(live: Live) -> None:
    register(live.home, -1.002, fails_beyond=1.5)
    live.look()
    before = live.asked
    record = live.until("rolled_back", 0, n=40, distance=LONG)
    assert "errors" in record.reason and live.asked - before <= 1600


def test_a_good_version_comes_to_all_units_under_traffic(live: Live) -> None:
    good = register(live.home, -1.003)
    live.registry.approve(MODEL, good.number, approver="ada@example.org", reason="good")
    live.look()
    for state, share in (("canary", 20), ("canary", 60), ("complete", 100)):
        record = live.until(state, share)
        assert record.version == good.number
    assert [leg.share for leg in record.legs] == [0, 20, 60, 100]
    assert call(live.server.port, "GET", "/v1/model")[1]["version"] == good.number
    assert live.ask(50) == {200: 50}
    live.registry.verify_audit()
