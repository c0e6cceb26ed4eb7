"""A changed definition has another digest, and nothing else has."""

import shutil
from pathlib import Path

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.discovery import PACKAGE
from mlplat_assets.features.transform import DBT_PROJECT
from mlplat_assets.features.view_versions import (
    definitions_seen,
    record_definition,
    view_digest,
    view_digests,
)
from resources.lake import lake_from
from tests.small_world import settings_of

WEATHER = "dbt_project/models/features/flights/ftr_flights__weather"
PYTHON = "mlplat_assets/features/catalog/flights/aircraft.py"
AGGREGATED = {
    "flights.carrier_origin_recent",
    "flights.carrier_recent",
    "flights.origin_live",
    "flights.origin_recent",
    "flights.route_recent",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of every declaration of this repository, and of the dbt macros."""
    package = tmp_path / "mlplat_assets"
    package.mkdir()
    shutil.copy(PACKAGE / "teams.toml", package)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", package / stage / "catalog")
    for folder in ("models", "macros"):
        shutil.copytree(DBT_PROJECT / folder, tmp_path / "dbt_project" / folder)
    return tmp_path


def digests(copy: Path) -> dict[str, str]:
    return view_digests(read_catalogue(copy / "mlplat_assets", copy / "dbt_project"))


def changed(copy: Path, file: str, old: str, new: str) -> set[str]:
    """The views whose digest another text of one file changes."""
    before = digests(copy)
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    after = digests(copy)
    return {name for name in before if before[name] != after[name]}


def test_the_same_definitions_have_the_same_digests_wherever_they_lie(copy: Path) -> None:
    assert digests(copy) == view_digests(read_catalogue(PACKAGE, DBT_PROJECT))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (f"{WEATHER}.sql", "wind_speed <= 150", "wind_speed <= 140"),
        (f"{WEATHER}.yml", "ttl: 6 hours", "ttl: 7 hours"),
        (f"{WEATHER}.yml", "landing_delay: 1 hour", "landing_delay: 2 hours"),
        (f"{WEATHER}.yml", "temp, data_type: double", "temp, data_type: bigint"),
    ],
    ids=["sql", "ttl", "landing delay", "type"],
)
def test_what_defines_a_value_changes_the_digest_of_its_view_alone(
    copy: Path, file: str, old: str, new: str
) -> None:
    assert changed(copy, file, old, new) == {"flights.weather"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("Degrees Fahrenheit", "In degrees Fahrenheit"), ("maximum: 130", "maximum: 140")],
    ids=["description", "check"],
)
def test_what_only_describes_or_checks_a_dbt_view_changes_no_digest(
    copy: Path, old: str, new: str
) -> None:
    assert changed(copy, f"{WEATHER}.yml", old, new) == set()


def test_a_macro_counts_for_the_views_that_use_it(copy: Path) -> None:
    macro = "dbt_project/macros/partial_aggregates_duckdb.sql"
    assert changed(copy, macro, "nullif(", "coalesce(") == AGGREGATED


def test_a_macro_counts_where_another_macro_uses_it(copy: Path) -> None:
    macro = "dbt_project/macros/window.sql"
    all_in_dbt = set(digests(copy)) - {"flights.aircraft"}
    assert changed(copy, macro, '"1970-01-01"', '"1971-01-01"') == all_in_dbt


def test_a_dispatched_macro_counts_by_the_name_it_is_called_by(copy: Path) -> None:
    (copy / "dbt_project/macros/rounded.sql").write_text(
        "{% macro rounded(c) %}{{ adapter.dispatch('rounded')(c) }}{% endmacro %}\n"
        "{% macro duckdb__rounded(c) %}round({{ c }}){% endmacro %}\n"
    )
    sql = copy / f"{WEATHER}.sql"
    sql.write_text(sql.read_text().replace("temp,", "{{ rounded('temp') }} as temp,", 1))
    name = "dbt_project/macros/rounded.sql"
    assert changed(copy, name, "round({{ c }})", "floor({{ c }})") == {"flights.weather"}


def test_a_model_that_a_view_refers_to_counts(copy: Path) -> None:
    sql = copy / f"{WEATHER}.sql"
    text = sql.read_text()
    source = "{{ source('flights', 'weather') }}"
    assert source in text
    sql.write_text(text.replace(source, "{{ ref('stg_flights__decisions') }}"))
    staging = "dbt_project/models/staging/flights/stg_flights__decisions.sql"
    assert changed(copy, staging, "interval 2 hour", "interval 3 hour") == {"flights.weather"}


def test_a_python_view_counts_with_the_neighbours_it_imports(copy: Path) -> None:
    assert changed(copy, PYTHON, '"CANADAIR": "BOMBARDIER"', '"CANADAIR": "B"') == {
        "flights.aircraft"
    }
    view = copy / PYTHON
    view.write_text("from mlplat_assets.features.catalog.flights import _nycflights13\n"
                    + view.read_text().replace("_MAKERS)", "_nycflights13.MAKERS)"))  # fmt: skip
    neighbour = "mlplat_assets/features/catalog/flights/_nycflights13.py"
    assert changed(copy, neighbour, "import", "import") == set()
    assert changed(copy, neighbour, '"""', '"""Of files. ') == {"flights.aircraft"}


def test_a_definition_is_recorded_when_the_last_run_used_another(copy: Path) -> None:
    lake = lake_from(settings_of(copy / "home"))

    def compute(run_id: str) -> str:
        view = read_catalogue(copy / "mlplat_assets", copy / "dbt_project").views["flights.weather"]
        record_definition(lake, view, run_id)
        return view_digest(view)

    first = [compute("a"), compute("b")]
    sql = copy / f"{WEATHER}.sql"
    original = sql.read_text()
    sql.write_text(original.replace("150", "140"))
    second = compute("c")
    sql.write_text(original)
    third = compute("d")
    seen = definitions_seen(lake, "flights.weather")
    assert [digest for digest, _ in seen] == [first[0], second, third]
    assert first == [third, third]
    assert second != third
    assert definitions_seen(lake, "flights.aircraft") == []
