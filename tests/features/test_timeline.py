"""Rows in order of key, time and rank, whatever room the packed integers leave for the time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.features.timeline import Timeline

TIMES = st.one_of(st.integers(0, 9), st.integers(-(2**58), 2**58))
KEYS = st.integers(0, 4)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(KEYS, TIMES, st.integers(0, 2)), min_size=1, max_size=60),
    asked=st.lists(st.tuples(KEYS, TIMES), max_size=20),
    keys=st.sampled_from([5, 2**20, 2**55]),
)
def test_the_last_row_up_to_a_time_is_found_at_every_resolution(
    rows: list[tuple[int, int, int]], asked: list[tuple[int, int]], keys: int
) -> None:
    """With 2**55 keys a time keeps 2 bits at most, and nearly all rows of a key share a bucket."""
    key, time, rank = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    timeline = Timeline(key, time, rank, keys)
    expected = sorted(range(len(rows)), key=lambda row: (*rows[row], row))
    assert timeline.order.tolist() == expected
    assert timeline.rank()[timeline.order].tolist() == list(range(len(rows)))

    wanted = np.array(asked, np.int64).reshape(-1, 2)
    found = timeline.last(wanted[:, 0], wanted[:, 1])
    for (of_key, at), place in zip(asked, found.tolist(), strict=True):
        matching = [i for i, row in enumerate(expected) if rows[row][0] == of_key]
        places = [i for i in matching if rows[expected[i]][1] <= at]
        assert place == max(places, default=-1)
