"""The same days give the same content, built once, again, or in pieces."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlplat_assets.features.transform import DBT_PROJECT
from mlplat_assets.keys import key, table
from resources.lake import Lake, lake_from
from tests.small_world import DAYS, World, settings_of

pytestmark = pytest.mark.xdist_group("world")

# The last three, each a run of its own; the rows that they need from before are there.
WEEKS = [
    (DAYS.last - timedelta(days=7 * n + 6), DAYS.last - timedelta(days=7 * n)) for n in (2, 1, 0)
]

# One process for all the weeks: dbt parses once.
_WEEKLY = """
import json, os, sys
from dbt.cli.main import dbtRunner
runner = dbtRunner()
where = json.loads(sys.argv[1])
for first, last in json.loads(sys.argv[2]):
    os.environ.update(MLPLAT_WINDOW_FIRST=first, MLPLAT_WINDOW_LAST=last)
    done = runner.invoke(["--quiet", "run", "--select", "path:models/features", *where])
    if not done.success:
        sys.exit(f"{first}: {done.exception or [r.message for r in done.result]}")
"""


def test_backfilling_every_day_again_in_one_run_changes_no_digest(world: World) -> None:
    name = "features.flights__carrier_recent"
    before, snapshot = world.digests(name), world.lake.snapshot()
    assert sorted(before) == days(DAYS.first, DAYS.last)
    assert len(set(before.values())) > 40  # days differ from each other, so digests say something
    world.materialise([key("features", "flights", "carrier_recent")], DAYS)
    assert world.lake.snapshot() > snapshot, "the run wrote nothing, so it proved nothing"
    assert world.digests(name) == before
    recorded = world.lake.read(
        "select count(*) as n from lineage.partition_versions where table_name = ?", [name]
    ).to_pylist()
    assert recorded == [{"n": len(before)}]


def test_weeks_built_one_after_the_other_give_what_one_run_gives(
    world: World, tmp_path: Path
) -> None:
    lake = lake_with_the_same_sources(world, tmp_path)
    build_dbt_views(tmp_path)
    build_python_views(world, lake)
    for view in world.catalogue.views.values():
        name = table("features", view.team, view.name)
        made = lake.record_partitions(name, WEEKS[0][0], WEEKS[-1][1], run_id="weekly")
        assert len(made) == 21
        expected = world.digests(name)
        different = [str(v.day) for v in made if v.digest != expected[v.day]]
        assert not different, f"{name} differs on {different}"
        assert sum(v.rows for v in made) > 100, f"{name} is empty"


def lake_with_the_same_sources(world: World, home: Path) -> Lake:
    lake = lake_from(settings_of(home))
    for source in world.catalogue.sources.values():
        name = table("raw", source.team, source.name)
        rows = world.lake.read(f"select * from {name}")
        lake.replace_days(name, rows, DAYS.first, DAYS.last)
    return lake


def build_dbt_views(home: Path) -> None:
    settings = settings_of(home)
    where = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    # A target of its own: other tests read the manifest in the shared one.
    where += ["--target-path", str(home / "target"), "--log-path", str(home / "logs")]
    spans = [[str(first), str(last)] for first, last in WEEKS]
    ran = subprocess.run(
        [sys.executable, "-c", _WEEKLY, json.dumps(where), json.dumps(spans)],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def build_python_views(world: World, lake: Lake) -> None:
    for view in world.catalogue.views.values():
        if view.spec.compute is None:
            continue
        inputs = {}
        for reference in view.spec.inputs:
            stage, team, name = reference.split(".")
            inputs[reference] = pl.DataFrame(lake.read(f"select * from {stage}.{team}__{name}"))
        name = table("features", view.team, view.name)
        columns = [c for c in world.lake.read(f"select * from {name} limit 0").column_names]
        for first, last in WEEKS:
            frames = {reference: frame.lazy() for reference, frame in inputs.items()}
            rows = view.spec.compute(frames, first, last).select(columns)
            lake.replace_days(name, rows.to_arrow(), first, last)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
