"""A promoted version as a Bento: the service's code, the spec, the artefact, and nothing else.

The tag is `<team>__<name>:v<version>`. The Bento's image installs the versions of the serving
requirements that are installed here, since those served the evaluation.
"""

import shutil
import tempfile
from importlib.metadata import version as installed
from pathlib import Path

import msgspec

from bentos.model_server.artefact.baked import DOCUMENT, FOLDER, BakedArtifact, read_baked
from resources.artifacts import files_of, folder_digest
from resources.digests import digest, digest_of_file

# What bentos and resources import when they serve. BentoML adds itself, starlette and uvicorn;
# uvicorn takes uvloop and httptools where they are present.
REQUIREMENTS = (
    "onnxruntime",
    "numpy",
    "msgspec",
    "sqlalchemy",
    "psycopg",
    "psycopg-binary",
    "redis",
    "hiredis",
    "boto3",
    "uvloop",
    "httptools",
)
_ROOT = Path(__file__).resolve().parent.parent
# What the sources of on-demand views import, besides NumPy and the standard library.
_SPEC = ("mlplat_assets/__init__.py", "mlplat_assets/spec.py")
_SERVICE = "bentos.model_server.service:ModelServer"
# Gateways that serving never opens: their libraries are not in the image.
_LEFT_OUT = {
    "bentos/container.py",
    "bentos/packaging.py",
    "bentos/start_up.py",
    "resources/dagster_bindings.py",
    "resources/event_log.py",
    "resources/lake.py",
    "resources/lake_attachment.py",
    "resources/lake_digests.py",
    "resources/lake_retention.py",
    "resources/service_addresses.py",
}


class BentoConflict(ValueError):
    """The tag is taken by another artefact."""


def bento_tag(model: str, version: int) -> str:
    """The tag of version 3 of `flights.arrival_delay`: `flights__arrival_delay:v3`."""
    return f"{model.replace('.', '__')}:v{version}"


def bento_folder(home: Path, tag: str) -> Path:
    """Where the Bento of a tag is in the store at `home`."""
    return home / "bentos" / tag.replace(":", "/")


def folder_bytes(folder: Path) -> int:
    """The size of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def build_bento(artefact: Path, *, model: str, version: int, bentoml_home: Path) -> str:
    """Build the Bento of an artefact folder into the store at `bentoml_home`; returns its tag.

    Building it again from the same artefact and code changes nothing; code that changed since
    replaces it.

    Raises:
        BentoConflict: The tag holds another artefact.
    """
    code = _code()
    baked = BakedArtifact(
        model=model,
        version=version,
        artifact_digest=folder_digest(artefact),
        tag=bento_tag(model, version),
        code_digest=digest(code),
    )
    if not _is_built(bento_folder(bentoml_home, baked.tag), baked):
        with tempfile.TemporaryDirectory(prefix="mlplat-bento-") as context:
            _stage(Path(context), artefact, baked, list(code))
            _build(Path(context), baked, bentoml_home.resolve())
    return baked.tag


def _code(root: Path = _ROOT) -> dict[str, str]:
    """Relative name and SHA-256 hex of every source file that serving needs."""
    code = {
        f"{package}/{name}": content
        for package in ("bentos", "resources")
        for name, content in files_of(root / package).items()
        if name.endswith(".py") and f"{package}/{name}" not in _LEFT_OUT
    }
    spec = {name: digest_of_file(root / name) for name in _SPEC if (root / name).is_file()}
    return code | spec


def _is_built(folder: Path, baked: BakedArtifact) -> bool:
    """Whether the tag holds this already; what is there half-built or outdated is removed."""
    source = folder / "src"
    found = read_baked(source)
    if found and found.artifact_digest != baked.artifact_digest:
        raise BentoConflict(
            f"{baked.tag} holds artefact {found.artifact_digest}, not {baked.artifact_digest}; "
            f"if it is obsolete, run: bentoml delete {baked.tag}"
        )
    is_whole = (
        found == baked
        and (folder / "bento.yaml").is_file()
        and (source / FOLDER).is_dir()
        and folder_digest(source / FOLDER) == baked.artifact_digest
        and digest(_code(source)) == baked.code_digest
    )
    if folder.exists() and not is_whole:
        shutil.rmtree(folder)
    return is_whole


def _stage(context: Path, artefact: Path, baked: BakedArtifact, code: list[str]) -> None:
    """Lay out the build context: only what goes into the Bento, so that the build is quick."""
    for name in code:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / name, context / name)
    for name in files_of(artefact):
        target = context / FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artefact / name, target)
    (context / DOCUMENT).write_bytes(msgspec.json.encode(baked))


def _build(context: Path, baked: BakedArtifact, home: Path) -> None:
    import bentoml
    from bentoml._internal.bento import BentoStore
    from bentoml._internal.configuration.containers import BentoMLContainer

    for folder in ("bentos", "models", "tmp"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    # BentoML reads BENTOML_HOME once per process; the caller's folder must win.
    BentoMLContainer.bentoml_home.set(str(home))
    name, _, version = baked.tag.partition(":")
    bentoml.build(
        service=_SERVICE,
        name=name,
        version=version,
        build_ctx=str(context),
        include=["bentos/", "resources/", "mlplat_assets/", f"{FOLDER}/", DOCUMENT],
        description=f"Serves {baked.model}, version {baked.version}: {baked.artifact_digest}\n",
        labels={"model": baked.model},
        # lock_packages would ask a package index; these are exact already.
        python={
            "packages": [f"{package}=={installed(package)}" for package in REQUIREMENTS],
            "lock_packages": False,
        },
        _bento_store=BentoStore(home / "bentos"),
    )
