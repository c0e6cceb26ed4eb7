"""Labels that are built at once and come week by week."""

import pyarrow as pa
import pyarrow.compute as pc

from mlplat_assets.demo.plan import Days
from resources.lake import Lake

LABELS = "labels.flights__arrival_delay"


def put_aside(lake: Lake, days: Days) -> pa.Table:
    """Take the labels of days out of the lake as if they had not come; gives them.

    dbt builds a year of labels in the time of a week.
    """
    span = [days.first, days.last]
    with lake.write() as connection:
        rows = connection.execute(
            "select * from labels.flights__arrival_delay where partition_day between ? and ?", span
        ).to_arrow_table()
        connection.execute(
            "delete from labels.flights__arrival_delay where partition_day between ? and ?", span
        )
        connection.execute(
            """delete from lineage.partition_versions
               where table_name = ? and partition_day between ? and ?""",
            [LABELS, *span],
        )
    return rows


def land(lake: Lake, labels: pa.Table, days: Days) -> None:
    """Put the labels of days into the lake, as the asset does."""
    day = pc.field("partition_day")
    lake.replace_days(
        LABELS, labels.filter((day >= days.first) & (day <= days.last)), days.first, days.last
    )
    lake.record_partitions(LABELS, days.first, days.last, "")
