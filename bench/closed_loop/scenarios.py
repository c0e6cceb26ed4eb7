"""The five ways that the loop ends, each caused from outside: by data, by a model, by people."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.closed_loop.live import Live
from bench.closed_loop.pages import console
from bench.closed_loop.world import APPROVER, MODEL, SERVED_DAY, Wrong
from resources.registry.records import Action, AuditEntry
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.registry.rollout_record import RolloutRecord, RolloutState
from tests.console.clients import Client

UNITS = 40  # a round of requests, about a second


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is wrong, what happens, and the stages whose pages show it."""

    title: str
    wrong: Wrong
    play: Callable[[Live], None]
    stages: tuple[str, ...]


def bad_online(live: Live) -> None:
    """(d) A challenger that every gate lets through fails for flights that no data had."""
    live.mlplat("retrain", "request", MODEL, "--reason", "a new network", actor="ana")
    _registered(live)
    _arrives(live, RolloutState.CANARY)
    live.count_answers()
    live.say("from now on every fourth flight is of a new route of 5,500 miles")
    live.clients.change(4, distance=5500)
    record = _ends(live, RolloutState.ROLLED_BACK)
    live.say(f"{record.evidence['units']} units of the canary decided")
    require("errors" in record.reason, record.reason)
    live.until("the champion alone", lambda: len(live.clients.variants()) == 1)
    live.count_answers()
    live.clients.ask(100)
    require(set(live.clients.seen) == {"champion"}, str(live.clients.seen))
    require(live.clients.seen["champion"].version == 1, str(live.clients.seen))
    live.say("100 more requests, a quarter of the new route: all answered by version 1")


def broken_column(live: Live) -> None:
    """(b) The upstream table loses a column: an alert of the first rank, and no retraining."""
    passed = live.rebuild(SERVED_DAY)
    live.say(f"upstream writes no `temp` any more; checks passed: {passed}")
    live.say(f"{live.clients.serve_the_day()} flights of {SERVED_DAY.first} served")
    live.materialise(("predictions", "drift"), SERVED_DAY)
    live.say("predictions taken in and held against the training profile")
    judged: Retraining = live.until("a judgement", lambda: _last(live.retrainings()))
    live.say(f"request {judged.request} ({judged.asked.trigger}): {judged.state}, "
             f"{judged.outcome}: {judged.reason}")  # fmt: skip
    worst = live.until("an alert", lambda: [a for a in live.registry.alerts.open()
                                            if a.severity == "P0"])  # fmt: skip
    for alert in worst:
        live.say(f"alert {alert.id} {alert.severity} {alert.kind} of {alert.model}: {alert.detail}")
    require((judged.state, judged.outcome) == (RetrainingState.SKIPPED, "data_quality"),
            judged.reason)  # fmt: skip
    require(len(live.registry.versions(MODEL)) == 1, "a version was trained")


def worse_challenger(live: Live) -> None:
    """(c) A challenger that learned nothing is refused at the gate."""
    live.mlplat("retrain", "request", MODEL, "--reason", "a new network", actor="ana")
    refused = _entry(live, Action.REFUSED)
    live.say(f"refused by {refused.actor}: {refused.reason}")
    live.until("the end of the run", lambda: not live.registry.retrainings.open())
    last = live.retrainings()[-1]
    live.say(f"request {last.request} ended: {last.state}, {last.reason}")
    require(live.registry.champion(MODEL).number == 1, "version 1 is not in production")  # type: ignore[union-attr]
    require(live.record() is None, "a rollout began")


def drifted(live: Live) -> None:
    """(a) The summer comes: the model is retrained, rolled out and promoted."""
    _drift(live)
    version = _registered(live)
    live.mlplat("models", "approve", MODEL, str(version), "--reason", "knows the summer",
                "--approver", APPROVER, actor="dana")  # fmt: skip
    _completes(live, version)


def approved_in_the_console(live: Live) -> None:
    """(e) Drift asks, a person decides: both the retraining and the version wait for one."""
    judged = _drift(live)
    require(judged.state is RetrainingState.PENDING, judged.reason)
    waited = time.monotonic()
    with console(live.home) as port:
        person = Client(port=port).log_in(live.home.tokens[APPROVER])
        live.until("a quiet daemon", lambda: not live.runs_in_progress())
        live.say(f"waits since {time.monotonic() - waited:.0f} s; no run is in progress")
        require(live.retrainings()[-1].state is RetrainingState.PENDING, "it did not wait")
        require(len(live.registry.versions(MODEL)) == 1, "it did not wait")
        _decide(live, person, "/approvals", f"/retrainings/{judged.request}/approve")
        version = _registered(live)
        _arrives(live, RolloutState.WAITING)
        require(live.registry.champion(MODEL).number == 1, "promoted without approval")  # type: ignore[union-attr]
        page = f"/models/{MODEL}/versions/{version}"
        _decide(live, person, page, f"{page}/approve")
    _completes(live, version, ())


