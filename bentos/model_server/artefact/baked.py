"""The artefact that a Bento brings along, and the version that a service starts with."""

from pathlib import Path

import msgspec

from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.routing.following import Follower
from bentos.model_server.routing.versions import NotServing, Target
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


def load_first_version(follower: Follower, baked: BakedArtifact | None, root: Path) -> None:
    """Serve what was last known here; else the baked-in artefact, or the registry's champion.

    A Bento needs neither the registry nor the artifact store to start; it follows them then.

    Raises:
        ArtifactUnusable: The baked-in files are not those that the Bento was built from.
        NotServing: There is nothing to serve.
    """
    routing = follower.routing
    if baked is None:
        follower.check()
    else:
        folder = root / FOLDER
        found = folder_digest(folder)
        if found != baked.artifact_digest:
            raise ArtifactUnusable(
                f"{folder} has digest {found}, built from {baked.artifact_digest}"
            )
        target = Target(version=baked.version, artifact_digest=baked.artifact_digest)
        follower.serve_alone(routing.load(target, folder))
    if baked is not None or routing.active is None:
        follower.recall()
    if routing.active is None:
        nothing = f"{routing.model} has no production version yet; promote one first"
        raise NotServing(routing.checked.error or nothing)
