"""What changed between two versions of a model: data, features, code, parameters, environment."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlplat_assets.models.lineage.data_versions import TableVersion, kept
from resources.artifacts import ArtifactStore
from resources.registry.records import Version

_INPUTS = ("features", "label", "context", "entity_features")
_PLACE = ("python", "hardware", "image")
_CODE = ("code_commit", "code_dirty", "code_changes", "trainer_digest")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs; None where a version does not have it."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class TableChange:
    """A lake table that the versions read in another content: which days, and rows of all days.

    Days and rows are None for a version that did not record them.
    """

    table: str
    added: tuple[date, ...] | None
    removed: tuple[date, ...] | None
    changed: tuple[date, ...] | None
    rows_before: int | None
    rows_after: int | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two versions of a model, side by side; an empty list means nothing differs there."""

    model: str
    before: int
    after: int
    tables: list[TableChange]
    data: list[Change]
    features: list[Change]
    code: list[Change]
    parameters: list[Change]
    environment: list[Change]
    metrics: list[Change]


def difference(before: Version, after: Version, artifacts: ArtifactStore) -> Difference:
    """What changed from one version to another.

    Raises:
        ArtifactMissing: A document that a lineage names is not stored.
    """
    old, new = before.lineage, after.lineage
    specs = [_document(each, "recipe_digest", artifacts).get("spec", {}) for each in (old, new)]
    specs = specs if all(specs) else [{}, {}]
    return Difference(
        model=before.model,
        before=before.number,
        after=after.number,
        tables=_tables(old, new, artifacts),
        data=changes(*(_data(version) for version in (before, after))),
        features=[*_features(specs, old, new), *_definitions(old, new, artifacts)],
        code=changes(*({n: lineage.get(n) for n in _CODE} for lineage in (old, new))),
        parameters=changes(
            *(_parameters(spec, of) for spec, of in zip(specs, (old, new), strict=True))
        ),
        environment=_environment(old, new, artifacts),
        metrics=changes(*(v.evidence.get("metrics") or {} for v in (before, after))),
    )


def packages_changed(before: list[str], after: list[str]) -> list[Change]:
    """Packages added, removed or of another version, from lists of `name==version`."""
    return changes(*(_packages(listed) for listed in (before, after)))


def _document(lineage: Mapping[str, Any], name: str, artifacts: ArtifactStore) -> Any:  # noqa: ANN401
    """A document that a lineage names; empty for a version made before mlplat kept them."""
    if "recipe_digest" not in lineage:
        return {}
    return json.loads(artifacts.get_bytes(lineage[name]))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What two sides say differently, by name."""
    return [
        Change(what=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def _data(version: Version) -> dict[str, Any]:
    lineage, holdout = version.lineage, version.evidence.get("holdout") or {}
    return {
        "training rows": lineage.get("rows"),
        "as of": lineage.get("as_of"),
        "lake snapshot": lineage.get("lake_snapshot"),
        "training set": lineage.get("training_set_digest"),
        "holdout": " to ".join(str(holdout[n]) for n in ("first", "last") if n in holdout) or None,
    }


def _tables(
    old: Mapping[str, Any], new: Mapping[str, Any], artifacts: ArtifactStore
) -> list[TableChange]:
    said = [
        {p["table"]: p["digest"] for p in lineage.get("partitions", ())} for lineage in (old, new)
    ]
    differing = [
        name
        for name in dict.fromkeys((*said[0], *said[1]))
        if said[0].get(name) != said[1].get(name)
    ]
    contents = [_contents(lineage, artifacts) for lineage in (old, new)]
    return [_table(name, contents[0], contents[1]) for name in differing]


def _contents(
    lineage: Mapping[str, Any], artifacts: ArtifactStore
) -> dict[str, TableVersion] | None:
    if "partition_versions" not in lineage:
        return None
    return {found.table: found for found in kept(artifacts, lineage["partition_versions"])}


def _table(
    name: str, old: Mapping[str, TableVersion] | None, new: Mapping[str, TableVersion] | None
) -> TableChange:
    before = old.get(name) if old is not None else None
    after = new.get(name) if new is not None else None
    days: dict[str, tuple[date, ...] | None] = {"added": None, "removed": None, "changed": None}
    if old is not None and new is not None:
        then, now = before.days if before else {}, after.days if after else {}
        days = {
            "added": tuple(day for day in now if day not in then),
            "removed": tuple(day for day in then if day not in now),
            "changed": tuple(
                day for day in now if day in then and now[day].digest != then[day].digest
            ),
        }
    return TableChange(
        table=name,
        rows_before=before.rows if before else None,
        rows_after=after.rows if after else None,
        **days,
    )


def _features(
    specs: list[dict[str, Any]], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    listed = [{name: "an input" for name in spec.get("features", ())} for spec in specs]
    yield from changes(*listed)
    yield from changes(*({n: spec.get(n) for n in _INPUTS if n != "features"} for spec in specs))
    for kind in ("views", "on_demand"):
        there = old.get(kind, {}), new.get(kind, {})
        for change in changes(*there):
            yield Change(
                what=f"definition of {change.what}", before=change.before, after=change.after
            )


def _definitions(
    old: Mapping[str, Any], new: Mapping[str, Any], artifacts: ArtifactStore
) -> Iterator[Change]:
    """Each declaring file that differs, with the lines it lost and those it gained."""
    texts = [_document(lineage, "definitions_digest", artifacts) for lineage in (old, new)]
    if not all(texts):
        return
    yield from definitions_changed(*texts)


def definitions_changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    """The files that differ, with how many lines each lost (`before`) and gained (`after`)."""
    for change in changes(before, after):
        then, now = ((text or "").splitlines() for text in (change.before, change.after))
        # Without its two lines of heading.
        told = [line[0] for line in list(difflib.unified_diff(then, now, n=0))[2:]]
        yield Change(
            what=change.what,
            before=None if change.before is None else f"-{told.count('-')} lines",
            after=None if change.after is None else f"+{told.count('+')} lines",
        )


def _parameters(spec: Mapping[str, Any], lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters in force, seed, trainer and split, and what else shapes the training."""
    found = {name: value for name, value in spec.items() if name not in _INPUTS}
    found |= {"trainer": lineage.get("trainer"), "seed": lineage.get("seed")}
    found["hyperparameters"] = lineage.get("hyperparameters", {})
    return dict(_flat(found))


def _flat(nested: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _environment(
    old: Mapping[str, Any], new: Mapping[str, Any], artifacts: ArtifactStore
) -> list[Change]:
    places = changes(*({name: lineage.get(name) for name in _PLACE} for lineage in (old, new)))
    digests = old.get("environment_digest"), new.get("environment_digest")
    if digests[0] == digests[1]:
        return places
    listed = [_document(lineage, "environment_digest", artifacts) for lineage in (old, new)]
    if not all(listed):
        return [*places, Change(what="packages", before=digests[0], after=digests[1])]
    return [*places, *packages_changed(*listed)]


def _packages(listed: list[str]) -> dict[str, str]:
    return dict(package.split("==", 1) for package in listed)
