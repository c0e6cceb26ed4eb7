"""A version made again from its lineage: identical, or what differs is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from typer.testing import Result

from mlplat_assets.models.lineage.reproduction import rebuild, retrain, surroundings
from resources.digests import canonical_json
from resources.registry.records import Version
from tests.small_world import ARRIVAL, DEPARTURE, World, in_environment

pytestmark = pytest.mark.xdist_group("world")

ROUTES, BAD_DAY = "features.flights__route_recent", date(2013, 1, 29)
COLUMN = "late_share_28d"
Run = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def altered_since(copy: World) -> None:
    """One day of a view holds other values than when the versions were made."""
    with copy.lake.write() as connection:
        connection.execute(
            f"update {ROUTES} set {COLUMN} = {COLUMN} + 1 where partition_day = ?", [BAD_DAY]
        )


def told(result: Result, status: int) -> str:
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def version_of(world: World, name: str = ARRIVAL) -> Version:
    return world.registry.version(name, 1)


def altered(version: Version, **lineage: Any) -> Version:
    """The version with another lineage than it had."""
    return replace(version, lineage=version.lineage | lineage)


def test_a_version_is_made_again_to_the_same_digests_though_a_partition_was_altered_since(
    run: Run,
) -> None:
    shown = told(run("models", "reproduce", ARRIVAL, "1"), 0)
    for what in ("training set", "weights.safetensors", "model.onnx", "preprocessing.json"):
        assert what in shown
    assert "DIFFERENT" not in shown and shown.count("identical") == 4
    assert "Partitions changed since; the snapshot still has them as they were" in shown
    assert shown.count(ROUTES) == 1 and f"{ROUTES} {BAD_DAY}" in shown


def test_from_the_lake_of_now_the_altered_partition_alone_is_the_difference(
    run: Run, copy: World
) -> None:
    shown = told(run("models", "reproduce", ARRIVAL, "1", "--data", "now"), 1)
    assert "DIFFERENT" in shown and "identical" not in shown
    assert shown.count(ROUTES) == 1 and f"{ROUTES} {BAD_DAY}" in shown
    assert "weights.safetensors" not in shown
    with in_environment(copy.settings):
        found = rebuild(version_of(copy), copy.lake, copy.artifacts, now=True)
    assert [(d.table, d.day) for d in found.partitions] == [(ROUTES, BAD_DAY)]
    assert found.rows is not None and set(found.rows.columns) == {f"route_recent__{COLUMN}"}
    assert found.rows.added == found.rows.removed == 0
    # Only where a value was known is it another one now.
    assert 0 < found.rows.changed <= found.partitions[0].used
    assert found.rows.changed == found.rows.columns[f"route_recent__{COLUMN}"]


def test_a_model_that_does_not_read_the_altered_partition_is_made_again_from_the_lake_of_now(
    run: Run, copy: World
) -> None:
    read = {used["table"] for used in version_of(copy, DEPARTURE).lineage["partitions"]}
    assert ROUTES not in read, "else choose another table to alter"
    shown = told(run("models", "reproduce", DEPARTURE, "1", "--data", "now"), 0)
    assert "DIFFERENT" not in shown and ROUTES not in shown


@pytest.mark.parametrize("changed", [{"hyperparameters": {"batch_size": 333}}, {"seed": 5}])
def test_another_hyperparameter_or_seed_gives_other_weights(
    copy: World, changed: dict[str, Any]
) -> None:
    version = version_of(copy, DEPARTURE)
    if "seed" in changed:
        recipe = json.loads(copy.artifacts.get_bytes(version.lineage["recipe_digest"]))
        recipe["spec"] |= changed
        changed = {"recipe_digest": copy.artifacts.put_bytes(canonical_json(recipe))}
    else:
        changed = {
            "hyperparameters": version.lineage["hyperparameters"] | changed["hyperparameters"]
        }
    other = altered(version, **changed)
    rebuilt = rebuild(other, copy.lake, copy.artifacts, now=False)
    assert rebuilt.found == rebuilt.recorded
    found = {one.what: one.identical for one in retrain(other, rebuilt, copy.artifacts)}
    assert found["preprocessing.json"] and not found["weights.safetensors"]


def test_rows_of_another_recipe_are_named_by_column(copy: World) -> None:
    version = version_of(copy)
    recipe = json.loads(copy.artifacts.get_bytes(version.lineage["recipe_digest"]))
    recipe["views"]["flights.weather"]["ttl"] = 1.0
    document = copy.artifacts.put_bytes(canonical_json(recipe))
    found = rebuild(altered(version, recipe_digest=document), copy.lake, copy.artifacts, now=False)
    assert found.rows is not None and not found.same_rows
    assert found.rows.columns and all(name.startswith("weather__") for name in found.rows.columns)
    assert found.partitions == [], "the partitions of the snapshot are as they were"


def test_what_surrounds_a_version_is_told_before(copy: World) -> None:
    version, artifacts = version_of(copy), copy.artifacts
    unchanged = surroundings(version, copy.catalogue, artifacts, copy.settings)
    assert unchanged.definitions == [] and unchanged.environment == []
    packages = json.loads(artifacts.get_bytes(version.lineage["environment_digest"]))
    packages[packages.index(next(p for p in packages if p.startswith("polars==")))] = "polars==0.1"
    declared = json.loads(artifacts.get_bytes(version.lineage["definitions_digest"]))
    view = "mlplat_assets/features/catalog/flights/aircraft.py"
    assert view in declared
    other = altered(
        version,
        environment_digest=artifacts.put_bytes(canonical_json(packages)),
        definitions_digest=artifacts.put_bytes(canonical_json(declared | {view: "# nothing\n"})),
        code_commit="0" * 40,
    )
    found = surroundings(other, copy.catalogue, artifacts, copy.settings)
    assert [(c.what, c.before) for c in found.environment] == [("polars", "0.1")]
    assert [c.what for c in found.definitions or ()] == [view]
    assert "code_commit" in [c.what for c in found.code]


def test_a_version_whose_recipe_was_not_recorded_is_refused_with_the_remedy(copy: World) -> None:
    version = version_of(copy)
    old = replace(version, lineage={"seed": 7})
    with pytest.raises(LookupError, match="train the model again"):
        rebuild(old, copy.lake, copy.artifacts, now=False)


def test_two_versions_are_told_apart_on_the_command_line(run: Run) -> None:
    shown = told(run("models", "diff", ARRIVAL, "1", "1"), 0)
    assert shown.count("nothing") == 6
    document = json.loads(run("models", "diff", ARRIVAL, "1", "1", "--json").output)
    assert document["tables"] == document["parameters"] == []
