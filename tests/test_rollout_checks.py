"""A rollout that no traffic table could follow is refused when it is read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.rollout_checks import check_rollout
from mlplat_assets.rollout_spec import Guardrails, Rollout


def check(**changes: Any) -> None:
    model = catalogue().models["flights.arrival_delay"]
    check_rollout(replace(model, spec=replace(model.spec, rollout=Rollout(**changes))))


def test_any_rising_shares_will_do_and_none() -> None:
    for steps in ((1, 5, 25, 50, 100), (0.01, 33.33), (100,), ()):
        check(steps=steps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": (0, 5)}, "rollout.steps: 0% is no share"),
        ({"steps": (5, 101)}, "101% is no share"),
        ({"steps": (0.001, 5)}, "by 0.01"),
        ({"steps": (5, 5)}, r"\(5, 5\) does not rise"),
        ({"step_time": timedelta(-1)}, "rollout.step_time: -1 day, 0:00:00 is below zero"),
        ({"step_units": 0}, "rollout.step_units: 0 units decide nothing"),
        ({"guardrails": Guardrails(errors=-1)}, "rollout.guardrails.errors: -1 is no limit"),
        ({"guardrails": Guardrails(psi=float("nan"))}, "guardrails.psi: nan is no limit"),
        ({"guardrails": Guardrails(latency=0.5)}, "below the champion's own"),
        ({"guardrails": Guardrails(alpha=0)}, "0 is no chance of being wrong"),
    ],
)
def test_what_could_not_be_followed_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        check(**changes)
