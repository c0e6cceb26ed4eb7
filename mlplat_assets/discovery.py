"""From files to declarations: the path of a file is the identity of what it declares.

`<stage>/catalog/<team>/<name>.py` holds one of `SOURCE`, `VIEW`, `ON_DEMAND`, `SERVICE`, `MODEL`
and `EXPERIMENT`; dbt models declare themselves in the `.yml` beside their `.sql` (see
`mlplat_assets.dbt_declarations`). A broken file stops the load and is named: a model that silently
vanished would be worse.
"""

import ast
import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.spec import FeatureService, FeatureView, Label, OnDemandView, Source

T = TypeVar("T")

PACKAGE = Path(__file__).parent
_ATTRIBUTES = {
    "SOURCE": Source,
    "VIEW": FeatureView,
    "ON_DEMAND": OnDemandView,
    "SERVICE": FeatureService,
    "MODEL": ModelSpec,
    "EXPERIMENT": Experiment,
}


class DeclarationError(ValueError):
    """A declaration is wrong. Names the file, the field and the remedy."""

    def __init__(self, file: Path | str, where: str, problem: str, remedy: str) -> None:
        """Compose the one-line message."""
        super().__init__(f"{file}: {where}: {problem}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Team:
    """An owner of declarations, and the calendar of its daily partitions (UTC days)."""

    name: str
    owner: str
    first_day: date
    end_day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Declared(Generic[T]):
    """A declaration with the identity that its path gave it."""

    team: str
    name: str
    file: Path
    spec: T
    dbt_model: str | None = None

    @property
    def full_name(self) -> str:
        """`team.name`, the way people and references name it."""
        return f"{self.team}.{self.name}"

    @property
    def docstring(self) -> str:
        """What a declaration in Python says of itself; empty where it says nothing."""
        return ast.get_docstring(ast.parse(self.file.read_text())) or ""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything that teams declared, by full name (`team.name`)."""

    teams: dict[str, Team]
    sources: dict[str, Declared[Source]] = field(default_factory=dict)
    views: dict[str, Declared[FeatureView]] = field(default_factory=dict)
    on_demand: dict[str, Declared[OnDemandView]] = field(default_factory=dict)
    services: dict[str, Declared[FeatureService]] = field(default_factory=dict)
    labels: dict[str, Declared[Label]] = field(default_factory=dict)
    models: dict[str, Declared[ModelSpec]] = field(default_factory=dict)
    experiments: dict[str, Declared[Experiment]] = field(default_factory=dict)

    def owner(self, declared: Declared) -> str:
        """The owner that the declaration names, else its team's."""
        return declared.spec.owner or self.teams[declared.team].owner


def read_teams(file: Path) -> dict[str, Team]:
    """The teams file.

    Raises:
        DeclarationError: The file is missing, or a team lacks a field.
    """
    if not file.exists():
        raise DeclarationError(
            file, "teams", "the file does not exist", "Create it with one table per team."
        )
    teams = {}
    for name, entry in tomllib.loads(file.read_text()).items():
        for required in ("owner", "first_day"):
            if required not in entry:
                raise DeclarationError(file, f"[{name}] {required}", "is missing", "Add it.")
        unknown = set(entry) - {"owner", "first_day", "end_day"}
        if unknown:
            raise DeclarationError(
                file, f"[{name}]", f"unknown field {sorted(unknown)[0]!r}", "Remove it."
            )
        teams[name] = Team(name=name, **entry)
    return teams


def python_declarations(folder: Path, teams: dict[str, Team]) -> Iterator[Declared]:
    """The declarations of one `catalog/` folder, in path order.

    Raises:
        DeclarationError: A file cannot be imported, declares nothing, or lies in a folder that is
            no team's.
    """
    for file in sorted(folder.glob("*/*.py")):
        if file.name.startswith("_"):
            continue
        team = file.parent.name
        if team not in teams:
            known = ", ".join(sorted(teams))
            raise DeclarationError(
                file,
                "team",
                f"{team!r} is not in teams.toml (known: {known})",
                "Add the team there or move the file.",
            )
        module = _import(file)
        found = [(name, kind) for name, kind in _ATTRIBUTES.items() if hasattr(module, name)]
        if len(found) != 1:
            raise DeclarationError(
                file,
                "module",
                f"declares {len(found)} of {', '.join(_ATTRIBUTES)}",
                "Assign exactly one of them.",
            )
        attribute, kind = found[0]
        spec = getattr(module, attribute)
        if not isinstance(spec, kind):
            raise DeclarationError(
                file, attribute, f"is a {type(spec).__name__}", f"Make it a {kind.__name__}."
            )
        yield Declared(team=team, name=file.stem, file=file, spec=spec)


def _import(file: Path) -> ModuleType:
    """Import a catalogue file under its package name, or by path when it lies elsewhere."""
    try:
        relative = file.relative_to(PACKAGE.parent)
    except ValueError:
        name = f"catalogue_{abs(hash(file))}"
    else:
        name = ".".join(relative.with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # a .py path always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, TypeError, NameError, AttributeError, ValueError) as error:
        raise DeclarationError(
            file, "module", f"{type(error).__name__}: {error}", "Correct the file."
        ) from error
    return module
