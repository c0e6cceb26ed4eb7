"""What an experiment reads: predictions with their labels, added up by arm and day in the lake.

A query returns a row for each arm and day, so that memory does not grow with traffic. Everything is
read as of one snapshot of the lake, which the result names with a digest of the rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa

from mlplat_assets.experiment_checks import metrics_of
from mlplat_assets.experiments.arm_days import ArmDay, arm_day
from mlplat_assets.experiments.exposure import Exposure
from mlplat_assets.experiments.unit_query import COUNTED, UnitQuery
from mlplat_assets.monitoring.assignment import Assigned
from resources.lake import Lake

_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class RowsUsed:
    """Which rows of the journal a result rests on.

    Attributes:
        rows: How many predictions.
        digest: SHA-256 of their ids, sorted, each but the last followed by a line feed.
        snapshot: The lake's snapshot that they were read at.
        versions: How many of each arm's predictions each variant and version made.
    """

    rows: int
    digest: str
    snapshot: int
    versions: Mapping[tuple[str, str, int], int]


@dataclass(frozen=True, kw_only=True)
class JournalRows:
    """The rows of one experiment as of one snapshot of the lake."""

    lake: Lake
    query: UnitQuery

    def revisions(self) -> list[int]:
        """The revisions of the traffic table that predictions of the days name."""
        found = self.lake.read(
            f"select distinct revision from {self.query.predictions} "
            "where partition_day between ? and ? and revision is not null order by 1",
            [self.query.spec.first_day, self.query.spec.last_day],
        )
        return found["revision"].to_pylist()

    def newest_day(self) -> date | None:
        """The last day on which the model predicted, in the experiment or not."""
        found = self.lake.read(f"select max(partition_day) as day from {self.query.predictions}")
        return found["day"].to_pylist()[0]

    def assigned(self, exposure: Exposure) -> Iterator[Assigned]:
        """Every prediction of the days under the revisions that count, for the audit."""
        columns = msgspec.structs.fields(Assigned)
        listed = ", ".join(column.name for column in columns)
        with self.lake.connect() as connection:
            rows = connection.execute(
                f"select {listed} from {self.query.predictions} where {COUNTED}",
                [self.query.spec.first_day, self.query.spec.last_day, list(exposure.revisions)],
            )
            while batch := rows.fetchmany(_ROWS):
                for row in batch:
                    yield Assigned(**{c.name: value for c, value in zip(columns, row, strict=True)})

    def arm_days(self, exposure: Exposure) -> list[ArmDay]:
        """Units and metrics of each arm, by the day on which a unit was first seen."""
        measures = [metric.measure for _, metric in metrics_of(self.query.spec)]
        found = self._query(exposure, self.query.sums_by_day())
        return [arm_day(row, measures) for row in found]

    def used(self, exposure: Exposure) -> RowsUsed:
        """Which rows `arm_days` adds up."""
        (named,) = self._query(
            exposure,
            "select count(*) as n, sha256(coalesce(string_agg(prediction_id, chr(10) "
            "order by prediction_id), '')) as digest from used",
        )
        by = self._query(
            exposure,
            "select arm, variant, version, count(*) as n from used group by all order by 1",
        )
        return RowsUsed(
            rows=named["n"],
            digest=f"sha256:{named['digest']}",
            snapshot=self.query.snapshot,
            versions={(row["arm"], row["variant"], row["version"]): row["n"] for row in by},
        )

    def _query(self, exposure: Exposure, select: str) -> list[dict[str, Any]]:
        """Rows of a query over the predictions that count (`used`) and their units (`filled`)."""
        days = [self.query.spec.first_day, self.query.spec.last_day]
        parameters = [*days, list(exposure.revisions), sorted(exposure.overrides)]
        with self.lake.connect() as connection:
            connection.register("held", _held(exposure))
            found = connection.execute(f"{self.query.expressions()} {select}", parameters)
            return found.to_arrow_table().to_pylist()


def _held(exposure: Exposure) -> pa.Table:
    """The buckets of each arm as ranges, those of the holdout apart."""
    kept = exposure.holdout[0][0] if exposure.holdout else None
    control = next(iter(exposure.ranges))
    rows = []
    for arm, ranges in exposure.ranges.items():
        for start, stop in ranges:
            cut = stop if kept is None or arm != control else min(max(start, kept), stop)
            rows += [(arm, False, start, cut)] if start < cut else []
            rows += [(arm, True, cut, stop)] if cut < stop else []
    names = ("arm", "held_back", "start", "stop")
    types = (pa.string(), pa.bool_(), pa.int64(), pa.int64())
    schema = pa.schema(list(zip(names, types, strict=True)))
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
