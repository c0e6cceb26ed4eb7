"""Rules about the source as text: who imports whom, how long a file is, what is declared.

Over the syntax tree, so nothing is imported and a rule holds for code no test runs.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("mlplat_assets", "resources", "bentos")
MODULE_LINES = 250
CATALOGUE_LINES = 40

PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
# Seconds to import: a run process that needs none of them must not pay for them.
HEAVY = {"torch", "pytorch_lightning", "evidently", "mlflow", "sklearn", "matplotlib", "ray"}
TRAINERS = "mlplat_assets.models.trainers"
# What runs a model on a GPU; nothing imports it where there is none.
ON_GPU = {f"bentos.model_server.runtime.{m}" for m in ("buckets", "gpu", "operators", "translated")}

# (who, must not import what, except in). A name covers everything below it.
FORBIDDEN = [
    ("resources", {"mlplat_assets", "bentos"}, set()),
    # A serving image holds no Dagster; neither does a gateway.
    (
        "resources",
        {"dagster", "dagster_dbt", "dagster_aws", "dagster_postgres"},
        {"resources.dagster_bindings", "resources.event_log"},
    ),
    ("bentos", {"dagster", "dagster_dbt", "mlplat_assets"}, set()),
    ("bentos", {"pytorch_lightning", "polars", "pandas", "duckdb"}, set()),
    ("bentos", {"torch", "onnx"}, {*ON_GPU, "bentos.model_server.runtime.choice"}),
    # What models and monitoring both measure by knows neither.
    (
        "mlplat_assets.statistics",
        {"mlplat_assets.assessment", "mlplat_assets.features", "polars", "resources", "bentos"},
        set(),
    ),
    *(
        (room, {"mlplat_assets.models", "mlplat_assets.monitoring", "dagster"}, set())
        for room in ("mlplat_assets.statistics", "mlplat_assets.assessment")
    ),
    # Monitoring reads what models write by asset key.
    ("mlplat_assets.monitoring", {"mlplat_assets.models"}, set()),
    ("mlplat_assets.rollouts", {"mlplat_assets.models"}, set()),
    ("mlplat_assets.monitoring", {"mlplat_assets.rollouts"}, set()),
    ("mlplat_assets.features", {"mlplat_assets.models", "mlplat_assets.monitoring"}, set()),
    # They judge what the others wrote, so none of those knows of them.
    *(
        (f"mlplat_assets.{who}", {"mlplat_assets.retraining", "mlplat_assets.approvals"}, set())
        for who in ("features", "models", "monitoring", "scoring", "assessment", "statistics")
    ),
    ("mlplat_assets.approvals", {"mlplat_assets.models", "mlplat_assets.monitoring"}, set()),
    # Alerts read what monitoring writes from the lake and from checks, by name.
    ("mlplat_assets.alerts", {"mlplat_assets.models", "mlplat_assets.monitoring"}, set()),
    # The console shows what there is; nothing that makes it knows of pages.
    ("mlplat_assets.console", {"mlplat_assets.models", "dagster"}, set()),
    *(
        (f"mlplat_assets.{room}", {"mlplat_assets.console"}, set())
        for room in ("features", "models", "monitoring", "scoring", "demo")
    ),
    # A version's card carries the profile that its live traffic is compared with.
    ("mlplat_assets.models", {"mlplat_assets.monitoring"}, {"mlplat_assets.models.reference"}),
    (
        "mlplat_assets.spec",
        {"mlplat_assets", "resources", "bentos", "dagster", "polars", "pandas", "numpy"},
        set(),
    ),
    (
        "mlplat_assets.model_spec",
        {"mlplat_assets.models", "resources", "bentos", "dagster", "polars", "pandas", "numpy"},
        set(),
    ),
    ("mlplat_assets.discovery", {"dagster", "polars", "pandas", "numpy", "duckdb"}, set()),
    ("mlplat_assets.keys", {"polars", "pandas", "numpy", "duckdb"}, set()),
    ("mlplat_assets.statistics", {"dagster", "polars", "pandas", "duckdb", "resources"}, set()),
    # Experiments are read from the journal, and know nothing of how a version was made.
    ("mlplat_assets.experiments", {"mlplat_assets.models"}, set()),
    *((package, {"tests"}, set()) for package in OURS),
]


# What a declaration may import.
DECLARING = {
    "mlplat_assets.spec",
    "mlplat_assets.model_spec",
    "mlplat_assets.search_spec",
    "mlplat_assets.serving_spec",
    "mlplat_assets.monitoring_spec",
    "mlplat_assets.retrain_spec",
    "mlplat_assets.rollout_spec",
    "mlplat_assets.experiment_spec",
}


@dataclass(frozen=True)
class Import:
    """One imported name, and whether importing the file is enough to import it."""

    line: int
    name: str
    at_module_level: bool


@dataclass(frozen=True)
class Module:
    """A source file, its dotted name and what it imports."""

    path: Path
    name: str
    lines: int
    imports: tuple[Import, ...]

    def at(self, found: Import) -> str:
        return f"{self.name}, line {found.line}: {found.name}"


def read(path: Path, root: Path = ROOT) -> Module:
    text = path.read_text()
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    imports = tuple(imported(ast.parse(text, str(path))))
    return Module(path=path, name=name, lines=len(text.splitlines()), imports=imports)


def imported(node: ast.AST, at_module_level: bool = True) -> Iterator[Import]:
    """The absolute names below a node. `from a import b` counts as a.b: b may be a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, at_module_level)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(child.lineno, f"{child.module}.{alias.name}", at_module_level)
        elif not is_for_type_checkers(child):
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imported(child, at_module_level and not inside)


