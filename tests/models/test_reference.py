"""A version's profile says how its probabilities came true, on rows no calibration learnt from."""

import numpy as np

from mlplat_assets.assessment.calibration import calibration_table
from mlplat_assets.models.reference import unseen_calibration

GENERATOR = np.random.default_rng(12)
ANSWERS = GENERATOR.random(1_001).astype(np.float32)
TRUTH = (GENERATOR.random(1_001) < ANSWERS).astype(float)
FITTED = {"kind": "temperature", "rows": {"fitted": 500, "measured": 501}}


def test_rows_that_calibration_was_fitted_on_do_not_count() -> None:
    found = unseen_calibration("binary", TRUTH, ANSWERS, FITTED)
    assert found == calibration_table("binary", TRUTH[500:], ANSWERS[500:])
    spoilt = np.concatenate([1 - TRUTH[:500], TRUTH[500:]])
    assert unseen_calibration("binary", spoilt, ANSWERS, FITTED) == found


def test_all_rows_count_where_nothing_was_fitted() -> None:
    found = unseen_calibration("binary", TRUTH, ANSWERS, {"kind": "none"})
    assert found is not None and sum(found["rows"]) == 1_001


def test_a_regression_has_none() -> None:
    assert unseen_calibration("regression", TRUTH, ANSWERS, {"kind": "none"}) is None
