"""After a collection that counts everything as old, every version still loads and reproduces."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import Result

from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.commands.gc import Garbage, garbage, materialised, remove
from mlplat_assets.models.lineage.reproduction import rebuild
from resources.digests import canonical_json
from resources.lake_retention import old_snapshots, unread_without
from tests.small_world import ARRIVAL, DEPARTURE, World, in_environment

pytestmark = pytest.mark.xdist_group("world")

Run = Callable[..., Result]
LATER = datetime.now(UTC) + timedelta(days=60)
AGE = timedelta(days=30)
ROUTES = "features.flights__route_recent"
FIRST, LAST = date(2013, 1, 1), date(2013, 2, 20)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files of its own: those of other tests would count as old."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def loose(copy: World) -> list[str]:
    """Pieces that nothing names, and a lake that was rewritten three times since the training."""
    with in_environment(copy.settings):
        rows = copy.lake.read(f"select * from {ROUTES}")
        for _ in range(3):
            copy.lake.replace_days(ROUTES, rows, FIRST, LAST)
        unnamed = copy.artifacts.put_bytes(b"PAR1 rows of a training that was refused")
        manifest = copy.artifacts.put_bytes(canonical_json({"training_set_digest": unnamed}))
    return [unnamed, manifest]


def found(world: World, now: datetime = LATER) -> Garbage:
    with in_environment(world.settings):
        return garbage(world.settings, world.artifacts, materialised(), now, AGE)


def files(home: Path) -> dict[Path, int]:
    return {p: p.stat().st_size for p in home.rglob("*") if p.is_file() and "dagster" not in str(p)}


def test_a_dry_run_tells_and_deletes_nothing(run: Run, copy: World, loose: list[str]) -> None:
    before = files(copy.home)
    shown = run("gc", "--older-than", "1")
    assert shown.exit_code == 0 and "Nothing was deleted" in shown.output
    after = files(copy.home)
    assert {p for p in before if p not in after} == set()
    listed = found(copy)
    assert {one.digest for one in listed.pieces} >= set(loose)
    assert listed.unread.files > 0 and listed.unread.size > 0
    assert not listed.kept.digests & set(loose)


def test_nothing_young_is_listed(copy: World, loose: list[str]) -> None:
    listed = found(copy, datetime.now(UTC))
    assert listed.pieces == listed.snapshots == listed.leftovers == []
    refused = run_of_days(copy, 0)
    assert refused.exit_code == 2


def run_of_days(world: World, days: int) -> Result:
    from typer.testing import CliRunner

    from mlplat_assets.cli import app

    with in_environment(world.settings):
        return CliRunner().invoke(app, ["gc", "--older-than", str(days)])


def test_a_piece_that_is_put_again_while_it_is_collected_stays(
    copy: World, loose: list[str]
) -> None:
    for file in (copy.home / "artifacts" / "blobs").glob("??/*"):
        os.utime(file, (0, 0))
    now = datetime.now(UTC)
    listed = found(copy, now)
    assert {one.digest for one in listed.pieces} >= set(loose)
    copy.artifacts.put_bytes(copy.artifacts.get_bytes(loose[0]))
    remove(copy.settings, copy.artifacts, listed, now)
    assert copy.artifacts.exists(loose[0]) and not copy.artifacts.exists(loose[1])


def test_every_version_loads_and_is_made_again_after_all_else_is_gone(
    copy: World, loose: list[str]
) -> None:
    versions = [copy.registry.version(name, 1) for name in (ARRIVAL, DEPARTURE)]
    before = sum(p.stat().st_size for p in Path(copy.lake.data).rglob("*.parquet"))
    for now in (LATER, LATER + timedelta(days=2)):
        remove(copy.settings, copy.artifacts, found(copy, now), now)
    copy.lake.close()
    left = sum(p.stat().st_size for p in Path(copy.lake.data).rglob("*.parquet"))
    assert left < before, "files that no snapshot reads are deleted at the second time"
    assert not copy.artifacts.exists(loose[0])
    for version in versions:
        folder = copy.artifacts.get_folder(version.artifact_digest)
        Predictor.load(folder, threads=1)
        assert named(version.lineage) and all(map(copy.artifacts.exists, named(version.lineage)))
        frozen = copy.artifacts.get_file(version.lineage["training_set_digest"])
        assert pl.read_parquet(frozen).height == version.lineage["rows"]
        again = rebuild(version, copy.lake, copy.artifacts, now=False)
        assert again.found == again.recorded
    snapshots = {version.lineage["lake_snapshot"] for version in versions}
    kept = copy.lake.read("select snapshot_id from ducklake_snapshots('lake')")
    assert snapshots <= set(kept["snapshot_id"].to_pylist())
    assert old_snapshots(copy.lake, LATER, snapshots) == []


def named(lineage: dict[str, Any]) -> set[str]:
    """Digests of the pieces that a lineage names."""
    pieces = {
        lineage[name]
        for name in (
            "training_set_digest",
            "partition_versions",
            "definitions_digest",
            "recipe_digest",
            "environment_digest",
            "code_changes",
        )
        if lineage[name]
    }
    return pieces | {*lineage["on_demand"].values(), *lineage["files"].values()}


def test_the_lake_is_as_it_was_for_its_readers(copy: World, world: World) -> None:
    query = f"select count(*) as n, sum(landings_28d) as s from {ROUTES}"
    assert copy.lake.read(query).to_pylist() == world.lake.read(query).to_pylist()
    assert copy.digests(ROUTES) == world.digests(ROUTES)


def test_a_file_is_unread_once_no_snapshot_left_reads_it(copy: World) -> None:
    rows = copy.lake.read(f"select * from {ROUTES}")
    newest = copy.lake.snapshot()
    assert unread_without(copy.lake, []).files == 0
    copy.lake.replace_days(ROUTES, rows, FIRST, LAST)
    held = copy.lake.read("select snapshot_id from ducklake_snapshots('lake')")["snapshot_id"]
    before = [one for one in held.to_pylist() if one <= newest]
    assert unread_without(copy.lake, []).files == 0
    assert unread_without(copy.lake, before).files > 0
    kept_one = [one for one in before if one != newest]
    assert unread_without(copy.lake, kept_one).files < unread_without(copy.lake, before).files


def test_the_command_deletes_what_it_told(run: Run, copy: World) -> None:
    gone = copy.artifacts.put_bytes(b"PAR1 gone")
    for file in (copy.home / "artifacts" / "blobs").glob("??/*"):
        os.utime(file, (0, 0))
    pieces = found(copy).pieces
    assert gone in {one.digest for one in pieces}
    told = run("gc", "--delete")
    assert told.exit_code == 0, told.output
    assert "Deleted" in told.output and not copy.artifacts.exists(gone)
    shown = " ".join(told.output.split())
    size = sum(one.size for one in pieces)
    assert f"stored pieces that nothing names {len(pieces)} {size}" in shown
    assert json.loads(run("models", "diff", ARRIVAL, "1", "1", "--json").output)["data"] == []
