"""What a version was made with: code, environment, container and hardware, for its lineage."""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from resources.digests import digest, digest_of_bytes, digest_of_file

Code = dict[str, str | bool | None]


def code_version(repository: Path, changes: bytes | None) -> Code:
    """The commit of the working tree, and how files differ from it; null outside of git.

    `code_changes` is the digest of the `uncommitted_changes`; null where nothing differs.
    """
    commit = _git(repository, "rev-parse", "HEAD")
    return {
        "code_commit": commit.decode().strip() if commit else None,
        "code_dirty": None if changes is None else bool(changes),
        "code_changes": digest_of_bytes(changes) if changes else None,
    }


def uncommitted_changes(repository: Path) -> bytes | None:
    """`git diff` against the commit, and the digest of each file that git does not track.

    Empty where nothing differs, None outside of git.
    """
    tracked = _git(repository, "diff", "--binary", "HEAD")
    listed = _git(repository, "ls-files", "--others", "--exclude-standard", "-z")
    if tracked is None or listed is None:
        return None
    others = sorted(name for name in listed.decode().split("\0") if name)
    lines = [f"untracked {digest_of_file(repository / name)} {name}\n" for name in others]
    return tracked + "".join(lines).encode()


def environment_version(packages: list[str], image: str | None) -> dict[str, str | None]:
    """Python, machine, container image, and the digest of the list of packages."""
    return {
        "environment_digest": digest(packages),
        "python": platform.python_version(),
        "image": image,
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, {_accelerator()}",
    }


def installed_packages() -> list[str]:
    """Every installed package as `name==version`, in order."""
    return sorted({f"{d.metadata['Name']}=={d.version}".lower() for d in distributions()})


def _git(repository: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(repository), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
