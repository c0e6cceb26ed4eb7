"""Evidently's page: it is drawn whatever the columns hold, and says what it leaves out."""

import numpy as np
import polars as pl

from mlplat_assets.monitoring.drift.page import DRAWN_ROWS, evidently_report


def frame(rows: int, seed: int = 0, **columns: object) -> pl.DataFrame:
    """A numeric and a categorical column, and others."""
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "temperature": random.normal(size=rows),
            "carrier": random.choice(["AA", "B6"], rows),
            **columns,
        }
    )


def test_the_page_draws_good_columns_and_names_the_others_with_the_reason() -> None:
    rows = 300
    spoilt = {
        "nulls": [None] * rows,
        "constant": [1.0] * rows,
        "infinite": [float("inf")] * rows,
        "same_text": ["a"] * rows,
        "retyped": list(range(rows)),
        "<gone>": list(range(rows)),
    }
    current = frame(rows, 1, **spoilt).drop("<gone>").cast({"retyped": pl.String})
    page = evidently_report(frame(rows, 0, **spoilt), current)
    assert "temperature" in page and "carrier" in page
    for line in (
        "nulls: no values in the reference rows",
        "constant: one value only in the reference rows",
        "infinite: no values in the reference rows",
        "same_text: one value only in the reference rows",
        "retyped: numbers on one side, texts on the other",
        "&lt;gone&gt;: not in the current rows",
    ):
        assert line in page


def test_frames_without_a_column_to_draw_give_a_page_that_says_so() -> None:
    page = evidently_report(frame(10), frame(0))
    assert "temperature: no values in the current rows" in page
    assert page.endswith("</html>\n") and len(page) < 1_000


def test_a_large_frame_is_drawn_from_a_sample_and_the_page_says_so() -> None:
    page = evidently_report(frame(DRAWN_ROWS + 1), frame(300, 1))
    assert "Drawn from 20,000 of 20,001 reference rows." in page
    assert "current rows" not in page
