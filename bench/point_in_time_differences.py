"""Where an engine's values differ from ours, and why."""

from pathlib import Path

import polars as pl

from bench.point_in_time_data import FEATURES, VIEWS

_KEYS = ("entity_id", "event_timestamp")


def differences(folder: Path, joined: pl.DataFrame, theirs: Path) -> dict[str, int]:
    """Counts of missing rows, and of differing cells by reason; empty when all are equal.

    Args:
        folder: The files that were joined.
        joined: Our result, with provenance.
        theirs: A Parquet file with the other engine's result.
    """
    result = pl.read_parquet(theirs)
    found: dict[str, int] = {}
    by_row = joined.join(result, on="row", suffix="_theirs", how="inner", maintain_order="left")
    _count(
        found, "rows missing: duplicates of another row's key and time", _lost(joined, result, True)
    )
    _count(found, "rows missing: nothing known or all of it expired", _lost(joined, result, False))
    _count(found, "rows twice", len(result) - result["row"].n_unique())
    for view in VIEWS:
        tied = _tied_times(folder / f"{view}.parquet").rename(
            {"event_timestamp": f"{view}__event_timestamp"}
        )
        marked = by_row.join(
            tied, on=["entity_id", f"{view}__event_timestamp"], how="left", maintain_order="left"
        )
        for name in FEATURES[view]:
            differs = marked.filter(
                pl.col(name).ne_missing(pl.col(f"{name}_theirs").fill_nan(None))
            )
            ties = differs["tied"].count()
            _count(found, "cells: a row of the same time, written earlier, was used", ties)
            _count(found, "cells: not explained", len(differs) - ties)
    return found


def _lost(joined: pl.DataFrame, result: pl.DataFrame, duplicates: bool) -> int:
    twice = pl.struct(_KEYS).is_duplicated()
    lost = joined.with_columns(twice=twice).join(result, on="row", how="anti")
    return len(lost.filter(pl.col("twice") == duplicates))


def _count(found: dict[str, int], reason: str, number: int) -> None:
    if number:
        found[reason] = found.get(reason, 0) + number


def _tied_times(path: Path) -> pl.DataFrame:
    """Keys and times that several rows of a view have, marked `tied`."""
    rows = pl.scan_parquet(path).group_by(_KEYS).len().filter(pl.col("len") > 1)
    return rows.select(*_KEYS, tied=pl.lit(True)).collect()
