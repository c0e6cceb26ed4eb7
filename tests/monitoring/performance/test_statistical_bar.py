"""The statistical bar of performance holds in simulations with fixed seeds."""

from bench.bar_estimate import drifted, shifted, undrifted


def test_estimates_are_within_a_hundredth_under_covariate_shift() -> None:
    found = shifted()
    assert len(found) == 6
    assert [row for row in found if not row["holds"]] == []


def test_concept_drift_is_caught_once_labels_land_while_the_estimate_stands() -> None:
    assert [row for row in drifted(weeks=15) if not row["holds"]] == []


def test_weeks_without_drift_are_not_called_one() -> None:
    row = undrifted(weeks=40)
    assert row["holds"], row
