"""Rows for bench.drift: 20 numeric and 5 categorical columns, some of which drifted."""

from pathlib import Path

import numpy as np
import polars as pl

NUMERIC, CATEGORICAL = 20, 5
CATEGORIES = 50
# Column to what happened to it between reference and current rows.
DRIFTED = {
    "n0": "shifted by half a deviation, with one value of 10,000",
    "n1": "spread doubled",
    "c0": "shares changed by a third",
}
# What happens and is no drift.
SPOILT = {"n2": "one value of 10,000", "n3": "shifted by 0.02 deviations"}
_CHUNK = 250_000


def write(path: Path, rows: int, *, seed: int, current: bool) -> None:
    """A Parquet file of so many rows, made in parts of 250,000."""
    random = np.random.default_rng(seed)
    parts = [_part(min(_CHUNK, rows - start), random, current) for start in range(0, rows, _CHUNK)]
    frame = pl.concat(parts)
    if current:
        last = pl.int_range(pl.len()) == pl.len() - 1
        spoilt = [pl.when(last).then(1e4).otherwise(name).alias(name) for name in ("n0", "n2")]
        frame = frame.with_columns(spoilt)
    frame.write_parquet(path)


def _part(rows: int, random: np.random.Generator, current: bool) -> pl.DataFrame:
    names = np.array([f"v{number:02}" for number in range(CATEGORIES)])
    shares = np.full(CATEGORIES, 1 / CATEGORIES)
    changed = shares * np.where(np.arange(CATEGORIES) % 2, 1.33, 0.67)
    columns: dict[str, np.ndarray] = {f"n{i}": random.normal(size=rows) for i in range(NUMERIC)}
    for i in range(CATEGORICAL):
        chosen = changed if current and i == 0 else shares
        columns[f"c{i}"] = names[random.choice(CATEGORIES, rows, p=chosen / chosen.sum())]
    if current:
        columns["n0"] = columns["n0"] + 0.5
        columns["n1"] = columns["n1"] * 2
        columns["n3"] = columns["n3"] + 0.02
    return pl.DataFrame(columns)
