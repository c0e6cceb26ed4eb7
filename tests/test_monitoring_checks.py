"""A promise that nothing could keep or break is refused when it is read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.monitoring_checks import check_monitoring
from mlplat_assets.monitoring_spec import Monitoring, Objectives
from mlplat_assets.references import resolve_features

DECLARED = catalogue()


def check(**monitoring: Any) -> None:
    model = DECLARED.models["flights.arrival_delay"]
    changed = replace(model, spec=replace(model.spec, monitoring=Monitoring(**monitoring)))
    check_monitoring(changed, resolve_features(changed, DECLARED))


def test_every_promise_may_be_declared() -> None:
    check(
        label_delay=timedelta(0),
        days=1,
        tolerance=0.0,
        objectives=Objectives(p99_ms=0.5, error_share=0.0),
        feature_age={"flights.weather": timedelta(hours=1)},
        version_age=timedelta(days=30),
    )


@pytest.mark.parametrize(
    ("monitoring", "message"),
    [
        ({"label_delay": timedelta(-1)}, "monitoring.label_delay: -1 day, 0:00:00 is before"),
        ({"days": 0}, "monitoring.days: 0 is no number of days"),
        ({"tolerance": -0.1}, "monitoring.tolerance: -0.1 is no allowance"),
        ({"tolerance": float("nan")}, "nan is no allowance"),
        ({"objectives": Objectives(p99_ms=0)}, "objectives.p99_ms: 0 is met by nothing"),
        ({"objectives": Objectives(error_share=1)}, "objectives.error_share: 1 is no share"),
        ({"feature_age": {"flights.planes": timedelta(1)}}, "'flights.planes' is not read. Use"),
    ],
)
def test_what_cannot_be_meant_names_the_place_and_the_remedy(
    monitoring: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        check(**monitoring)
