"""What a version was made with: code, environment, container and hardware, for its lineage.

What is too long for a lineage is stored by content, under the digest that the lineage records: the
list of packages, the uncommitted changes.
"""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from resources.artifacts import ArtifactStore
from resources.digests import canonical_json, digest_of_file

Code = dict[str, str | bool | None]


def code_version(repository: Path, artifacts: ArtifactStore) -> Code:
    """The commit of the working tree, and how files differ from it; null outside of git.

    `code_changes` is the digest of the stored difference: `git diff` against the commit, and the
    digest of each file that git does not track. Null where nothing differs.
    """
    commit = _git(repository, "rev-parse", "HEAD")
    if commit is None:
        return {"code_commit": None, "code_dirty": None, "code_changes": None}
    changes = _changes(repository)
    return {
        "code_commit": commit.decode().strip(),
        "code_dirty": bool(changes),
        "code_changes": artifacts.put_bytes(changes) if changes else None,
    }


def environment_version(artifacts: ArtifactStore, image: str | None) -> dict[str, str | None]:
    """Python, machine, container image, and the digest of the stored list of packages."""
    return {
        "environment_digest": artifacts.put_bytes(canonical_json(installed_packages())),
        "python": platform.python_version(),
        "image": image,
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, {_accelerator()}",
    }


def installed_packages() -> list[str]:
    """Every installed package as `name==version`, in order."""
    return sorted({f"{d.metadata['Name']}=={d.version}".lower() for d in distributions()})


def _changes(repository: Path) -> bytes:
    tracked = _git(repository, "diff", "--binary", "HEAD") or b""
    listed = _git(repository, "ls-files", "--others", "--exclude-standard", "-z") or b""
    others = sorted(name for name in listed.decode().split("\0") if name)
    lines = [f"untracked {digest_of_file(repository / name)} {name}\n" for name in others]
    return tracked + "".join(lines).encode()


def _git(repository: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(repository), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
