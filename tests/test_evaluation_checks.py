"""A declaration that no holdout could be judged by is refused when it is read."""

from dataclasses import replace
from typing import Any

import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.evaluation_checks import check_evaluation
from mlplat_assets.model_spec import Budget, Fairness, Gate, Slice
from mlplat_assets.references import resolve_features, resolve_label

MODEL = "flights.arrival_delay"


def check(**changes: Any) -> None:
    declared = catalogue()
    model = declared.models[MODEL]
    changed = replace(model, spec=replace(model.spec, **changes))
    check_evaluation(changed, resolve_features(changed, declared), resolve_label(changed, declared))


def test_entities_context_and_features_may_be_sliced_and_compared() -> None:
    check(
        slices=(
            Slice(column="origin"),
            Slice(column="tailnum"),  # an entity that is no input
            Slice(column="local_hour", edges=(10, 16)),
            Slice(column="weather__visib", edges=(2.5,)),
            Slice(column="aircraft__jet"),
        ),
        fairness=(Fairness(column="carrier", metric="equal_opportunity", threshold=0.3),),
        budget=Budget(latency_ms=0.5),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": (Gate(metric="auc"),)}, "gates: 'auc' bounds nothing. Give it a floor"),
        ({"slices": (Slice(column="orign"),)}, r"slices\[0\].column: 'orign' is no entity"),
        ({"slices": (Slice(column="local_hour"),)}, r"edges: 'local_hour' is int and edges are \("),
        ({"slices": (Slice(column="origin", edges=(1,)),)}, "'origin' is string and edges"),
        ({"slices": (Slice(column="local_hour", edges=(9, 9)),)}, "do not ascend"),
        ({"slices": (Slice(column="origin", minimum_rows=0),)}, "0 is no number of rows"),
        ({"fairness": (Fairness(column="sex"),)}, r"fairness\[0\].column: 'sex' is no entity"),
        ({"fairness": (Fairness(column="origin", metric="parity"),)}, "'parity' is unknown"),  # type: ignore[arg-type]
        ({"fairness": (Fairness(column="origin", limit=0),)}, "0 is no gap"),
        ({"fairness": (Fairness(column="origin", threshold=1.0),)}, "1.0 is no probability"),
        (
            {"task": "regression", "fairness": (Fairness(column="origin"),)},
            "a regression model decides nothing by a threshold",
        ),
        ({"budget": Budget(latency_ms=0)}, "budget.latency_ms: 0 is met by nothing"),
        ({"budget": Budget(megabytes=float("nan"))}, "budget.megabytes: nan is met by nothing"),
    ],
)
def test_what_no_holdout_could_be_judged_by_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        check(**changes)
