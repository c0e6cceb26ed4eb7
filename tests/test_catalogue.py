"""A wrong declaration stops the load and says which file, which field, and what to do."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from mlplat_assets.catalogue import catalogue, read_catalogue
from mlplat_assets.discovery import PACKAGE, DeclarationError
from mlplat_assets.sql_words import SQL_WORDS
from tests.declarations import copied_declarations

MODEL = "mlplat_assets/models/catalog/flights/arrival_delay.py"
VIEW = "dbt_project/models/features/flights/ftr_flights__weather.yml"
LIVE = "dbt_project/models/features/flights/ftr_flights__origin_live.yml"
AIRCRAFT = "mlplat_assets/features/catalog/flights/aircraft.py"
SOURCE = "mlplat_assets/features/catalog/flights/arrivals.py"
LOADED = "from mlplat_assets.definitions import defs; defs()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of every declaration of this repository."""
    return copied_declarations(tmp_path)


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
            MODEL, 'task="binary"', 'task="ranking"', "task", "Use one of binary, multiclass",
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
            AIRCRAFT, "minimum=1, maximum=1000", "minimum=1000, maximum=1",
            "features.seats.minimum", "1000 is above the maximum 1. Swap or correct them.",
            id="empty range",
        ),
        pytest.param(
            AIRCRAFT, 'name="jet", dtype="bool"', 'name="jet", minimum=0, dtype="bool"',
            "features.jet.minimum", "bool has no range.", id="range of flags",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats", dtype="int"', 'name="seats", max_null_rate=5, dtype="int"',
            "features.seats.max_null_rate", "5 is no share. Give a number from 0 to 1.",
            id="null rate in percent",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats", dtype="int"', 'name="seats", allowed=("1",), dtype="int"',
            "features.seats.allowed", "int has no list of values.", id="allowed numbers",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats", dtype="int"', 'name="seats", dtype="integer"',
            "features.seats.dtype", "'integer' is unknown. Use one of float,", id="no such type",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats"', 'name="maker"', "features.maker.name",
            "'maker' is declared twice. Rename one of them.", id="feature declared twice",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats"', 'name="partition_day"', "features.partition_day",
            "is a column of every view. Rename it.", id="reserved name",
        ),
        pytest.param(
            AIRCRAFT, "compute=compute,", "compute=compute, freshness=timedelta(0),",
            "freshness", "0:00:00 is no age that an event could have.", id="no freshness",
        ),
        pytest.param(
            AIRCRAFT, "compute=compute,", "compute=compute, ttl=timedelta(hours=-1),",
            "ttl", "is negative. Give a span or none.", id="negative ttl",
        ),
        pytest.param(
            AIRCRAFT, "compute=compute,", 'compute=compute, tags={"tier": 1},',
            "tags", "'tier': 1 is no text. Quote name and value.", id="tag that is a number",
        ),
        pytest.param(
            SOURCE, 'name="air_time",', 'name="air_time", max_null_rate=-1,',
            "columns.air_time.max_null_rate", "-1 is no share.", id="negative null rate",
        ),
        pytest.param(
            MODEL, "minimum=1, maximum=6000", "minimum=9000, maximum=6000",
            "context.distance.minimum", "9000 is above the maximum 6000.", id="empty context range",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats"', 'name="seats per row"', "features.seats per row.name",
            "'seats per row' is no name of a column. Use letters, digits", id="name with spaces",
        ),
        pytest.param(
            AIRCRAFT, 'name="seats"', 'name="Left"', "features.Left.name",
            "'Left' is a word of SQL. Rename it", id="word of SQL",
        ),
        pytest.param(
            MODEL, 'name="distance", dtype="int"', 'name="distance", dtype="float32"',
            "context.distance.dtype", "'float32' cannot be used here. Use one of float, int, bool",
            id="context of a type that no request carries",
        ),
        pytest.param(
            AIRCRAFT, 'name="tailnum", dtype="string"', 'name="tailnum", dtype="timestamp"',
            "entities.tailnum.dtype", "'timestamp' cannot be used here. Use one of string, int",
            id="time as a key",
        ),
        pytest.param(
            AIRCRAFT, '(Field(name="tailnum", dtype="string", description="Tail number of the '
            'aircraft"),)', "()",
            "online", "a view without entities has no key. Write online=False.",
            id="online without a key",
        ),
        pytest.param(
            LIVE, "ttl: 6 hours", "landing_delay: 1 hour", "landing_delay",
            "is 1:00:00, but a streamed row is served as soon as it is there. Leave one of",
            id="streamed with a landing delay",
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
    path.write_text(text.replace(old, new, 1).replace("import date\n", "import date, timedelta\n"))
    with pytest.raises(DeclarationError) as refused:
        load(copy)
    message = str(refused.value)
    assert message.startswith(str(path)), message
    assert field in message.removeprefix(str(path)), message
    assert remedy in message, message
    assert "\n" not in message


def test_a_feature_that_no_model_can_take_is_refused_not_dropped(copy: Path) -> None:
    view = copy / AIRCRAFT
    view.write_text(
        view.read_text().replace('name="jet", dtype="bool"', 'name="jet", dtype="bytes"')
    )
    with pytest.raises(DeclarationError, match="'aircraft__jet' is bytes, which is no input") as no:
        load(copy)
    assert str(no.value).startswith(str(copy / MODEL))


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


def test_the_words_that_name_no_column_are_those_that_the_lake_reserves() -> None:
    found = duckdb.sql(
        "select keyword_name from duckdb_keywords() "
        "where keyword_category in ('reserved', 'type_function')"
    )
    assert {word for (word,) in found.fetchall()} == SQL_WORDS


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
