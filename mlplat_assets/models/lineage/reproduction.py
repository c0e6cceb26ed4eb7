"""A version made again from its lineage: the same rows, the same weights, or what differs and why.

Nothing is taken from today's declarations: rows come from the recorded lake snapshot by the
recorded recipe, hyperparameters and seed from the lineage. Code and packages are those of today.
"""

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.historical import lake_at
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from mlplat_assets.models.lineage.data_versions import ChangedDay, changed_days, kept
from mlplat_assets.models.lineage.difference import (
    Change,
    changes,
    definitions_changed,
    packages_changed,
)
from mlplat_assets.models.lineage.provenance import (
    code_version,
    environment_version,
    installed_packages,
    uncommitted_changes,
)
from mlplat_assets.models.lineage.recipe import catalogue_of, read_recipe
from mlplat_assets.models.training import cut, fit_model
from mlplat_assets.models.training_sets import UNIT, build, definitions, parquet_of
from resources.artifacts import ArtifactStore, files_of
from resources.digests import digest_of_bytes
from resources.lake import Lake
from resources.registry.records import Version
from resources.settings import REPOSITORY, Settings

_CARD = "card.json"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is not as it was when the version was made: declarations, code, environment.

    `definitions` is None where the model is not declared any more.
    """

    definitions: list[Change] | None
    code: list[Change]
    environment: list[Change]


@dataclass(frozen=True, kw_only=True)
class RowDifference:
    """Training rows that are not as they were; `columns` counts the rows that differ in each."""

    added: int
    removed: int
    changed: int
    columns: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class RebuiltSet:
    """The training set as it is made again.

    Attributes:
        model: The model as it was declared.
        inputs: Its columns.
        recorded: Digest of the frozen rows.
        found: Digest of the rows made again.
        parquet: The rows made again.
        rows: How they differ; None where the digests are equal.
        partitions: The partitions that hold other content than was recorded, where the rows differ
            at the snapshot that was read.
        since: The partitions that hold other content in the lake of now.
    """

    model: Declared[ModelSpec]
    inputs: ModelInputs
    recorded: str
    found: str
    parquet: bytes
    rows: RowDifference | None
    partitions: list[ChangedDay]
    since: list[ChangedDay]

    @property
    def same_rows(self) -> bool:
        """Whether every row is as it was, be it in other bytes by another version of the writer."""
        rows = self.rows
        return rows is None or not (rows.added or rows.removed or rows.changed)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One digest as it was recorded and as it was found."""

    what: str
    recorded: str | None
    found: str | None

    @property
    def identical(self) -> bool:
        """Whether both are one digest."""
        return self.recorded is not None and self.recorded == self.found


def surroundings(
    version: Version, declared: Catalogue, artifacts: ArtifactStore, settings: Settings
) -> Surroundings:
    """What changed around the model since a version was made.

    Raises:
        LookupError: The version has no recipe.
        TrainerUnusable: Its trainer is not installed.
    """
    from mlplat_assets.models.trainers.contract import trainer_class
    from mlplat_assets.models.trainers.resuming import source_digest

    lineage = _reproducible(version)
    model = declared.models.get(version.model)
    code = code_version(REPOSITORY, uncommitted_changes(REPOSITORY)) | {
        "trainer_digest": source_digest(cast(type, trainer_class(lineage["trainer"])))
    }
    packages = installed_packages()
    place = environment_version(packages, settings.image)
    recorded = json.loads(artifacts.get_bytes(lineage["environment_digest"]))
    return Surroundings(
        definitions=model and _definitions(lineage, model, declared, artifacts),
        code=changes({name: lineage.get(name) for name in code}, code),
        environment=[
            *packages_changed(recorded, packages),
            *changes(
                *({n: of[n] for n in ("python", "image", "hardware")} for of in (lineage, place))
            ),
        ],
    )


def rebuild(version: Version, lake: Lake, artifacts: ArtifactStore, *, now: bool) -> RebuiltSet:
    """Make the training set of a version again, from its snapshot or from the lake of `now`.

    Raises:
        LookupError: The version has no recipe, or the lake does not hold the snapshot any more.
    """
    lineage = _reproducible(version)
    recorded = read_recipe(artifacts.get_bytes(lineage["recipe_digest"]))
    then = catalogue_of(recorded, artifacts.get_file)
    model = then.models[version.model]
    inputs = model_inputs(model, then)
    snapshot = None if now else lineage["lake_snapshot"]
    as_of = datetime.fromisoformat(lineage["as_of"])
    parquet = parquet_of(build(model, inputs, lake, snapshot=snapshot, as_of=as_of).rows)
    found, frozen = digest_of_bytes(parquet), lineage["training_set_digest"]
    data = kept(artifacts, lineage["partition_versions"])
    with lake_at(lake) as at:
        since = list(changed_days(at, data))
    with lake_at(lake, snapshot) as at:
        partitions = list(changed_days(at, data)) if found != frozen else []
    return RebuiltSet(
        model=model,
        inputs=inputs,
        recorded=frozen,
        found=found,
        parquet=parquet,
        rows=_rows_changed(artifacts.get_file(frozen), parquet) if found != frozen else None,
        partitions=partitions,
        since=since,
    )


def retrain(version: Version, rebuilt: RebuiltSet, artifacts: ArtifactStore) -> list[Compared]:
    """Train again on rebuilt rows; the digest of each file of the artefact but its card."""
    from mlplat_assets.models.artefact import write_artefact

    lineage = version.lineage
    frame = pl.read_parquet(io.BytesIO(rebuilt.parquet))
    parts = cut(rebuilt.model, frame, lineage["as_of"])
    recorded = artifacts.files(version.artifact_digest)
    with tempfile.TemporaryDirectory(prefix="mlplat-") as scratch:
        fitted = fit_model(
            rebuilt.model, rebuilt.inputs, parts, lineage["hyperparameters"], Path(scratch) / "fit"
        )
        found = files_of(write_artefact(Path(scratch) / "artefact", fitted, {}))
    return [
        Compared(what=name, recorded=recorded.get(name), found=content)
        for name, content in found.items()
        if name != _CARD
    ]


def _reproducible(version: Version) -> dict[str, Any]:
    if "recipe_digest" not in version.lineage:
        raise LookupError(
            f"{version.model} version {version.number} was made before mlplat recorded how; "
            "train the model again, and reproduce the new version"
        )
    return version.lineage


def _definitions(
    lineage: Mapping[str, Any],
    model: Declared[ModelSpec],
    declared: Catalogue,
    artifacts: ArtifactStore,
) -> list[Change]:
    recorded = json.loads(artifacts.get_bytes(lineage["definitions_digest"]))
    return list(definitions_changed(recorded, definitions(model, model_inputs(model, declared))))


def _rows_changed(frozen: Path, parquet: bytes) -> RowDifference:
    """By unit; one recipe gives both the same columns, and `is_complete` each unit once."""
    before, after = pl.read_parquet(frozen), pl.read_parquet(io.BytesIO(parquet))
    columns = [name for name in before.columns if name != UNIT]
    both = before.join(after, on=UNIT, how="inner", suffix=" now")
    differs = both.select(pl.col(name).ne_missing(pl.col(f"{name} now")) for name in columns)
    counts = {name: int(differs[name].sum()) for name in columns}
    return RowDifference(
        added=after.height - both.height,
        removed=before.height - both.height,
        changed=int(differs.select(pl.any_horizontal(columns)).to_series().sum()),
        columns={name: count for name, count in counts.items() if count},
    )
