"""Codes are equal where the keys are, in two frames of any key type."""

import polars as pl
import pytest

from mlplat_assets.features.key_codes import key_codes

NEAR = [3, None, 5, 3, -2]
FAR = [3, None, 2**62, 3, -(2**62)]
TEXTS = ["b", None, "a", "b", ""]


@pytest.mark.parametrize("keys", [[NEAR], [FAR], [TEXTS], [TEXTS, NEAR], [NEAR, FAR]])
def test_codes_are_equal_where_all_keys_are_and_null_or_unasked_ones_have_none(
    keys: list[list[int | str | None]],
) -> None:
    names = [f"key_{i}" for i in range(len(keys))]
    rows = pl.DataFrame(dict(zip(names, keys, strict=True)))
    entities = rows.head(4)
    asked, held, count = key_codes(entities, rows, names)
    assert asked.tolist() == held.tolist()[:4]
    assert [code < 0 for code in held.tolist()] == [False, True, False, False, True]
    assert asked[0] == asked[3] != asked[2]
    assert max(asked) < count


@pytest.mark.parametrize("column", [[], [None, None]])
def test_entities_without_a_key_have_no_code(column: list[None]) -> None:
    entities = pl.DataFrame({"key": column}, schema={"key": pl.Int64})
    asked, held, _ = key_codes(entities, pl.DataFrame({"key": [1, 2]}), ["key"])
    assert asked.tolist() == [-1] * len(column)
    assert held.tolist() == [-1, -1]
