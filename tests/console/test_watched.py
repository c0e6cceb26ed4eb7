"""Alerts, retrainings, rollouts and experiments: what is told, and what can be decided of them."""

from pathlib import Path

import pytest

from resources.registry.records import Action
from tests.console.clients import Client
from tests.console.homes import console, tokens
from tests.console.watched import DETAIL, ask_for_retraining, open_alert, write_experiment
from tests.small_home import APPROVER, MODEL, crown, open_registry, register, settings_at


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A champion, a version in its rollout at 5%, an alert, a retraining that waits."""
    crown(tmp_path, "first")
    register(tmp_path, "second")
    store = open_registry(tmp_path)
    open_alert(store)
    ask_for_retraining(store)
    shadow = store.rollouts.begin(MODEL, 2, (5, 25, 100), actor="carol", reason="new")
    store.rollouts.advance(shadow, actor="carol", reason="400 pairs agree", evidence={"pairs": 400})
    return tmp_path


def test_the_first_page_counts_what_is_open(home: Path) -> None:
    with console(settings_at(home)) as port:
        line = Client(port=port).get("/").words.partition(MODEL)[2]
    assert "P0 1" in line
    assert "canary 5%" in line
    assert "retraining version 2" in line


def test_a_reader_sees_everything_and_no_form(home: Path) -> None:
    with console(settings_at(home)) as port:
        client = Client(port=port)
        alerts, approvals, model = (
            client.get(path) for path in ("/alerts", "/approvals", f"/models/{MODEL}")
        )
    assert f"P0 flights.weather affects {MODEL} null spike temp {DETAIL}" in alerts.words
    assert "nobody" in alerts.words
    assert "drift: two columns drifted on 2013-02-08" in approvals.words
    assert "retraining would gain 0.012 of auc on 4,120 recent labels" in approvals.words
    assert "recent rows: 4,120" in approvals.words
    assert "rollout 1 of version 2 against version 1, by 5, 25, 100%" in model.words
    assert "400 pairs agree" in model.words
    assert DETAIL in model.words
    for page in (alerts, approvals, model):
        assert "<form" not in page.text


def test_an_alert_is_taken_up_once(home: Path) -> None:
    issued = tokens(home)
    with console(settings_at(home)) as port:
        client = Client(port=port).log_in(issued[APPROVER])
        fields = {"csrf": client.secret("/alerts"), "reason": "calling the station"}
        assert client.post("/alerts/1/acknowledge", fields).status == 303
        page = client.get("/alerts")
        assert "You have taken up alert 1" in page.words
        assert "calling the station" in page.words
        assert "/acknowledge" not in page.text
    entry = open_registry(home).audit()[-1]
    assert (entry.action, entry.actor) == (Action.ALERT_ACKNOWLEDGED, APPROVER)


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_retraining_is_decided_by_its_approver(home: Path, what: str) -> None:
    issued = tokens(home)
    request = open_registry(home).retrainings.open()[0].request
    with console(settings_at(home)) as port:
        admin = Client(port=port).log_in(issued["ada"])
        fields = {"csrf": admin.secret("/approvals"), "reason": "because"}
        refused = admin.post(f"/retrainings/{request}/{what}", fields)
        assert refused.status == 409
        assert f"ask one of: {APPROVER}" in refused.words
        client = Client(port=port).log_in(issued[APPROVER])
        fields["csrf"] = client.secret("/approvals")
        assert client.post(f"/retrainings/{request}/{what}", fields).status == 303
        again = client.post(f"/retrainings/{request}/{what}", fields)
        assert again.status == 409
    state = open_registry(home).retrainings.find(request).state
    assert state == {"approve": "approved", "reject": "rejected"}[what]


def test_a_rollout_is_frozen_and_goes_on_unless_it_moved_since(home: Path) -> None:
    issued = tokens(home)
    seen = open_registry(home).rollouts.last(MODEL)
    assert seen is not None
    with console(settings_at(home)) as port:
        client = Client(port=port).log_in(issued[APPROVER])
        fields = {"csrf": client.secret("/"), "reason": "wait for Monday"}
        assert client.post(f"/models/{MODEL}/rollout/{seen.id}/freeze", fields).status == 303
        assert "canary 5%, frozen" in client.get(f"/models/{MODEL}").words
        stale = client.post(f"/models/{MODEL}/rollout/{seen.id}/freeze", fields)
        assert (stale.status, "was moved since" in stale.words) == (409, True)
        frozen = open_registry(home).rollouts.last(MODEL)
        assert frozen is not None and frozen.frozen
        assert client.post(f"/models/{MODEL}/rollout/{frozen.id}/resume", fields).status == 303
    last = open_registry(home).rollouts.last(MODEL)
    assert last is not None and not last.frozen
    assert last.leg.share == 5


def test_an_experiment_tells_its_verdict_its_newest_look_and_its_rows(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    with console(settings_at(tmp_path)) as port:
        page = Client(port=port).get("/experiments")
    assert page.status == 200
    assert "flights.morning better: candidate the effect is surely below 0" in page.words
    assert "-0.0030 [-0.0050, -0.0010] 0.004 0.8" in page.words
    assert page.words.count("latency ms") == 1
    assert "Up to 2013-03-02; 1,805 journal rows, abcdef012345" in page.words


def test_nothing_watched_yet_is_told(reader: Client) -> None:
    assert "Open None." in reader.get("/alerts").words
    assert "No experiment was analysed yet." in reader.get("/experiments").words
    assert "Retrainings None is open." in reader.get("/approvals").words
