"""A wrong on-demand view, or a model that cannot feed it, stops the load and says what to do."""

import shutil
from pathlib import Path

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.discovery import PACKAGE, Catalogue, DeclarationError
from mlplat_assets.features.transform import DBT_PROJECT
from mlplat_assets.models.inputs import model_inputs, serving_schema
from mlplat_assets.references import expand, stored_features

VIEW = "features/catalog/flights/schedule_pressure.py"
MODEL = "models/catalog/flights/arrival_delay.py"
BOTH = ('        "flights.aircraft",\n', '        "flights.aircraft",\n        "{}",\n')


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the declarations in Python."""
    shutil.copy(PACKAGE / "teams.toml", tmp_path)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", tmp_path / stage / "catalog")
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def name_in_model(package: Path, reference: str = "flights.schedule_pressure") -> None:
    edit(package / MODEL, BOTH[0], BOTH[1].format(reference))


def load(package: Path) -> Catalogue:
    return read_catalogue(package, DBT_PROJECT)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("origin_recent:departures_3h", "origin_recent:departure_3h", "inputs",
         "Did you mean 'flights.origin_recent:departures_3h'? Write team.view:feature."),
        ("origin_recent:departures_3h", "origin_recnt:departures_3h", "inputs",
         "Did you mean 'flights.origin_recent:departures_3h'?"),
        ('"flights.origin_recent:departures_3h"', '"flights.origin_recent"', "inputs",
         "Write team.view:feature."),
        ('"flights.origin_recent:departures_3h"', '"flights.schedule_pressure:traffic"', "inputs",
         "'flights.schedule_pressure:traffic' is not declared"),
        ('origin_recent:departure_delay_mean_3h"', 'origin_recent:departure_delay_mean_1h"',
         "inputs", "'origin_recent__departure_delay_mean_1h' is there twice"),
        ('name="slack_minutes"', 'name="traffic"', "features.traffic.name",
         "'traffic' is declared twice"),
        ('name="slack_minutes", dtype="int"', 'name="slack_minutes", dtype="timestamp"',
         "features", "'slack_minutes' is timestamp. It can be float, float32, int, string, bool"),
        ('name="distance", dtype="int"', 'name="distance", dtype="timestamp"', "request",
         "It can be float, int, bool, string here."),
        ('name="distance", dtype="int"', 'name="event_timestamp", dtype="int"', "request",
         "'event_timestamp' is int. It can be timestamp here."),
        ("compute=compute", "compute=None", "compute", "Give the view a function."),
        ("import numpy as np\n\n    min", "import polars as np\n\n    min", "line 14",
         "imports polars, which the service does not have. Import NumPy"),
        ("from mlplat_assets.spec", "from mlplat_assets.features.catalog.flights import planes\n"
         "from mlplat_assets.spec", "line 6", "imports mlplat_assets.features.catalog.flights"),
    ],
)  # fmt: skip
def test_a_wrong_view_is_named_with_its_remedy(
    package: Path, old: str, new: str, where: str, message: str
) -> None:
    edit(package / VIEW, old, new)
    with pytest.raises(DeclarationError) as refused:
        load(package)
    assert str(refused.value).startswith(f"{package / VIEW}: {where}")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="distance", dtype="int"', 'name="distance", dtype="float"',
         "'distance' is float, but flights.schedule_pressure takes it as int. Declare one type"),
        ("flights.schedule_pressure", "flights.schedule_pressure:trafic",
         "Did you mean 'flights.schedule_pressure:traffic'?"),
        ("flights.schedule_pressure", "flights.schedule_presure",
         "Did you mean 'flights.schedule_pressure'?"),
        ('"flights.schedule_pressure"', '"flights.schedule_pressure:traffic", "flights.aircraft"',
         "two inputs are named"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_feed_a_view_is_named(
    package: Path, old: str, new: str, message: str
) -> None:
    name_in_model(package)
    edit(package / MODEL, old, new)
    with pytest.raises(DeclarationError) as refused:
        load(package)
    assert str(refused.value).startswith(str(package / MODEL))
    assert message in str(refused.value)


def test_a_field_that_the_request_lacks_is_named(package: Path) -> None:
    name_in_model(package)
    edit(package / VIEW, 'Field(name="local_hour", dtype="int"', 'Field(name="gate", dtype="int"')
    with pytest.raises(DeclarationError, match="Add Field\\(name='gate', dtype='int'"):
        load(package)


def test_an_entity_and_the_decision_time_can_be_taken_from_the_request(package: Path) -> None:
    edit(
        package / VIEW,
        "    request=(\n",
        '    request=(\n        Field(name="dest", dtype="string"),\n'
        '        Field(name="event_timestamp", dtype="timestamp"),\n',
    )
    edit(package / MODEL, '"carrier", "origin", "dest"', '"carrier", "origin"')
    edit(package / MODEL, '        "flights.route_recent",\n', "")
    name_in_model(package)
    declared = load(package)
    inputs = model_inputs(declared.models["flights.arrival_delay"], declared)
    assert "dest" in [entity.name for entity in inputs.entities]
    assert "dest" not in inputs.categorical


def test_inputs_of_a_view_are_read_but_are_no_columns_of_the_model(package: Path) -> None:
    edit(package / MODEL, '        "flights.origin_recent",\n', "")
    name_in_model(package, "flights.schedule_pressure:traffic")
    declared = load(package)
    model = declared.models["flights.arrival_delay"]
    inputs = model_inputs(model, declared)
    assert "schedule_pressure__traffic" in inputs.categorical
    assert not any(name.startswith("origin_recent") for name in inputs.numeric)
    schema = serving_schema(model, inputs)
    views = {view["name"]: view["features"] for view in schema["views"]}  # type: ignore[union-attr]
    assert views["flights.origin_recent"] == [
        "departures_3h", "departure_delay_mean_1h", "departure_delay_mean_3h",
    ]  # fmt: skip
    assert "traffic" not in str(schema["features"])


def test_a_service_may_list_a_view_and_what_is_read_is_read_once(package: Path) -> None:
    (package / "features" / "catalog" / "flights" / "pressure_v1.py").write_text(
        "from mlplat_assets.spec import FeatureService\n"
        'SERVICE = FeatureService(features=("flights.schedule_pressure:traffic", '
        '"flights.origin_recent:departures_3h"), description="For people.")\n'
    )
    found = list(expand(["flights.pressure_v1"], load(package)))
    assert [f.column for f in found] == [
        "schedule_pressure__traffic",
        "origin_recent__departures_3h",
    ]
    assert len(stored_features(found)) == 3


def test_two_views_of_one_name_cannot_both_be_read(package: Path) -> None:
    """`other.origin_recent__departures_3h` would hide the column that the function takes."""
    teams = package / "teams.toml"
    teams.write_text(
        teams.read_text() + '\n[other]\nowner = "o@example.com"\nfirst_day = 2013-01-01\n'
    )
    twin = package / "features" / "catalog" / "other" / "origin_recent.py"
    twin.parent.mkdir()
    twin.write_text(
        "from mlplat_assets.spec import FeatureView, Field\n"
        'VIEW = FeatureView(entities=(Field(name="origin", dtype="string"),), description="Twin.",'
        'features=(Field(name="departures_3h", dtype="int"),), compute=print)\n'
    )
    name_in_model(package, "other.origin_recent")
    edit(
        package / MODEL,
        '        "flights.origin_recent",\n',
        '        "flights.schedule_pressure",\n',
    )
    with pytest.raises(DeclarationError) as refused:
        load(package)
    assert "'origin_recent__departures_3h' is a column of flights.origin_recent and of" in str(
        refused.value
    )
