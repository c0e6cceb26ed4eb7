"""A sample of rows as a person or a classifier looks at them: of training, and of a served day.

The training rows are read from the frozen training set that the card names by digest. A copy in
the artefact would put people's data into every Bento, and could not be taken back.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from mlplat_assets.monitoring.drift.bins import ColumnProfile
from mlplat_assets.monitoring.drift.counting import Cell, table_cells
from mlplat_assets.monitoring.drift.profile import Profile
from mlplat_assets.monitoring.drift.served import journal_cells, journal_source
from resources.artifacts import ArtifactStore
from resources.lake import Lake


def training_rows(
    lake: Lake, artifacts: ArtifactStore, card: Mapping[str, Any], profile: Profile, most: int
) -> pl.DataFrame:
    """At most so many of the rows that the profile is of, always the same ones.

    Raises:
        ArtifactMissing: The training set was collected as garbage.
    """
    path = artifacts.get_file(card["lineage"]["training_set_digest"])
    period = card["training"]["periods"]["train"]
    quoted = str(path).replace("'", "''")
    source = f"read_parquet('{quoted}')"
    with lake.connect() as connection:
        listed = _listed(profile["columns"], table_cells(connection, source))
        # By a digest of the row and not by chance: which rows a sample of DuckDB's threads holds
        # differs from run to run.
        found = connection.execute(
            f"""select {listed} from {source} as one
                where event_timestamp::date between ? and ? order by hash(one) limit ?""",
            [period["first"], period["last"], most],
        )
        return pl.DataFrame(found.to_arrow_table())


def served_rows(
    lake: Lake, served: str, version: int, profile: Profile, day: date, most: int
) -> pl.DataFrame:
    """At most so many of the inputs that a version was given on a day, always the same ones."""
    names = [*profile["columns"]]
    source, paths = journal_source(served, names)
    with lake.connect() as connection:
        found = connection.execute(
            f"""select {_listed(profile["columns"], journal_cells(names))} from {source}
                order by md5(prediction_id) limit ?""",
            [*paths, version, day, day, most],
        )
        return pl.DataFrame(found.to_arrow_table())


def _listed(columns: Mapping[str, ColumnProfile], cells: Mapping[str, Cell]) -> str:
    """The columns as SQL: numbers as doubles, null where they are none, all others as texts."""
    kinds = {"numeric": "double", "categorical": "varchar"}
    return ", ".join(
        f'try_cast({cells[name].value} as {kinds[column["kind"]]}) as "{name}"'
        for name, column in columns.items()
    )
