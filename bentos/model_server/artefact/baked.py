"""The artefact that a Bento brings along, and the version that a service starts with."""

from pathlib import Path

import msgspec

from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.routing.versions import NotServing, Routing, Target
from resources.artifacts import folder_digest

FOLDER = "artefact"
DOCUMENT = "bento.json"


class BakedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """`bento.json`: which version lies in the folder `artefact` beside it, built into what tag."""

    model: str
    version: int
    artifact_digest: str
    tag: str
    code_digest: str


def read_baked(root: Path) -> BakedArtifact | None:
    """What is baked in below a root folder, None in a source checkout."""
    document = root / DOCUMENT
    if not document.exists():
        return None
    return msgspec.json.decode(document.read_bytes(), type=BakedArtifact)


def load_first_version(routing: Routing, baked: BakedArtifact | None, root: Path) -> None:
    """Load the baked-in artefact, or else the registry's production version.

    Raises:
        ArtifactUnusable: The baked-in files are not those that the Bento was built from.
        NotServing: There is neither.
    """
    if baked is None:
        if not routing.refresh():
            raise NotServing(f"{routing.model} has no production version yet; promote one first")
        return
    folder = root / FOLDER
    found = folder_digest(folder)
    if found != baked.artifact_digest:
        raise ArtifactUnusable(f"{folder} has digest {found}, built from {baked.artifact_digest}")
    target = Target(version=baked.version, artifact_digest=baked.artifact_digest)
    routing.activate(routing.load(target, folder))
