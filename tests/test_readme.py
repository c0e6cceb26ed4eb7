"""The documentation is true: its blocks run, and what it names exists.

A block is marked by the comment above it: `file: PATH` is written into a copy of the repository,
`run` is run there in order on a small home, `run: service` against a real service whose answer the
`answer` after it shows. Other commands are too long for a test and must exist.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import get_args

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from mlplat_assets.catalogue import catalogue, read_catalogue
from mlplat_assets.cli import app
from mlplat_assets.definitions import CHAIN
from mlplat_assets.keys import Stage
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import model_inputs, serving_schema
from resources.artifacts import artifact_store
from resources.digests import digest
from resources.registry.records import Action
from resources.settings import REPOSITORY, from_environment
from tests import small_home
from tests.bentos.artefacts import card, write_artefact
from tests.bentos.servers import Server, serving
from tests.small_home import APPROVER, AUTHOR, MODEL, open_registry, settings_at

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
DOCUMENTS = [*PAGES, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "CHANGELOG.md"]
PACKAGES = ("mlplat_assets", "resources", "bentos", "dbt_project")
CATALOGUE_LINES = 40
SHELL = ("bash", "-euo", "pipefail", "-c")

# Files that a page tells of and that are made elsewhere.
GENERATED = ("dagster.yaml", "requirements.txt", "kustomization.yaml")
_BLOCK = re.compile(r"(?:<!-- ([^\n]+?) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"^(?:(?:mlplat_assets|resources|bentos|dbt_project|docs|tests|\.ci)/[\w./-]+"
                   r"|[\w-]+\.(?:toml|yaml|txt|md)|Makefile)$")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block, and the comment that marks it."""

    mark: str
    language: str
    text: str


def blocks(page: Path = README) -> list[Block]:
    found = _BLOCK.findall(page.read_text())
    return [Block(mark=mark, language=language, text=text) for mark, language, text in found]


def marked(mark: str) -> list[Block]:
    return [block for block in blocks() if block.mark == mark]


def files() -> dict[str, str]:
    """The files that the README has its reader write."""
    return {
        block.mark.removeprefix("file: "): block.text
        for block in blocks()
        if block.mark.startswith("file: ")
    }


def code(page: Path) -> list[str]:
    """Every code span of a page, and every line of its shell blocks."""
    text = page.read_text()
    shell = [b.text.replace("\\\n", " ") for b in blocks(page) if b.language == "bash"]
    indented = re.findall(r"^ {4}(.+)$", _BLOCK.sub("", text), re.MULTILINE)
    spans = _SPAN.findall(_BLOCK.sub("", text))
    return [
        line.split("  #")[0].strip() for line in (*spans, *"\n".join(shell).split("\n"), *indented)
    ]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the README's files written into it."""
    copy = tmp_path_factory.mktemp("repository")
    for package in PACKAGES:
        copytree(
            REPOSITORY / package,
            copy / package,
            ignore=ignore_patterns("__pycache__", "target", "logs"),
        )
    for name, text in files().items():
        assert not (copy / name).exists(), f"{name} is there already; the README adds it"
        (copy / name).write_text(text)
    return copy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A champion, a second version in staging, and the prediction that the README explains."""
    home = tmp_path / "home"
    first = small_home.crown(home, "first")
    small_home.register(home, "second")
    small_home.write_weather(home, temp=21.02)
    small_home.write_prediction(home, first, prediction_id=explained())
    small_home.take_in(home)
    return home


def explained() -> str:
    """The id of the prediction that the README explains."""
    (found,) = re.findall(r"^mlplat explain ([0-9a-f]{32})$", README.read_text(), re.MULTILINE)
    return found


def ran(
    command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command that must succeed, with what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr[-4000:]}"
    return done


def environment(repository: Path, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        **settings_at(home).environment(),
        "DAGSTER_HOME": str(repository / "resources" / "instance"),
        "PYTHONPATH": str(repository),
        "COLUMNS": "160",
    }


def test_the_readme_s_files_are_declarations_of_the_catalogue(repository: Path) -> None:
    declared = read_catalogue(repository / "mlplat_assets", repository / "dbt_project")
    before = catalogue()
    views, models = declared.views.keys() - before.views, declared.models.keys() - before.models
    assert views == {"flights.destination_day", "flights.weather_trend"}
    assert models == {"flights.arrival_minutes"}
    assert declared.views["flights.destination_day"].dbt_model
    assert declared.views["flights.weather_trend"].spec.compute
    for name in models:
        assert len(declared.models[name].file.read_text().splitlines()) <= CATALOGUE_LINES


def test_the_readme_s_features_are_computed_and_its_model_has_every_asset(
    repository: Path, tmp_path: Path
) -> None:
    """In a process of its own, since this one has the repository's declarations loaded."""
    program = """
import json
from datetime import date
from mlplat_assets.demo.graph import Graph
from mlplat_assets.demo.plan import Days
from mlplat_assets.definitions import defs
from mlplat_assets.keys import key
from resources.lake import lake_from
from resources.settings import from_environment

graph = Graph(defs())
raw = [key("raw", "flights", name) for name in ("weather", "arrivals")]
views = ("destination_day", "weather_trend")
made = [key("features", "flights", name) for name in views]
graph.materialise([*raw, *made], Days(first=date(2013, 1, 1), last=date(2013, 1, 3)))
lake = lake_from(from_environment())
rows = {view: lake.read(f"select * from features.flights__{view}").num_rows for view in views}
nodes = defs().resolve_asset_graph()
model = ["flights", "arrival_minutes"]
stages = [k.path[0] for k in nodes.get_all_asset_keys() if k.path[1:] == model]
checks = [c.name for c in nodes.asset_check_keys if c.asset_key.path[-1] == "arrival_minutes"]
print(json.dumps({"rows": rows, "stages": stages, "checks": checks}))
"""
    variables = environment(repository, tmp_path / "home")
    (tmp_path / "home" / "dagster").mkdir(parents=True)
    where = ["--project-dir", "dbt_project", "--profiles-dir", "dbt_project"]
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "parse", *where]
    subprocess.run(dbt, cwd=repository, env=variables, check=True)
    shown = ran([sys.executable, "-c", program], repository, variables)
    found = json.loads(shown.stdout.splitlines()[-1])
    assert found["rows"]["destination_day"] > 150
    assert found["rows"]["weather_trend"] > 150
    # The governor and the alerts look at the others, and are made after them.
    assert set(found["stages"]) >= {"alerts", "retrainings"}
    assert len(found["stages"]) == len(CHAIN) + 2
    assert {"does_not_leak", "beats_champion", "serves_the_champion", "within_tolerance"} <= set(
        found["checks"]
    )


