"""A version's lineage names all that it was made from, and what it names is kept."""

import json
import re
from importlib.metadata import version as installed

import polars as pl
import pytest

from mlplat_assets.keys import table
from mlplat_assets.models.lineage.data_versions import TableVersion, kept
from mlplat_assets.models.training_sets import definitions
from resources.digests import digest_of_bytes
from resources.registry.records import Version
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LABELS = table("labels", "flights", "arrival_delay")


def made(world: World) -> Version:
    return world.registry.version(ARRIVAL, 1)


def read(world: World) -> dict[str, TableVersion]:
    found = kept(world.artifacts, made(world).lineage["partition_versions"])
    return {one.table: one for one in found}


def test_every_document_that_a_lineage_names_is_kept_under_its_digest(world: World) -> None:
    lineage = made(world).lineage
    inputs = world.model(ARRIVAL)
    packages = json.loads(world.artifacts.get_bytes(lineage["environment_digest"]))
    assert f"polars=={installed('polars')}" in packages
    declared = json.loads(world.artifacts.get_bytes(lineage["definitions_digest"]))
    assert declared == definitions(*inputs)
    if lineage["code_changes"]:
        assert world.artifacts.get_bytes(lineage["code_changes"])
    assert world.artifacts.exists(lineage["training_set_digest"])
    assert world.artifacts.exists(lineage["recipe_digest"])


def test_the_files_of_the_artefact_and_the_runs_are_named(world: World) -> None:
    version = made(world)
    files = version.lineage["files"]
    assert {"weights.safetensors", "model.onnx", "preprocessing.json", "card.json"} <= set(files)
    for name, content in files.items():
        path = world.artifacts.get_folder(version.artifact_digest) / name
        assert digest_of_bytes(path.read_bytes()) == content
    runs = version.lineage["run_ids"]
    assert {"training_set", "candidate", "evaluation", "version"} <= set(runs)
    for run in runs.values():
        assert DIGEST.fullmatch(run) is None and run


def test_every_partition_that_could_be_read_is_named_with_the_digest_recorded_of_it(
    world: World,
) -> None:
    tables = read(world)
    _, inputs = world.model(ARRIVAL)
    views = {table("features", v.team, v.name) for v, _ in inputs.views().values()}
    assert set(tables) == views | {LABELS}
    for name, found in tables.items():
        recorded = world.digests(name)
        assert found.days
        assert {day: one.digest for day, one in found.days.items()} == {
            day: recorded[day] for day in found.days
        }


def test_how_many_rows_took_from_a_partition_is_what_a_query_over_the_lake_finds(
    world: World,
) -> None:
    """For each row by itself: the weather row in effect, ordered as the contract says."""
    rows = world.training_rows(ARRIVAL).select("unit_id", "event_timestamp", "origin")
    view = world.catalogue.views["flights.weather"].spec
    assert view.ttl is not None
    with world.lake.connect() as connection:
        connection.register("asked", rows.to_arrow())
        found = connection.execute(
            """with known as (
                   select unit_id, partition_day, row_number() over (
                       partition by unit_id order by w.event_timestamp desc, created_timestamp desc
                   ) as place
                   from asked join features.flights__weather as w
                   on asked.origin = w.origin
                   and w.event_timestamp + to_microseconds($delay) <= asked.event_timestamp
                   and w.event_timestamp + to_microseconds($ttl) >= asked.event_timestamp
               ) select partition_day, count(*) from known where place = 1 group by 1""",
            {
                "delay": int(view.landing_delay.total_seconds() * 1e6),
                "ttl": int(view.ttl.total_seconds() * 1e6),
            },
        ).fetchall()
    weather = read(world)["features.flights__weather"]
    assert dict(found) == {day: one.used for day, one in weather.days.items() if one.used}


def test_every_training_row_has_its_label_from_one_day(world: World) -> None:
    rows = world.training_rows(ARRIVAL)
    assert sum(day.used for day in read(world)[LABELS].days.values()) == rows.height


def test_an_input_names_no_partition_of_a_view_that_the_model_does_not_read(world: World) -> None:
    arrival, departure = (
        {p["table"] for p in world.registry.version(name, 1).lineage["partitions"]}
        for name in (ARRIVAL, DEPARTURE)
    )
    assert arrival != departure


def test_the_provenance_columns_are_no_part_of_the_frozen_rows(world: World) -> None:
    columns = world.training_rows(ARRIVAL).columns
    assert [name for name in columns if "partition_day" in name] == []
    assert [name for name in columns if name.endswith("__event_timestamp")] == []


def test_the_lineage_is_shown_where_the_candidate_and_the_version_are(world: World) -> None:
    candidate = world.metadata("candidates", ARRIVAL)["lineage"]
    version = world.metadata("versions", ARRIVAL)["lineage"]
    assert version == made(world).lineage
    assert {name: version[name] for name in candidate if name != "run_ids"} == {
        name: value for name, value in candidate.items() if name != "run_ids"
    }
    assert isinstance(world.training_rows(ARRIVAL), pl.DataFrame)
