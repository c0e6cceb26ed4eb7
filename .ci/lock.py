"""Write constraints.txt: what pip's own resolver picks for `.[dev]`, name==version, sorted.

Versions already locked stay where pyproject.toml still allows them; `--upgrade` forgets them.
No host names, paths or local version suffixes (`+cpu`) get in: one lock serves every index.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "constraints.txt"
# The CUDA runtime that torch's GPU build drags in. torch pins its own; the CPU build has none, and
# a lock resolved on either must install on both. nvidia-ml-py is BentoML's, and pure Python.
_CUDA = re.compile(r"^(nvidia-(?!ml-py$)|cuda-|triton$)")
_HEADER = f"""\
# The full lock, made from pyproject.toml by pip's resolver: `make lock`. Never edited by hand.
# Resolved on Python {sys.version_info.major}.{sys.version_info.minor}, Linux x86-64.
"""


def resolve(upgrade: bool) -> dict[str, str]:
    """Name and version of everything pip would install, mlplat itself left out.

    Raises:
        subprocess.CalledProcessError: No set of versions satisfies pyproject.toml; pip says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        command += ["--quiet", "--report", str(report)]
        if LOCK.exists() and not upgrade:
            command += ["--constraint", str(LOCK)]
        subprocess.run([*command, f"{ROOT}[dev]"], check=True)
        found = json.loads(report.read_text())["install"]
    metadata = [package["metadata"] for package in found]
    return {normal(m["name"]): m["version"].split("+")[0] for m in metadata}


def normal(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Resolve and write the lock."""
    versions = resolve(upgrade="--upgrade" in sys.argv[1:])
    del versions["mlplat"]
    lines = [f"{name}=={versions[name]}\n" for name in sorted(versions) if not _CUDA.match(name)]
    LOCK.write_text(_HEADER + "".join(lines))
    sys.stdout.write(f"{LOCK.name}: {len(lines)} packages\n")


if __name__ == "__main__":
    main()