def is_for_type_checkers(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def is_below(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


MODULES = [read(path) for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = [read(path) for path in sorted((ROOT / "tests").rglob("*.py"))]


def violations(module: Module) -> list[str]:
    return [
        module.at(found)
        for who, what, except_in in FORBIDDEN
        if is_below(module.name, {who}) and module.name not in except_in
        for found in module.imports
        if is_below(found.name, what)
    ]


def is_declaration(module: Module) -> bool:
    return ".catalog." in module.name


def test_imports_run_in_one_direction() -> None:
    assert [found for module in MODULES for found in violations(module)] == []


@pytest.mark.parametrize("package", OURS)
def test_every_package_is_looked_at(package: str) -> None:
    assert any(module.name.startswith(f"{package}.") and module.imports for module in MODULES)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("resources/lake.py", "import bentos.model_server"),
        ("resources/lake.py", "from dagster import asset"),
        ("bentos/model_server/a.py", "def f():\n    import mlplat_assets.spec"),
        ("mlplat_assets/monitoring/a.py", "from mlplat_assets import models"),
        ("mlplat_assets/spec.py", "try:\n    import numpy as np\nfinally:\n    pass"),
    ],
)
def test_an_import_against_the_direction_is_seen(name: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert len(violations(read(path, tmp_path))) == 1


def test_a_declaration_imports_the_spec_and_its_neighbours_only() -> None:
    """Reading a thousand of them must cost nothing, so libraries wait until a source is read."""
    wrong = [
        module.at(found)
        for module in MODULES
        if is_declaration(module)
        for found in module.imports
        if found.at_module_level
        and not is_below(found.name, {*DECLARING, module.name.rpartition(".")[0]})
        and found.name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_a_source_file_fits_in_one_reading() -> None:
    long = {str(m.path.relative_to(ROOT)): m.lines for m in MODULES if m.lines > MODULE_LINES}
    assert long == {}, f"over {MODULE_LINES} lines: split by noun"


def test_a_model_is_one_short_file() -> None:
    models = [m for m in MODULES if m.name.startswith("mlplat_assets.models.catalog.")]
    assert models
    assert {m.name: m.lines for m in models if m.lines > CATALOGUE_LINES} == {}


def test_nothing_reads_or_writes_pickles() -> None:
    found = [m.at(i) for m in MODULES + TESTS for i in m.imports if is_below(i.name, PICKLES)]
    assert found == []


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    found = [
        module.at(i)
        for module in MODULES
        if not is_below(module.name, {TRAINERS, *ON_GPU})
        for i in module.imports
        if i.at_module_level and is_below(i.name, HEAVY)
    ]
    assert found == []


def declared(extra: bool = False) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["ray"], *(extras["dev"] if extra else [])]
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("are_tests", [False, True], ids=["code", "tests"])
def test_every_library_imported_is_declared(are_tests: bool) -> None:
    """A library that only comes along with another one leaves with it."""
    providers = packages_distributions()
    known = {*sys.stdlib_module_names, *OURS, "tests", *({"bench"} if are_tests else ())}
    # botocore is boto3's other half: one project, released together.
    known |= {"botocore"}
    missing = [
        module.at(found)
        for module in (TESTS if are_tests else MODULES)
        for found in module.imports
        if (top := found.name.split(".")[0]) not in known
        and not {normal(name) for name in providers.get(top, ())} & declared(extra=are_tests)
    ]
    assert missing == []


def test_the_lock_names_every_dependency_and_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    locked = [line for line in lines if not line.startswith("#")]
    assert [line for line in locked if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.!]*", line)] == []
    # mlplat itself: one extra takes another one in.
    assert declared(extra=True) - {line.split("==")[0] for line in locked} == {"mlplat"}
