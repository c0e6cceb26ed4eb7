"""What a version was made with: code, environment and hardware, for its lineage."""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from resources.digests import digest


def code_version(repository: Path) -> dict[str, str | bool | None]:
    """The commit of the working tree and whether files differ from it; null outside of git."""
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain")
    return {"code_commit": commit, "code_dirty": None if changes is None else bool(changes)}


def environment_version() -> dict[str, str]:
    """Python, machine, and a digest over every installed package and its version."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}".lower() for d in distributions()})
    return {
        "environment_digest": digest(packages),
        "python": platform.python_version(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, {_accelerator()}",
    }


def _git(repository: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
