"""A peer in a virtual environment of its own, made once from `<name>_requirements.txt`.

    python -m bench.peer_environment feast

Peers pin other releases than we do, so they are no dependencies of the project.
"""

import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def peer_python(name: str) -> Path:
    """The interpreter that can import the peer; installs it first when it is not there.

    Raises:
        subprocess.CalledProcessError: pip could not install a requirement; it says which.
    """
    requirements, folder = _HERE / f"{name}_requirements.txt", _HERE / f".{name}"
    python = folder / "bin" / "python"
    # Written last, so that an installation that was cut short is begun again.
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        sys.stderr.write(f"Installing {name} for the comparison; takes a minute or two\n")
        venv.create(folder, clear=True, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([*command, "--requirement", requirements], check=True)
        installed.write_text(requirements.read_text())
    return python


def main() -> None:
    """Make the environment and say where its interpreter is."""
    sys.stdout.write(f"{peer_python(sys.argv[1])}\n")


if __name__ == "__main__":
    main()
