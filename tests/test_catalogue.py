"""A wrong declaration stops the load and says which file, which field, and what to do."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlplat_assets.catalogue import catalogue, read_catalogue
from mlplat_assets.discovery import PACKAGE, DeclarationError
from mlplat_assets.features.transform import DBT_PROJECT

MODEL = "mlplat_assets/models/catalog/flights/arrival_delay.py"
VIEW = "dbt_project/models/features/flights/ftr_flights__weather.yml"
SOURCE = "mlplat_assets/features/catalog/flights/arrivals.py"
LOADED = "from mlplat_assets.definitions import defs; defs()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of every declaration of this repository."""
    package = tmp_path / "mlplat_assets"
    package.mkdir()
    shutil.copy(PACKAGE / "teams.toml", package)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", package / stage / "catalog")
    shutil.copytree(DBT_PROJECT / "models", tmp_path / "dbt_project" / "models")
    return tmp_path


def load(copy: Path) -> None:
    read_catalogue(copy / "mlplat_assets", copy / "dbt_project")


def test_the_copy_loads_as_it_stands(copy: Path) -> None:
    load(copy)


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "remedy"),
    [
        pytest.param(
            MODEL, '"flights.weather",', '"flights.wether",', "features",
            "'flights.wether' is not declared. Did you mean 'flights.weather'?", id="unknown view",
        ),
        pytest.param(
            MODEL, '"flights.weather",', '"flights.weather:tmp",', "features",
            "'flights.weather:tmp' is not declared. Did you mean 'flights.weather:temp'?",
            id="unknown feature",
        ),
        pytest.param(
            MODEL, "arrival_delay:is_late", "arrival_delay:is_lat", "label",
            "Did you mean 'flights.arrival_delay:is_late'?", id="unknown label column",
        ),
        pytest.param(
            MODEL, 'Gate(metric="ece", floor=0.12)', 'Gate(metric="rmse", floor=0.12)', "gates",
            "metric 'rmse' does not exist for a binary model. Use one of auc",
            id="metric of no such task",
        ),
        pytest.param(
            MODEL, 'task="binary"', 'task="ranking"', "task", "Use one of binary, regression.",
            id="unknown task",
        ),
        pytest.param(
            "mlplat_assets/models/catalog/flights/departure_delay.py",
            '"0 3 * * 1"', '"0 3 * * Mondays"', "retrain.cron",
            "Write five fields, for example '0 3 * * 1'.", id="bad cron",
        ),
        pytest.param(
            MODEL, 'name="weekday"', 'name="week_day"', "context",
            "Add it to the label table", id="context that training never sees",
        ),
        pytest.param(
            MODEL, "entity_features=", "entity_feature=", "module",
            "unexpected keyword argument 'entity_feature'", id="misspelt field",
        ),
        pytest.param(
            MODEL, "MODEL = ", "MODLE = ", "module", "Assign exactly one of them.",
            id="nothing declared",
        ),
        pytest.param(
            VIEW, "ttl: 6 hours", "ttl: 6h", "ttl", "Write it like '6 hours' or '7 days'.",
            id="bad duration",
        ),
        pytest.param(
            VIEW, "landing_delay:", "landing_dealy:", "meta.feature_view",
            "unknown field 'landing_dealy'. Remove it or correct its name.", id="misspelt meta",
        ),
        pytest.param(
            VIEW, "entities: [origin]", "entities: [orgin]", "config.meta",
            "Describe it or correct the name.", id="unknown entity column",
        ),
        pytest.param(
            VIEW, "temp, data_type: double", "temp, data_type: number", "columns.temp.data_type",
            "'number' is not one of double", id="unknown type",
        ),
        pytest.param(
            "mlplat_assets/features/catalog/flights/aircraft.py",
            'inputs=("raw.flights.planes",)', 'inputs=("raw.flights.plane",)', "inputs",
            "Write raw.team.name or features.team.name of a declared table.", id="unknown input",
        ),
        pytest.param(
            "mlplat_assets/teams.toml", "owner = ", "# owner = ", "[flights] owner",
            "is missing. Add it.", id="team without owner",
        ),
    ],
)  # fmt: skip
def test_a_wrong_declaration_names_file_field_and_remedy(
    copy: Path, file: str, old: str, new: str, field: str, remedy: str
) -> None:
    path = copy / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DeclarationError) as refused:
        load(copy)
    message = str(refused.value)
    assert message.startswith(str(path)), message
    assert field in message.removeprefix(str(path)), message
    assert remedy in message, message
    assert "\n" not in message


@pytest.mark.parametrize("file", [MODEL, SOURCE, VIEW])
def test_a_folder_that_is_no_team_stops_the_load(copy: Path, file: str) -> None:
    strangers = (copy / file).parent.parent / "strangers"
    strangers.mkdir()
    moved = strangers / Path(file).name
    shutil.copy(copy / file, moved)
    with pytest.raises(DeclarationError, match=re.escape(str(moved))) as refused:
        load(copy)
    assert "'strangers' is not in teams.toml" in str(refused.value)
    assert "Add the team there or move the file." in str(refused.value)


def test_a_name_declared_in_python_and_in_dbt_stops_the_load(copy: Path) -> None:
    views = copy / "mlplat_assets" / "features" / "catalog" / "flights"
    shutil.copy(views / "aircraft.py", views / "carrier_recent.py")
    with pytest.raises(DeclarationError) as refused:
        load(copy)
    message = str(refused.value)
    assert "'flights.carrier_recent' is declared by" in message
    assert "ftr_flights__carrier_recent.yml" in message
    assert str(views / "carrier_recent.py") in message
    assert "Rename one of the files." in message


def test_everything_declared_has_an_owner_and_a_description() -> None:
    declared = catalogue()
    groups = (declared.sources, declared.views, declared.labels, declared.models)
    assert all(len(group) >= 2 for group in groups)
    for one in (one for group in groups for one in group.values()):
        assert "@" in declared.owner(one), one.file
    for table in (*declared.sources.values(), *declared.views.values(), *declared.labels.values()):
        assert table.spec.description.endswith("."), table.file


def test_every_feature_label_and_context_field_is_described() -> None:
    declared = catalogue()
    fields = {
        **{v.file: (*v.spec.entities, *v.spec.features) for v in declared.views.values()},
        **{label.file: label.spec.columns for label in declared.labels.values()},
        **{model.file: model.spec.context for model in declared.models.values()},
    }
    for file, of_file in fields.items():
        assert [field.name for field in of_file if not field.description] == [], file


def test_the_code_location_loads_in_a_fresh_process() -> None:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", LOADED], check=True, cwd=PACKAGE.parent)
    print(f"the code location loads in {time.monotonic() - started:.1f} s")  # noqa: T201
