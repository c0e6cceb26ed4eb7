"""Feast in a virtual environment of its own, made once: the peer that the benches compare with.

    python -m bench.feast_environment

Feast pins another pandas and another DuckDB than we do, so it is no dependency of the project.
"""

import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "feast_requirements.txt"
_FOLDER = _HERE / ".feast"


def feast_python() -> Path:
    """The interpreter that can import Feast; installs it first when it is not there.

    Raises:
        subprocess.CalledProcessError: pip could not install a requirement; it says which.
    """
    python = _FOLDER / "bin" / "python"
    # Written last, so that an installation that was cut short is begun again.
    installed = _FOLDER / "installed.txt"
    if not installed.exists() or installed.read_text() != _REQUIREMENTS.read_text():
        sys.stderr.write("Installing Feast for the comparison; takes a minute or two\n")
        venv.create(_FOLDER, clear=True, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([*command, "--requirement", _REQUIREMENTS], check=True)
        installed.write_text(_REQUIREMENTS.read_text())
    return python


def main() -> None:
    """Make the environment and say where its interpreter is."""
    sys.stdout.write(f"{feast_python()}\n")


if __name__ == "__main__":
    main()
