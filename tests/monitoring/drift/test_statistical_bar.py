"""The statistical bar of drift holds in simulations with fixed seeds."""

from bench.bar_drift import categories, many_features, outlier, undrifted


def test_undrifted_windows_seldom_raise_an_alarm_whatever_their_size() -> None:
    found = undrifted(windows=100)
    assert len(found) == 9
    assert [row for row in found if not row["holds"]] == []


def test_thirty_undrifted_features_seldom_raise_an_alarm() -> None:
    row = many_features(windows=100)
    assert row["holds"], row


def test_the_test_of_categories_is_as_strict_as_it_says() -> None:
    assert [row for row in categories() if not row["holds"]] == []


def test_an_outlier_hides_no_shift_and_is_none() -> None:
    assert [row for row in outlier(windows=5) if not row["holds"]] == []
