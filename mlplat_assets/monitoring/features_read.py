"""What one prediction read of stored features, and what on-demand views made of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from mlplat_assets.keys import table
from resources.lake import VERSIONS

Scalar = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class ViewRead:
    """What one feature view gave to a prediction.

    Attributes:
        view: `team.name`.
        event_timestamp: Event time (UTC) of the row that was read; None when there was none.
        partition: The UTC day of the lake partition that the row came from.
        digest: Content digest of that partition as recorded when the prediction was served;
            None when none had been recorded by then.
        snapshot: Lake snapshot at which that content was recorded.
        changed_since: Whether the partition holds other content now.
        values: Value of each feature, by the model's input column.
        statuses: Status of each value, by the same column.
    """

    view: str
    event_timestamp: datetime | None
    partition: date | None
    digest: str | None
    snapshot: int | None
    changed_since: bool
    values: Mapping[str, Scalar]
    statuses: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What one on-demand view made of the request and of stored features.

    `digest` is that of the file that computed it, as the version carries it.
    """

    view: str
    digest: str
    values: Mapping[str, Scalar]
    statuses: Mapping[str, str]


def views_read(
    connection: duckdb.DuckDBPyConnection,
    prediction: Mapping[str, Any],
    on_demand: Iterable[str],
) -> tuple[ViewRead, ...]:
    """What each stored view gave; `on_demand` are the views whose values others computed."""
    times: dict[str, str | None] = json.loads(prediction["feature_times"])
    partitions: dict[str, str | None] = json.loads(prediction["feature_partitions"])
    days = {view: date.fromisoformat(day) for view, day in partitions.items() if day}
    versions = _versions(connection, days)
    values, statuses = (json.loads(prediction[name]) for name in ("features", "feature_status"))
    reads: list[ViewRead] = []
    for view, moment in times.items():
        known = versions.get(view, [])
        then = [v for v in known if v["recorded_at"] <= prediction["served_at"]]
        columns = _columns_of(view, [*times, *on_demand], values)
        reads.append(
            ViewRead(
                view=view,
                event_timestamp=datetime.fromisoformat(moment).astimezone(UTC) if moment else None,
                partition=days.get(view),
                digest=then[-1]["digest"] if then else None,
                snapshot=then[-1]["snapshot"] if then else None,
                changed_since=bool(then) and then[-1]["digest"] != known[-1]["digest"],
                values={name: values[name] for name in columns},
                statuses={name: _status(statuses, name) for name in columns},
            )
        )
    return tuple(reads)


def computed_values(
    prediction: Mapping[str, Any], sources: Mapping[str, str]
) -> tuple[Computed, ...]:
    """What each on-demand view gave; `sources` are the digests of their files, by view."""
    values, statuses = (json.loads(prediction[name]) for name in ("features", "feature_status"))
    views = [*json.loads(prediction["feature_times"]), *sources]
    columns = {view: _columns_of(view, views, values) for view in sources}
    return tuple(
        Computed(
            view=view,
            digest=digest,
            values={name: values[name] for name in columns[view]},
            statuses={name: _status(statuses, name) for name in columns[view]},
        )
        for view, digest in sources.items()
    )


def given_values(prediction: Mapping[str, Any], sources: Iterable[str]) -> dict[str, Scalar]:
    """The features that the caller brought along: no view was read, and no function ran."""
    values: dict[str, Scalar] = json.loads(prediction["features"])
    views = [*json.loads(prediction["feature_times"]), *sources]
    known = {column for view in views for column in _columns_of(view, views, values)}
    return {column: value for column, value in values.items() if column not in known}


def _versions(
    connection: duckdb.DuckDBPyConnection, days: Mapping[str, date]
) -> dict[str, list[dict[str, Any]]]:
    """Recorded contents of one partition of each view, oldest first."""
    recorded = connection.execute(
        "select 1 from duckdb_tables() where database_name = 'lake' "
        "and schema_name || '.' || table_name = ?",
        [VERSIONS],
    ).fetchall()
    if not recorded or not days:
        return {}
    views = {table("features", *view.split(".", 1)): view for view in days}
    rows = connection.execute(
        f"""select table_name, digest, snapshot, recorded_at from {VERSIONS}
            join (select unnest($1::varchar[]) as table_name, unnest($2::date[]) as partition_day)
            using (table_name, partition_day) order by recorded_at, snapshot""",
        [list(views), list(days.values())],
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_arrow_table().to_pylist():
        found.setdefault(views[row["table_name"]], []).append(row)
    return found


def _columns_of(view: str, views: Iterable[str], columns: Iterable[str]) -> list[str]:
    """The columns `<view name>__<feature>` of a view; the longest view name that fits owns one."""
    names = {other.split(".", 1)[1] for other in views}
    mine = view.split(".", 1)[1]

    def owner(column: str) -> str:
        return max((name for name in names if column.startswith(f"{name}__")), key=len, default="")

    return [column for column in columns if owner(column) == mine]


def _status(statuses: Mapping[str, str], column: str) -> str:
    """The status of a column as it was recorded: its own, or that of the rest."""
    return statuses[column] if column in statuses else statuses["*"]
