"""A column added, removed or retyped stops a dbt view before it writes."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from mlplat_assets.features.manifest import DBT_PROJECT
from resources.lake import Lake, lake_from
from resources.lake_attachment import install_extensions
from tests.small_home import settings_at

MODEL = "models/features/flights/ftr_flights__weather"
TABLE = "features.flights__weather"
DAY = date(2013, 1, 5)
CHANGES = {
    "added": ("        visib\n", "        visib,\n        1 as fog\n", "fog"),
    "removed": ("        precip,\n", "", "precip"),
    "retyped": ("        humid,\n", "        humid::varchar as humid,\n", "humid"),
}

# One process for every change: dbt starts once.
_RUNS = """
import json, sys
from pathlib import Path
from dbt.cli.main import dbtRunner
file, messages = Path(sys.argv[1]), []
for sql in json.loads(sys.argv[2]):
    file.write_text(sql)
    done = dbtRunner().invoke(["--quiet", "run", "--select", "ftr_flights__weather"])
    messages.append([done.success, str(done.exception or done.result.results[0].message)])
Path("messages.json").write_text(json.dumps(messages))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one observation, and a copy of the project with the view of it alone."""
    home = tmp_path_factory.mktemp("home")
    at = datetime(2013, 1, 5, 11)  # noqa: DTZ001  the lake keeps UTC without a zone
    numbers = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    row = {"origin": "EWR", "observed_at": at, "known_at": at, **dict.fromkeys(numbers, 1.0)}
    rows = pl.DataFrame({**{name: [value] for name, value in row.items()}, "partition_day": [DAY]})
    lake(home).replace_days("raw.flights__weather", rows.to_arrow(), DAY, DAY)
    for name in ("dbt_project.yml", "profiles.yml", "macros", f"{MODEL}.sql", f"{MODEL}.yml"):
        source, target = DBT_PROJECT / name, home / "dbt" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    sources = "models/staging/flights/sources.yml"
    shutil.copy(DBT_PROJECT / sources, home / "dbt" / "models" / "sources.yml")
    return home


def lake(home: Path) -> Lake:
    return lake_from(settings_at(home))


def runs(home: Path, sqls: list[str]) -> list[tuple[bool, str]]:
    """Whether dbt built the view with each text of its `.sql`, one by one, and its word."""
    install_extensions()
    window = {"MLPLAT_WINDOW_FIRST": str(DAY), "MLPLAT_WINDOW_LAST": str(DAY)}
    ran = subprocess.run(
        [sys.executable, "-c", _RUNS, f"{MODEL}.sql", json.dumps(sqls)],
        env={**os.environ, **settings_at(home).environment(), **window},
        cwd=home / "dbt",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((home / "dbt" / "messages.json").read_text())


def test_a_changed_column_is_named_and_the_table_stays_as_it_was(home: Path) -> None:
    sql = (DBT_PROJECT / f"{MODEL}.sql").read_text()
    assert all(old in sql for old, _, _ in CHANGES.values())
    warmer = sql.replace("        temp,\n", "        temp + 1 as temp,\n")
    assert warmer != sql
    changed = [warmer.replace(old, new) for old, new, _ in CHANGES.values()]
    made, *refused = runs(home, [sql, *changed])
    assert made[0], made
    for (built, message), (kind, (_, _, column)) in zip(refused, CHANGES.items(), strict=True):
        assert not built, kind
        assert "ftr_flights__weather" in message, kind
        assert f"| {column} " in message, message
    held = lake(home).read(f"select temp, humid from {TABLE}").to_pylist()
    assert held == [{"temp": 1.0, "humid": 1.0}]
