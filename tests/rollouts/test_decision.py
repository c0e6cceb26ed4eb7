"""The decision of a rollout, over histories that chance makes."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mlplat_assets.rollout_spec import Guardrails, Rollout
from mlplat_assets.rollouts.arrivals import Arrivals
from mlplat_assets.rollouts.decision import Decision, Move, Standing, decide
from mlplat_assets.rollouts.evidence import Evidence
from mlplat_assets.rollouts.guardrails import errors, rate
from resources.registry.promotions import Obstacles
from resources.registry.rollout_record import Leg, RolloutRecord, RolloutState

START = datetime(2013, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = Rollout(shadow_time=HOUR, shadow_pairs=500, step_time=2 * HOUR, step_units=400)
READY = Obstacles(readiness=None, approval=None)
UNAPPROVED = Obstacles(readiness=None, approval="ask dana")
GOOD = errors([(rate(0.02, 900), rate(0.02, 900))], Guardrails(), 0.05)
BAD = errors([(rate(0.0, 900), rate(0.9, 900))], Guardrails(), 0.05)


def record(*shares: float, state: RolloutState | None = None, **changes: object) -> RolloutRecord:
    """A rollout whose legs had these shares, an hour each, the last one since START."""
    legs = tuple(Leg(share=share, since=START) for share in (0.0, *shares))
    found = RolloutState.CANARY if shares else RolloutState.SHADOW
    made = RolloutRecord(
        model="flights.arrival_delay", number=1, version=2, champion=1,
        shares=(1, 5, 25, 50, 100), state=state or found, legs=legs,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def standing(champion: int = 1, obstacles: Obstacles = READY, in_place: bool = True) -> Standing:
    return Standing(champion=champion, in_place=in_place, obstacles=obstacles)


def evidence(units: int, *findings: object) -> Evidence:
    return Evidence(units=units, findings=tuple(findings) or (GOOD,))  # type: ignore[arg-type]


def asked(
    found: RolloutRecord,
    units: int = 10_000,
    hours: float = 100,
    where: Standing | None = None,
    *findings: object,
) -> Decision:
    at = START + hours * HOUR
    return decide(found, where or standing(), evidence(units, *findings), at, PLAN)


@pytest.mark.parametrize(
    ("found", "units", "hours", "move"),
    [
        (record(), 499, 100, Move.HOLD),
        (record(), 500, 0.99, Move.HOLD),
        (record(), 500, 1, Move.ADVANCE),
        (record(1), 399, 100, Move.HOLD),
        (record(1), 400, 1.99, Move.HOLD),
        (record(1), 400, 2, Move.ADVANCE),
        (record(1, 5, 25, 50), 400, 2, Move.COMPLETE),
    ],
)
def test_it_goes_on_after_the_least_time_and_the_fewest_units(
    found: RolloutRecord, units: int, hours: float, move: Move
) -> None:
    assert asked(found, units, hours).move is move


def test_it_says_in_numbers_what_is_lacking() -> None:
    told = asked(record(1), 12, 0.5).reason
    assert told == "30 minutes of 2 hours and 12 of 400 units at 1%"


@pytest.mark.parametrize("hours", [0, 100])
@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_surely_worse_is_taken_back_at_any_time(hours: float, frozen: bool) -> None:
    for found in (record(), record(1), record(1, 5, state=RolloutState.WAITING)):
        frozen_one = msgspec.structs.replace(found, frozen=frozen)
        decided = asked(frozen_one, 900, hours, None, GOOD, BAD)
        assert decided.move is Move.ROLL_BACK and decided.reason == BAD.told


def test_late_labels_take_back_what_was_complete() -> None:
    complete = record(1, 5, 25, 50, 100, state=RolloutState.COMPLETE)
    champion = standing(champion=2)
    assert asked(complete, 0, 500, champion).move is Move.HOLD
    assert asked(complete, 0, 500, champion, BAD).move is Move.ROLL_BACK


def test_a_frozen_one_holds() -> None:
    frozen = record(1, frozen=True, reason="dana looks at it")
    assert asked(frozen) == Decision(move=Move.HOLD, reason="frozen: dana looks at it")


def test_units_that_do_not_arrive_in_their_shares_hold_it_and_do_not_take_it_back() -> None:
    lost = Arrivals(champion=9000, version=400, declared=940, p_value=1e-9)
    level = Arrivals(champion=9000, version=990, declared=999, p_value=0.7)
    at = START + 100 * HOUR
    for found in (record(1), record(1, 5, 25, 50)):
        moves = []
        for arrivals, finding in ((level, GOOD), (lost, GOOD), (lost, BAD)):
            measured = Evidence(units=9000, findings=(finding,), arrivals=arrivals)
            decided = decide(found, standing(), measured, at, PLAN)
            moves.append(decided.move)
            if arrivals is lost and finding is GOOD:
                assert decided.reason.startswith("400 of 9,400 units arrive at the version")
        assert moves[0] in (Move.ADVANCE, Move.COMPLETE)
        assert moves[1:] == [Move.HOLD, Move.ROLL_BACK]


def test_the_last_step_waits_for_approvals_once_and_goes_on_with_them() -> None:
    last, missing = record(1, 5, 25, 50), standing(obstacles=UNAPPROVED)
    assert asked(last, where=missing) == Decision(move=Move.WAIT, reason="ask dana")
    waiting = msgspec.structs.replace(last, state=RolloutState.WAITING)
    assert asked(waiting, where=missing).move is Move.HOLD
    assert asked(waiting).move is Move.COMPLETE
    # Every step before needs none.
    assert asked(record(1, 5, 25), where=missing).move is Move.ADVANCE


def test_a_version_that_cannot_be_promoted_any_more_is_taken_back() -> None:
    stale = Obstacles(readiness="evaluated against version 1, champion is now 3", approval=None)
    decided = asked(record(1), where=standing(champion=3, obstacles=stale))
    assert (decided.move, decided.reason) == (Move.ROLL_BACK, stale.readiness)


def test_what_people_did_is_followed_and_not_undone() -> None:
    assert asked(record(1), where=standing(champion=2)).move is Move.FOLLOW
    assert asked(record(1), where=standing(in_place=False)).move is Move.FOLLOW


def histories(seed: int) -> Iterator[tuple[RolloutRecord, Decision, int, timedelta]]:
    """A rollout to its end under chance: what it was, what was decided, on what."""
    chance = random.Random(seed)
    steps = tuple(
        sorted(chance.sample([0.01, 1, 3, 7, 30, 33.33, 70, 90, 99.99], chance.randint(0, 5)))
    )
    found = record(shares=(*steps, 100.0))
    now = START
    for _ in range(400):
        now += timedelta(hours=chance.choice([0, 0.3, 1, 3]))
        units = chance.choice([0, 399, 400, 499, 500, 5000])
        finding = BAD if chance.random() < 0.01 else GOOD
        missing = UNAPPROVED if chance.random() < 0.5 else READY
        decided = decide(found, standing(obstacles=missing), evidence(units, finding), now, PLAN)
        yield found, decided, units, now - found.leg.since
        found = applied(found, decided, now)
        if not found.is_open:
            yield found, decided, units, timedelta(0)
            return


def applied(found: RolloutRecord, decided: Decision, now: datetime) -> RolloutRecord:
    """The record after a decision, as the registry writes it."""
    match decided.move:
        case Move.ADVANCE:
            after = {"state": RolloutState.CANARY, "legs": found.onward(found.next_share, now)}
        case Move.COMPLETE:
            after = {"state": RolloutState.COMPLETE, "legs": found.onward(100.0, now)}
        case Move.WAIT:
            after = {"state": RolloutState.WAITING}
        case Move.ROLL_BACK:
            after = {"state": RolloutState.ROLLED_BACK, "legs": found.ended(now)}
        case _:
            return found
    # Through JSON, as a controller that was started again reads it.
    made = msgspec.structs.replace(found, **after)
    return msgspec.json.decode(msgspec.json.encode(made), type=RolloutRecord)


@pytest.mark.parametrize("seed", range(60))
def test_no_history_skips_a_step_or_hurries_one(seed: int) -> None:
    ends = []
    for found, decided, units, passed in histories(seed):
        if decided.move in (Move.ADVANCE, Move.COMPLETE) and found.is_open:
            is_shadow = found.state is RolloutState.SHADOW
            assert passed >= (PLAN.shadow_time if is_shadow else PLAN.step_time)
            assert units >= (PLAN.shadow_pairs if is_shadow else PLAN.step_units)
        ends.append(found)
    last = ends[-1]
    shares = [leg.share for leg in last.legs]
    assert shares == [0.0, *last.shares][: len(shares)]
    assert last.state in (RolloutState.COMPLETE, RolloutState.ROLLED_BACK)
    assert (shares[-1] == 100) is (last.state is RolloutState.COMPLETE)
