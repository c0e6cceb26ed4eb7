"""Shadows beside live answers."""

from typing import Any

import polars as pl
import pytest

from mlplat_assets.monitoring.pairs import paired_versions
from mlplat_assets.monitoring.pairs_plot import pairs_plot


def pairs(*rows: tuple[int, float | None, float | None], **columns: list[Any]) -> pl.DataFrame:
    """Version, shadow's prediction and live prediction of each row."""
    return pl.DataFrame(
        {
            "version": [row[0] for row in rows],
            "shadow": pl.Series([row[1] for row in rows], dtype=pl.Float64),
            "live": pl.Series([row[2] for row in rows], dtype=pl.Float64),
            "error": [None if row[1] is not None else "it failed" for row in rows],
            "shadow_ms": [float(n) for n in range(len(rows))],
            "live_ms": [1.0] * len(rows),
            "shadow_probabilities": [None] * len(rows),
            "live_probabilities": [None] * len(rows),
        }
        | columns,
        schema_overrides={"error": pl.String},
    )


def test_each_version_is_compared_over_the_requests_that_both_answered() -> None:
    rows = pairs(
        (2, 0.1, 0.2), (2, 0.6, 0.4), (2, 0.9, 0.7), (2, None, 0.3), (2, 0.5, None), (3, 0.2, 0.2)
    )
    second, third = paired_versions(rows, "binary")
    assert (second.version, second.pairs, second.errors, second.unpaired) == (2, 3, 1, 1)
    assert second.mean_difference == pytest.approx((0.1 + 0.2 + 0.2) / 3)
    assert second.decided_differently == pytest.approx(1 / 3)
    assert second.rank_correlation == pytest.approx(1.0)
    assert (second.live_ms, second.shadow_ms) == (1.0, 1.0)
    assert (third.pairs, third.rank_correlation) == (1, None), "one pair has no order"
    assert pairs_plot(rows, title="both").startswith(b"\x89PNG")


def test_numbers_decide_nothing_and_classes_by_the_most_probable_one() -> None:
    rows = pairs((1, 5.0, 7.0), (1, 9.0, 2.0), (1, 1.0, 1.0))
    (found,) = paired_versions(rows, "regression")
    assert found.decided_differently is None
    assert found.rank_correlation == pytest.approx(0.5)
    texts = ['{"a":0.6,"b":0.4}', '{"a":0.4,"b":0.6}', '{"a":0.6,"b":0.4}']
    named = {"shadow_probabilities": texts, "live_probabilities": [texts[0]] * 3}
    rows = pairs((1, 0.6, 0.6), (1, 0.6, 0.6), (1, 0.6, 0.6), **named)
    (found,) = paired_versions(rows, "multiclass")
    assert found.decided_differently == pytest.approx(1 / 3)


def test_a_shadow_that_only_failed_has_errors_and_no_comparison() -> None:
    (found,) = paired_versions(pairs((4, None, 0.3), (4, None, 0.2)), "binary")
    assert (found.pairs, found.errors, found.mean_difference) == (0, 2, None)
