"""A variant's cost is its greatest difference and what the metric loses."""

import numpy as np
import pytest

from mlplat_assets.models.evaluations.variants import compare_variants
from mlplat_assets.statistics.intervals import rows

GENERATOR = np.random.default_rng(0)
ORIGINAL = GENERATOR.random(2000)
TRUTH = (GENERATOR.random(2000) < ORIGINAL).astype(float)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_a_worse_variant_loses_a_positive_amount_whichever_way_is_better(metric: str) -> None:
    rough = np.clip(ORIGINAL + GENERATOR.normal(size=2000) * 0.3, 0.01, 0.99)
    found = compare_variants("binary", metric, TRUTH, ORIGINAL, rough, rows(2000), seed=1)
    assert found.greatest_difference == pytest.approx(abs(rough - ORIGINAL).max())
    assert 0 < found.loss.low < found.loss.estimate < found.loss.high


def test_a_variant_alike_loses_nothing() -> None:
    same = compare_variants("binary", "auc", TRUTH, ORIGINAL, ORIGINAL + 0, rows(2000), seed=1)
    assert same.greatest_difference == 0
    assert (same.loss.low, same.loss.high) == (0, 0)
