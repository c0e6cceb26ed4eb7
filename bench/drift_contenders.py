"""One contender of bench.drift in a process of its own; what it finds goes to a file.

python -m bench.drift_contenders profile|ours|evidently FOLDER ROWS
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLICY = {"psi_floor": 0.2, "columns": 2, "minimum_rows": 200}
# Evidently's own threshold for more than 1,000 reference rows.
_THEIR_DISTANCE = 0.1


def profile(folder: Path, _: int) -> dict[str, Any]:
    """The profile of the reference rows, stored as a card holds it; days of 10,000 rows."""
    import numpy as np
    import polars as pl

    from mlplat_assets.monitoring.drift.profile import reference_profile

    rows = pl.read_parquet(folder / "reference.parquet")
    days = (pl.int_range(len(rows), eager=True) // 10_000).cast(pl.Int32).cast(pl.Date)
    found = reference_profile(rows, days, np.zeros(len(rows)), quantile=1.0)
    (folder / "profile.json").write_text(json.dumps(found))
    return {"bytes": (folder / "profile.json").stat().st_size}


def ours(folder: Path, rows: int) -> dict[str, Any]:
    """Verdicts on the current rows, with the stored profile."""
    import duckdb

    from mlplat_assets.monitoring.drift.counting import Cell, sketches, table_cells
    from mlplat_assets.monitoring.drift.profile import PREDICTION
    from mlplat_assets.monitoring.drift.verdict import compare, profiled_columns

    stored = json.loads((folder / "profile.json").read_text())
    source = f"read_parquet('{folder / f'current_{rows}.parquet'}')"
    with duckdb.connect() as connection:  # noqa: TID251  files, not a lake
        cells = table_cells(connection, source) | {PREDICTION: Cell(value="0.0", type="DOUBLE")}
        sketch = sketches(connection, source, profiled_columns(stored), cells)[()]
    report = compare(sketch, stored, POLICY)
    return {
        column.name: {"verdict": column.verdict, "psi": column.psi, "q_value": column.q_value}
        for column in report.columns
        if column.name != PREDICTION
    }


def evidently(folder: Path, rows: int) -> dict[str, Any]:
    """Evidently's preset on both files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        frames = [
            pd.read_parquet(folder / name)
            for name in (f"current_{rows}.parquet", "reference.parquet")
        ]
        numeric = [name for name in frames[0].columns if name.startswith("n")]
        texts = [name for name in frames[0].columns if name.startswith("c")]
        columns = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
        current, reference = (Dataset.from_pandas(one, data_definition=columns) for one in frames)
        report = Report([DataDriftPreset()]).run(current_data=current, reference_data=reference)
        found = report.dict()["metrics"]
    distances = {
        one["config"]["column"]: float(one["value"])
        for one in found
        if "column" in one.get("config", {})
    }
    return {
        name: {"drifted": value >= _THEIR_DISTANCE, "distance": value}
        for name, value in distances.items()
    }


CONTENDERS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "profile": profile,
    "ours": ours,
    "evidently": evidently,
}


if __name__ == "__main__":
    name, place, size = sys.argv[1:]
    answer = CONTENDERS[name](Path(place), int(size))
    (Path(place) / f"{name}_answer.json").write_text(json.dumps(answer))
