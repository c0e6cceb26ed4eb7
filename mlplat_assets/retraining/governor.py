"""Whether what asks for a retraining gets one: launch, queue, or skip with a reason. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.retraining.benefit_verdict import Benefit
from resources.registry.retraining_records import (
    Asked,
    Judgement,
    Retraining,
    RetrainingState,
)

BUDGET_SPAN = timedelta(days=30)
SKIPPED = RetrainingState.SKIPPED
# Only what says that the model is worse now can be answered by "it would not be better".
DOUBTED = ("drift", "decay", "concept_drift")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a model declares of its retraining, and who may approve one for how long."""

    retrain: Retrain
    approvers: tuple[str, ...]
    waits_for: timedelta


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A check of data quality that fails: of which table, and what it says."""

    table: str
    check: str
    told: str

    def __str__(self) -> str:
        """`features/flights/weather fails meets_contract: temp: range, ...`."""
        return f"{self.table} fails {self.check}" + (f": {self.told}" if self.told else "")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a judgement rests on beside the model's earlier requests.

    Attributes:
        broken: The checks of data quality that fail.
        running: A run that trains the model already, that no request launched.
        benefit: Whether retraining would help; None while that was not looked at.
    """

    broken: tuple[Broken, ...] = ()
    running: str | None = None
    benefit: Benefit | None = None


def judge(
    asked: Asked,
    terms: Terms,
    history: Sequence[Retraining],
    seen: Circumstances,
    now: datetime,
) -> Judgement:
    """What becomes of a trigger, given the model's earlier requests as they stand.

    A person's request is no duplicate, and neither cooldown nor doubts hold it; broken data, a
    retraining under way and the budget do.
    """
    held = held_back(asked, terms, history, seen, now)
    if held is not None:
        return held
    evidence = _evidence(seen)
    doubted = asked.trigger in DOUBTED
    if doubted and seen.benefit is not None and seen.benefit.verdict == "WOULD_NOT_HELP":
        again = now + terms.retrain.cooldown
        return _skip("would_not_help", seen.benefit.told, evidence, again_at=again)
    if terms.retrain.approval:
        return Judgement(
            state=RetrainingState.PENDING,
            outcome="needs_approval",
            reason=f"{asked.told}; waits for one of {', '.join(terms.approvers)}",
            evidence=evidence,
            approvers=terms.approvers,
            waits_for=terms.waits_for,
        )
    return Judgement(
        state=RetrainingState.APPROVED, outcome="due", reason=asked.told, evidence=evidence
    )


def held_back(
    asked: Asked,
    terms: Terms,
    history: Sequence[Retraining],
    seen: Circumstances,
    now: datetime,
) -> Judgement | None:
    """Why a trigger gets no retraining whatever it would bring; None where nothing stands by."""
    by_hand = asked.trigger == "by_hand"
    covering = None if by_hand else answer_of(asked, history)
    if covering is not None and not is_asked_again(covering, seen, terms, now):
        return _skip("duplicate", f"of request {covering.request}, {covering.state}", {})
    if seen.broken:
        told = "; ".join(map(str, seen.broken))
        return _skip("data_quality", f"fix the data: {told}", _evidence(seen))
    return _under_way(history, seen, terms, now) or _spent(by_hand, terms, history, seen, now)


def _under_way(
    history: Sequence[Retraining], seen: Circumstances, terms: Terms, now: datetime
) -> Judgement | None:
    # One by hand that is not judged yet may be skipped: it is no retraining.
    under_way = [each for each in history if each.is_open and each.state != "requested"]
    if under_way:
        one = under_way[-1]
        told = f"request {one.request} for {one.asked.trigger} is {one.state} and answers this too"
        return _skip("under_way", told, _evidence(seen) | {"answered_by": one.request})
    if seen.running is not None:
        told = f"run {seen.running} trains the model already"
        again = now + terms.retrain.cooldown
        return _skip("under_way", told, _evidence(seen), again_at=again)
    return None


def _spent(
    by_hand: bool,
    terms: Terms,
    history: Sequence[Retraining],
    seen: Circumstances,
    now: datetime,
) -> Judgement | None:
    launches = sorted(each.launched_at for each in history if each.launched_at is not None)
    cooldown, budget = terms.retrain.cooldown, terms.retrain.budget
    if launches and not by_hand and now < (over := launches[-1] + cooldown):
        told = f"cooldown of {cooldown}: the last launch was {_at(launches[-1])}, until {_at(over)}"
        return _skip("cooldown", told, _evidence(seen), again_at=over)
    recent = [at for at in launches if at > now - BUDGET_SPAN]
    if len(recent) >= budget:
        free = recent[-budget] + BUDGET_SPAN
        told = f"{len(recent)} of {budget} retrainings in 30 days are used up, until {_at(free)}"
        return _skip("budget", told, _evidence(seen), again_at=free)
    return None


def answer_of(asked: Asked, history: Sequence[Retraining]) -> Retraining | None:
    """The newest request that a trigger repeats: same kind, episode and version, all its columns.

    Fewer columns than before are no news; one more is.
    """
    for each in reversed(history):
        same = (each.asked.trigger, each.asked.episode, each.asked.reference) == (
            asked.trigger,
            asked.episode,
            asked.reference,
        )
        if same and set(asked.columns) <= set(each.asked.columns):
            return each
    return None


def is_asked_again(covering: Retraining, seen: Circumstances, terms: Terms, now: datetime) -> bool:
    """Whether a trigger that stands gets another judgement than the one that it had.

    It does when what held it back is over, or when its run failed and the cooldown has passed.
    """
    if covering.state is RetrainingState.FAILED:
        return now >= covering.at + terms.retrain.cooldown
    if covering.state is not SKIPPED:
        return False
    if covering.outcome == "data_quality":
        return not seen.broken
    return covering.again_at is not None and now >= covering.again_at


def _skip(
    outcome: str, reason: str, evidence: dict[str, object], again_at: datetime | None = None
) -> Judgement:
    return Judgement(
        state=SKIPPED, outcome=outcome, reason=reason, evidence=evidence, again_at=again_at
    )


def _evidence(seen: Circumstances) -> dict[str, object]:
    found: dict[str, object] = {"broken": [str(each) for each in seen.broken]}
    if seen.benefit is not None:
        found["benefit"] = seen.benefit.json()
    return found


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
