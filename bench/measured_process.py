"""A process that runs one thing each time it is told to, and says how long each run took.

The child half runs in Feast's environment as well: standard library only.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent


class MeasuredProcess:
    """The parent's half: one child process, alive between its runs."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        """Start the child and wait until its libraries are imported.

        Raises:
            RuntimeError: It ended; what it said is on standard error.
        """
        self._child = subprocess.Popen(
            command, cwd=_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.versions: dict[str, str] = self._answer()
        self.seconds: list[float] = []

    def run(self) -> None:
        """One run more."""
        self.seconds.append(self._ask("run"))

    def finish(self, result: Path) -> float:
        """Write the last run's result and end; the greatest memory of all runs, in MB."""
        peak = self._ask("peak")
        self._ask(f"write {result}")
        self._child.communicate(timeout=60)
        return peak

    def _ask(self, line: str) -> float:
        assert self._child.stdin
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:  # noqa: ANN401 - a number or the versions
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._child.args} ended with {self._child.wait()}")
        return json.loads(line)


def serve(
    run: Callable[[], Any], write: Callable[[Any, Path], None], versions: dict[str, str]
) -> None:
    """The child's half: do what standard input says until it ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    answer: Any = versions
    result: Any = None
    while True:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        order, _, argument = sys.stdin.readline().strip().partition(" ")
        if order == "run":
            result = None
            start = time.perf_counter()
            result = run()
            answer = time.perf_counter() - start
        elif order == "peak":
            answer = _peak_megabytes()
        elif order == "write":
            write(result, Path(argument))
            answer = None
        else:
            return


def _peak_megabytes() -> float:
    """The greatest resident set since the process began, libraries included."""
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes.split()[1]) / 1024