def test_the_readme_s_commands_run_in_order(repository: Path, home: Path, tmp_path: Path) -> None:
    mlplat = tmp_path / "bin" / "mlplat"
    mlplat.parent.mkdir()
    mlplat.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlplat_assets.cli "$@"\n')
    mlplat.chmod(0o755)
    variables = environment(repository, home)
    variables["PATH"] = f"{mlplat.parent}:{variables['PATH']}"
    told = []
    for block in marked("run"):
        done = ran([*SHELL, block.text], repository, variables)
        told.append(" ".join(done.stdout.split()))
    features, models, decided, explanation = told
    assert "keyed by dest (string)" in features
    assert "pressure_change_3h float Millibars flights.arrival_minutes" in features
    assert "flights.arrival_minutes" in models
    assert "rolled back to version 1 carol errors at night" in decided
    assert "entries verified" in decided
    assert explained() in explanation
    assert APPROVER in explanation
    actions = [entry.action for entry in open_registry(home).audit(MODEL)]
    assert actions[-4:] == [Action.ARCHIVED, Action.PROMOTED, Action.ARCHIVED, Action.ROLLED_BACK]


def test_the_readme_s_program_gets_features_of_the_past_and_of_now(
    repository: Path, home: Path
) -> None:
    (program,) = marked("run: python")
    done = ran([sys.executable, "-c", program.text], repository, environment(repository, home))
    assert "weather__staleness" in done.stdout
    assert "21.02" in done.stdout, "what the small home's lake has of EWR, an hour later"
    assert "NOT_FOUND" in done.stdout, "nothing was brought online"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of a tiny model that asks for what the real `flights.arrival_delay` asks for."""
    home = tmp_path_factory.mktemp("served")
    model = catalogue().models[MODEL]
    schema = serving_schema(model, model_inputs(model, catalogue()))
    folder = write_artefact(home / "built", bias=0.0, document=card() | schema)
    tiny = {"numeric": ["distance", "weather__temp"], "categorical": {"carrier": [], "origin": []}}
    (folder / "preprocessing.json").write_text(json.dumps(tiny))
    artefact = artifact_store(str(home / "artifacts")).put_folder(folder)
    evidence = {"model": MODEL, "artifact_digest": artefact, "champion_version": None}
    evidence |= {"gates": [{"metric": "auc", "passed": True}], "passed": True}
    versions = open_registry(home)
    versions.register(
        MODEL,
        artifact_digest=artefact,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=(APPROVER,),
        author=AUTHOR,
        run_id="run",
    )
    versions.promote(MODEL, 1, actor="carol", approver=APPROVER, reason="first")
    with serving("bentos.model_server.service:ModelServer", home, MLPLAT_MODEL=MODEL) as server:
        yield server


def asked(server: Server, block: Block) -> dict[str, object]:
    command = block.text.replace("127.0.0.1:3000", f"127.0.0.1:{server.port}")
    assert command != block.text
    return json.loads(ran([*SHELL, command], REPOSITORY, os.environ).stdout)


def test_the_readme_s_requests_get_the_answers_it_shows(service: Server) -> None:
    good, bad = marked("run: service")
    shown, refused = (json.loads(block.text) for block in marked("answer"))
    answer = asked(service, good)
    statuses = answer.pop("feature_status")
    assert isinstance(statuses, dict)
    assert shown.pop("feature_status").keys() <= statuses.keys()
    assert f"its {len(statuses)} feature statuses" in README.read_text()
    assert answer.keys() == shown.keys()
    assert asked(service, bad) == refused


def test_the_picture_names_stages_of_the_graph() -> None:
    (picture,) = (block.text for block in blocks() if block.language == "mermaid")
    without_labels = re.sub(r"\|[^|]*\||\[[^\]]*\]", "", picture.split("\n", 1)[1])
    nodes = set(re.findall(r"\w+", without_labels))
    assert nodes <= set(get_args(Stage))
    assert {function.__name__ for function in CHAIN} <= nodes | {name.rstrip("s") for name in nodes}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for line in code(page) if (match := re.match(r"make ([a-z-]+)", line))}
    assert named <= targets


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    for line in code(page):
        if line.startswith("mlplat ") and not line.startswith("mlplat ..."):
            _require_command(line.split()[1:], line)


def _require_command(words: list[str], line: str) -> None:
    command = typer.main.get_command(app)
    while words and isinstance(command, TyperGroup) and not words[0].startswith("-"):
        name, *words = words
        assert name in command.commands, f"`{line}` is no command"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}, line


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_and_path_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for link in _LINK.findall(_BLOCK.sub("", text)):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        if _PATH.match(span) and "TEAM" not in span and span not in GENERATED:
            assert (REPOSITORY / span).exists() or span in files(), span


class Recorder(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: object = None) -> None:  # type: ignore[override]
        self.asked.add(key)


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    recorder = Recorder()
    settings = from_environment(recorder)
    text = README.read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", text, re.MULTILINE))
    assert rows.keys() == recorder.asked | {"MLPLAT_DAGSTER_STORAGE"}
    defaults: Mapping[str, str] = settings.environment()
    for name, default in rows.items():
        shown = default.strip("`").replace("$MLPLAT_HOME", str(settings.home))
        if shown.startswith(("sqlite:", "http", "/")):
            assert shown == defaults[name], name


def test_every_variable_of_the_dagster_instances_is_documented() -> None:
    told = "".join(page.read_text() for page in PAGES)
    for file in (REPOSITORY / "resources" / "instance").rglob("dagster.yaml"):
        for name in re.findall(r"env: (\w+)", yaml.safe_dump(yaml.safe_load(file.read_text()))):
            assert f"`{name}`" in told, name


def test_every_variable_that_a_page_names_is_read_somewhere() -> None:
    sources = [REPOSITORY / "Makefile", REPOSITORY / ".ci" / "run"]
    for package in (*PACKAGES, "tests"):
        sources += [
            p
            for p in (REPOSITORY / package).rglob("*")
            if p.suffix in (".py", ".yaml", ".yml", ".sql") and "target" not in p.parts
        ]
    read = "".join(p.read_text() for p in sources if p != Path(__file__))
    for page in DOCUMENTS:
        for name in re.findall(r"\bMLPLAT_[A-Z_]*[A-Z]\b", page.read_text()):
            assert name in read, f"{page.name} names {name}"


def test_every_field_of_a_model_is_documented() -> None:
    told = (REPOSITORY / "docs" / "add_a_model.md").read_text()
    spec = catalogue().models[MODEL].spec
    for name in asdict(spec):
        assert f"`{name}`" in told, f"{ModelSpec.__name__}.{name}"
