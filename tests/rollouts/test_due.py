"""A look costs a run: it is asked for when something can have changed."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from mlplat_assets.rollouts.due import Now, Seen, why_due
from resources.registry.rollout_record import Leg, RolloutRecord, RolloutState
from tests.rollouts.place import HOUR, MODEL, NOW, PLAN

RECORD = RolloutRecord(
    model=MODEL, number=1, version=2, champion=1, shares=(10.0, 100.0),
    state=RolloutState.SHADOW, legs=(Leg(share=0, since=NOW),),
)  # fmt: skip
AT = NOW + HOUR / 2
SEEN = Seen(at=AT, audit=5, journal=100)


def now(seconds: float = 60, **changes: int) -> Now:
    found = Now(at=AT + timedelta(seconds=seconds), audit=5, journal=100, begins=None)
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (now(), ""),
        (now(journal=101), "new predictions"),
        (now(29, journal=101), ""),
        (now(1, audit=6), "somebody decided something"),
        (now(31 * 60), "the least time is over"),
    ],
)
def test_an_open_one_is_due_when_something_is_new(there: Now, why: str) -> None:
    assert why_due(RECORD, PLAN, SEEN, there) == why


def test_a_registered_version_is_due_once_and_again_when_its_run_seems_lost() -> None:
    begins = now(begins=3)
    assert why_due(None, PLAN, None, begins) == "version 3 was registered"
    assert why_due(None, PLAN, begins.seen, begins) == ""
    later = replace(begins, at=begins.at + HOUR)
    assert why_due(None, PLAN, begins.seen, later) == "version 3 was registered"
    assert why_due(None, PLAN, None, now()) == ""


def test_a_complete_one_is_due_by_the_hour_while_labels_can_land() -> None:
    done = msgspec.structs.replace(RECORD, state=RolloutState.COMPLETE)
    assert why_due(done, PLAN, SEEN, now(3599)) == ""
    assert why_due(done, PLAN, SEEN, now(3600)) == "labels may have landed"
    assert why_due(done, PLAN, SEEN, now(15 * 86400)) == ""
    ended = msgspec.structs.replace(RECORD, state=RolloutState.ROLLED_BACK)
    assert why_due(ended, PLAN, SEEN, now(3600, audit=9)) == ""
