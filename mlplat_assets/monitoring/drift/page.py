"""Evidently's drift report, for people to read: it draws, and decides nothing."""

import warnings
from html import escape

import polars as pl

# Twenty thousand rows draw the same picture as a million, in seconds instead of minutes.
DRAWN_ROWS = 20_000
SEED = 0


def evidently_report(reference: pl.DataFrame, current: pl.DataFrame) -> str:
    """An HTML page that shows each column of both frames, with Evidently's tests of drift.

    A column is left out where either frame lacks it, has no finite value in it, or has one value
    only, since Evidently stops at such columns; the page begins by saying which and why. Of
    larger frames 20,000 rows are drawn, the same ones each time.
    """
    names = list(dict.fromkeys([*reference.columns, *current.columns]))
    frames = {"reference": _drawable(reference), "current": _drawable(current)}
    left_out = {name: reason for name in names if (reason := _unfit(name, frames))}
    drawn = [name for name in names if name not in left_out]
    notice = _notice(left_out, {side: len(frame) for side, frame in frames.items()})
    if not drawn:
        return f'<!DOCTYPE html>\n<html lang="en"><body>{notice}</body></html>\n'
    sampled = [
        frame.select(drawn).sample(min(len(frame), DRAWN_ROWS), seed=SEED)
        for frame in frames.values()
    ]
    return _draw(*sampled).replace("<body>", f"<body>{notice}", 1)


def _draw(reference: pl.DataFrame, current: pl.DataFrame) -> str:
    with warnings.catch_warnings():
        # Evidently's own: deprecated calls at import, divisions in its tests of small samples.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        numeric = [name for name in reference.columns if reference[name].dtype.is_numeric()]
        categorical = [name for name in reference.columns if name not in numeric]
        columns = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
        before, now = (
            Dataset.from_pandas(frame.to_pandas(), data_definition=columns)
            for frame in (reference, current)
        )
        report = Report([DataDriftPreset()]).run(current_data=now, reference_data=before)
        return report.get_html_str(as_iframe=False)


def _drawable(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with numbers finite or null, and everything else as text."""
    numbers = [
        pl.when(pl.col(name).is_finite()).then(name)
        for name, dtype in frame.schema.items()
        if dtype.is_float()
    ]
    others = [
        pl.col(name).cast(pl.String)
        for name, dtype in frame.schema.items()
        if not dtype.is_numeric()
    ]
    return frame.with_columns(*numbers, *others)


def _unfit(name: str, frames: dict[str, pl.DataFrame]) -> str | None:
    """Why a column cannot be drawn, or None."""
    for side, frame in frames.items():
        if name not in frame.columns:
            return f"not in the {side} rows"
        distinct = frame[name].drop_nulls().n_unique()
        if distinct < 2:
            return f"{'one value only' if distinct else 'no values'} in the {side} rows"
    numeric = {frame[name].dtype.is_numeric() for frame in frames.values()}
    return "numbers on one side, texts on the other" if len(numeric) > 1 else None


def _notice(left_out: dict[str, str], rows: dict[str, int]) -> str:
    """What the page does not show, as an HTML paragraph, or nothing."""
    lines = [f"{escape(name)}: {escape(reason)}" for name, reason in left_out.items()]
    parts = [f"Columns not drawn: {'; '.join(lines)}."] if lines else []
    parts += [
        f"Drawn from {DRAWN_ROWS:,} of {count:,} {side} rows."
        for side, count in rows.items()
        if count > DRAWN_ROWS
    ]
    style = "font-family: sans-serif; margin: 1.5em; padding: 1em; background: #fdf3d8"
    return f'<p style="{style}">{"<br>".join(parts)}</p>' if parts else ""