def _decide(live: Live, person: Client, page: str, form: str) -> None:
    """Send a form of the console, first without and then with its session's secret."""
    fields = {"reason": "looked at the heat map and the gates"}
    forged = person.post(form, fields).status
    answer = person.post(form, fields | {"csrf": person.secret(page)})
    require((forged, answer.status) == (403, 303), f"{forged}, {answer.status}: {answer.words}")
    live.say(f"{APPROVER} in the console: POST {form}: {answer.status} (without the form's "
             f"secret: {forged})")  # fmt: skip


def _drift(live: Live) -> Retraining:
    live.say(f"{live.clients.serve_the_day()} flights of {SERVED_DAY.first} served by version 1, "
             "which learned January")  # fmt: skip
    live.materialise(("predictions", "drift"), SERVED_DAY)
    live.say("predictions taken in and held against the training profile")
    judged: Retraining = live.until("a judgement", lambda: _last(live.retrainings()))
    live.say(f"request {judged.request} ({judged.asked.trigger}): {judged.state}: {judged.reason}")
    live.say(f"drifted columns: {', '.join(judged.asked.columns)}")
    benefit = judged.evidence.get("benefit")
    if benefit:
        live.say(f"would it help: {benefit['verdict']}: {benefit['told']}")
    return judged


def _completes(live: Live, version: int, shares: Sequence[float] = (20.0, 60.0)) -> None:
    for share in shares:
        _arrives(live, RolloutState.CANARY, share)
    record = _ends(live, RolloutState.COMPLETE)
    require(record.version == version, record.reason)
    live.until("the service", lambda: live.clients.version() == version)
    live.count_answers()
    live.clients.ask(100)
    require(set(live.clients.seen) == {"champion"}, str(live.clients.seen))
    require(live.clients.seen["champion"].version == version, str(live.clients.seen))
    live.say(f"100 more requests: all answered by version {version}")


def _registered(live: Live) -> int:
    """Wait for the challenger; its number."""
    entry = _entry(live, Action.REGISTERED, Action.REFUSED)
    require(entry.action is Action.REGISTERED, entry.reason)
    evidence = live.registry.version(MODEL, entry.version or 0).evidence
    gates = "; ".join(gate["reason"] for gate in evidence["gates"])
    live.say(f"version {entry.version} registered by run {entry.run_id}: {gates}")
    return entry.version or 0


def _entry(live: Live, *actions: Action) -> AuditEntry:
    """The first entry of one of the actions about a version after the first."""

    def found() -> AuditEntry | None:
        about = [e for e in live.audit() if e.action in actions and e.version != 1]
        return about[0] if about else None

    return live.until(" or ".join(actions), found)


def _arrives(live: Live, state: RolloutState, share: float | None = None) -> RolloutRecord:
    """Traffic until the rollout is there."""

    def there() -> RolloutRecord | None:
        record = live.record()
        if record is None:
            return None
        wanted = share is None or record.leg.share == share
        done = record.state is state and wanted
        if not record.is_open and not done:
            raise Unexpected(f"the rollout is {record.state}: {record.reason}")
        return record if done else None

    record: RolloutRecord = live.until(f"{state} {share or ''}", there, units=UNITS)
    live.say(f"rollout {record.number} of version {record.version}: {record.state} "
             f"{record.leg.share:g}%: {record.reason}")  # fmt: skip
    return record


def _ends(live: Live, state: RolloutState) -> RolloutRecord:
    return _arrives(live, state)


def _last(requests: list[Retraining]) -> Retraining | None:
    return requests[-1] if requests else None


class Unexpected(Exception):
    """A scenario went another way."""


def require(holds: bool, told: str) -> None:
    """Raises Unexpected where something does not hold."""
    if not holds:
        raise Unexpected(told)


SCENARIOS = {
    "a": Scenario(
        title="real covariate drift: retrained, rolled out, promoted",
        wrong=Wrong(),
        play=drifted,
        stages=("rollouts", "retrainings", "drift"),
    ),
    "b": Scenario(
        title="a broken upstream column: alert P0, no retraining",
        wrong=Wrong(nulls="temp", since=SERVED_DAY.first),
        play=broken_column,
        stages=("alerts", "retrainings", "drift"),
    ),
    "c": Scenario(
        title="a worse challenger: refused at the gate",
        wrong=Wrong(trainer="bench.closed_loop.trainers:ShuffledLabels"),
        play=worse_challenger,
        stages=("evaluations", "retrainings"),
    ),
    "d": Scenario(
        title="good offline, bad online: rolled back by the guardrail",
        wrong=Wrong(trainer="bench.closed_loop.trainers:BlindBeyond"),
        play=bad_online,
        stages=("rollouts", "versions"),
    ),
    "e": Scenario(
        title="drift that needs approval: waits, approved in the console, proceeds",
        wrong=Wrong(approval=True),
        play=approved_in_the_console,
        stages=("rollouts", "retrainings", "approvals"),
    ),
}
