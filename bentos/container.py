"""The recipe of an image and its deployment, written around a built Bento.

Any OCI builder makes the image from the folder: it holds all that goes in, but for the base
image and the packages that `requirements.txt` names exactly.
"""

import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bentos.model_server.artefact.baked import BakedArtifact, read_baked
from bentos.packaging import REQUIREMENTS
from resources.settings import REPOSITORY

TEMPLATES = REPOSITORY / "deploy"
# Of the files that BentoML writes beside the sources, what `bentoml serve` reads.
_BENTO = ("bento.yaml", "src", "apis")
# What BentoML asks for and what serving does not need is not guessed at: all of it is installed.
_ROOTS = ("bentoml", *REQUIREMENTS)


class FolderTaken(ValueError):
    """The folder holds something else."""


def write_recipe(bento: Path, folder: Path) -> BakedArtifact:
    """Write the recipe of a built Bento into a folder; one that was written there is replaced.

    Raises:
        FolderTaken: The folder is not empty and holds no recipe.
        LookupError: The Bento has no `bento.json`.
    """
    baked = read_baked(bento / "src")
    if baked is None:
        raise LookupError(f"{bento} is no Bento of mlplat: src/bento.json is missing")
    _clear(folder)
    for name in _BENTO:
        source, target = bento / name, folder / "bento" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in pinned(_ROOTS)))
    for source, target in _templates():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_text(_filled(source.read_text(), baked))
    return baked


def pinned(roots: Iterable[str]) -> list[str]:
    """`name==version` of these packages and of all that they require, as installed here.

    Raises:
        PackageNotFoundError: A root is not installed.
    """
    found: dict[str, str] = {}
    waiting = [(canonicalize_name(root), frozenset[str]()) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            if name in {canonicalize_name(root) for root in roots}:
                raise
            continue  # not for this platform, though its marker does not say so
        # Without a local label (`+cpu`): no index but the one it came from has it.
        found[name] = installed.version.split("+")[0]
        waiting += _required(installed.requires or (), extras)
    return [f"{name}=={found[name]}" for name in sorted(found)]


def deployment_name(model: str) -> str:
    """The name of a model's objects in Kubernetes: `flights-arrival-delay`."""
    return model.replace(".", "-").replace("_", "-")


def _required(lines: Iterable[str], extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    required = []
    for line in lines:
        asked = Requirement(line)
        contexts = [{"extra": extra} for extra in ("", *extras)]
        if asked.marker is None or any(asked.marker.evaluate(context) for context in contexts):
            required.append((canonicalize_name(asked.name), frozenset(asked.extras)))
    return required


def _templates() -> list[tuple[Path, str]]:
    container = TEMPLATES / "container"
    manifests = sorted((TEMPLATES / "kubernetes").glob("*.yaml"))
    return [
        (container / "Dockerfile", "Dockerfile"),
        (container / "README.md", "README.md"),
        (container / "dockerignore", ".dockerignore"),
        *((manifest, f"kubernetes/{manifest.name}") for manifest in manifests),
    ]


def _filled(text: str, baked: BakedArtifact) -> str:
    values = {
        "@MODEL@": baked.model,
        "@VERSION@": str(baked.version),
        "@TAG@": baked.tag,
        "@NAME@": deployment_name(baked.model),
        "@REPOSITORY@": baked.tag.partition(":")[0],
        "@PYTHON@": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not ((folder / "Dockerfile").is_file() and (folder / "bento" / "bento.yaml").is_file()):
            raise FolderTaken(f"{folder} is not empty and holds no recipe; choose another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
