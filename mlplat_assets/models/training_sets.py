"""Training sets: labels joined with what was known at each decision time, frozen by content."""

import io
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from bentos.model_server.artefact.card import OnDemandEntry
from mlplat_assets.discovery import Declared
from mlplat_assets.features.historical import LakeSnapshot, lake_at, span_of, view_frame
from mlplat_assets.features.on_demand import read_functions, with_on_demand
from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join
from mlplat_assets.keys import table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import AUXILIARY, ModelInputs
from mlplat_assets.models.lineage.data_versions import TableVersion, table_version
from mlplat_assets.references import stored_features
from mlplat_assets.spec import FeatureView
from resources.lake import VERSIONS, Lake

LABEL = "label"
UNIT = "unit_id"
_DAY = "partition_day"


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The frozen rows and where they came from.

    Rows carry `unit_id`, `event_timestamp` (UTC), the entity keys, the context, every input
    column, `label`, `auxiliary__NAME` per auxiliary outcome, and the stored inputs of on-demand
    views, so that those can be computed again;
    `as_of` is the end (exclusive) of what was known when it was built. `data` is the content of
    every table that could be read. `sources` are the files of the `on_demand` entries as they ran,
    by view.
    """

    rows: pa.Table
    as_of: datetime
    lake_snapshot: int
    data: list[TableVersion]
    leaks: int
    on_demand: list[OnDemandEntry]
    sources: dict[str, bytes]


def build(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    lake: Lake,
    *,
    snapshot: int | None = None,
    as_of: datetime | None = None,
) -> TrainingSet:
    """Join the labels of a model with its features, from one snapshot of the lake.

    Args:
        model: The model.
        inputs: Its columns.
        lake: Where labels and features are.
        snapshot: The snapshot to read (default: the newest).
        as_of: The end (exclusive) of what is known (default: of the newest day with labels).

    Raises:
        LookupError: No label partition has been materialised, or the snapshot is gone.
        OnDemandFailed: An on-demand view cannot be computed, or not row by row.
    """
    with lake_at(lake, snapshot) as at:
        label_table = table("labels", inputs.label_table.team, inputs.label_table.name)
        as_of = as_of or _as_of(at, label_table)
        first = _first_decision(model.spec, as_of)
        labels = _labels(at, model.spec, inputs, label_table, first, as_of)
        span = span_of(labels, "event_timestamp")
        views = [
            view_frame(at, view, names, span, last_day=as_of.date(), also={_DAY: _DAY})
            for view, names in inputs.views().values()
        ]
        joined = point_in_time_join(labels, views, full_feature_names=True, provenance=True)
        data = [
            table_version(
                at,
                name,
                (first - _reach(view)).date(),
                as_of.date(),
                _days_used(joined, view.name if view else LABEL),
            )
            for name, view in _tables(inputs).items()
        ]
    rows, leaks = _without_provenance(joined, views)
    functions, sources = read_functions(inputs.features)
    return TrainingSet(
        rows=with_on_demand(rows, functions),
        as_of=as_of,
        lake_snapshot=at.id,
        data=data,
        leaks=leaks,
        on_demand=[function.entry for function in functions],
        sources=sources,
    )


def parquet_of(rows: pa.Table) -> bytes:
    """The rows as they are frozen: equal rows give equal bytes, by one version of the writer."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    return buffer.getvalue()


def definitions(model: Declared[ModelSpec], inputs: ModelInputs) -> dict[str, str]:
    """The text of each file that declares or computes what is behind a training set.

    They are named by their paths from the repository's folder, wherever that lies.
    """
    views = [feature.view for feature in (*inputs.features, *stored_features(inputs.features))]
    files = {model.file, inputs.label_table.file, *(view.file for view in views)}
    sources = files | {file.with_suffix(".sql") for file in files if file.suffix == ".yml"}
    # <repository>/mlplat_assets/<stage>/catalog/<team>/<file>, and as deep below dbt_project.
    named = {file.relative_to(file.parents[4]).as_posix(): file for file in sources}
    return {name: file.read_text() for name, file in named.items()}


def _as_of(at: LakeSnapshot, label_table: str) -> datetime:
    newest: date | None = at.read(
        f"""select max(partition_day) as newest from {at.table(VERSIONS)}
            where table_name = ? and row_count > 0""",
        [label_table],
    )["newest"][0].as_py()
    if newest is None:
        raise LookupError(f"{label_table} has no partition; materialise its asset first")
    return datetime.combine(newest, datetime.min.time()) + timedelta(days=1)


def _first_decision(spec: ModelSpec, as_of: datetime) -> datetime:
    split = spec.split
    if split.train_days is None:
        return as_of - timedelta(days=36525)  # a century: everything there is
    return as_of - timedelta(days=split.train_days + split.validation_days + split.holdout_days)


def _labels(
    at: LakeSnapshot,
    spec: ModelSpec,
    inputs: ModelInputs,
    label_table: str,
    first: datetime,
    as_of: datetime,
) -> pa.Table:
    label = inputs.label_table.spec
    columns = [*label.entities, *(field.name for field in spec.context)]
    columns += [f"{name} as {AUXILIARY}{name}" for name in spec.auxiliary]
    return at.read(
        f"""select {label.unit} as {UNIT}, event_timestamp, {", ".join(columns)},
                   {inputs.label} as {LABEL}, {_DAY} as {LABEL}__{_DAY}
            from {at.table(label_table)}
            where event_timestamp >= ? and created_timestamp < ? and {inputs.label} is not null
            order by event_timestamp, {label.unit}""",
        [first, as_of],
    )


def _reach(view: Declared[FeatureView] | None) -> timedelta:
    """How far before a decision a row that counts may lie; ten years where there is no ttl."""
    if view is None or not view.spec.ttl:
        return timedelta(days=3653 if view else 0)
    return view.spec.ttl + view.spec.landing_delay + timedelta(days=1)


def _tables(inputs: ModelInputs) -> dict[str, Declared[FeatureView] | None]:
    label = inputs.label_table
    used: dict[str, Declared[FeatureView] | None] = {table("labels", label.team, label.name): None}
    for view, _ in inputs.views().values():
        used[table("features", view.team, view.name)] = view
    return used


def _days_used(joined: pa.Table, of: str) -> dict[date, int]:
    """How many training rows took their value of a view, or their label, from each day of it."""
    days = pl.Series(joined[f"{of}__{_DAY}"]).drop_nulls().value_counts()
    return dict(days.rows())


def _without_provenance(joined: pa.Table, views: list[ViewFrame]) -> tuple[pa.Table, int]:
    """The training rows, and how many used a value that was not yet in effect: must be none."""
    frame = pl.DataFrame(joined)
    decided = pl.col("event_timestamp").dt.replace_time_zone("UTC")
    leaking = [
        pl.col(f"{view.short_name}__event_timestamp") + view.landing_delay > decided
        for view in views
    ]
    leaks = frame.filter(pl.any_horizontal(leaking)).height if leaking else 0
    facts = {f"{view.short_name}__{fact}" for view in views for fact in ("event_timestamp", _DAY)}
    facts.add(f"{LABEL}__{_DAY}")
    return joined.drop_columns([name for name in joined.column_names if name in facts]), leaks
