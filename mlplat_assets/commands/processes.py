"""Child processes under one command: started together, told apart, ended together."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from resources.settings import REPOSITORY, Settings

LOOPBACK = "127.0.0.1"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.1
_STRAGGLERS_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Child:
    """A command with the name and colour that its output is told apart by.

    `environment` goes over the one that all children share.
    """

    name: str
    command: Sequence[str]
    colour: str = "cyan"
    environment: Mapping[str, str] = field(default_factory=dict)


def child_environment(settings: Settings) -> dict[str, str]:
    """What children and Dagster see: the stores, and batches of events (resources/event_log.py)."""
    return {"DAGSTER_EVENT_BATCH_SIZE": "1000", **os.environ, **settings.environment()}


def run_together(
    children: Sequence[Child],
    *,
    environment: Mapping[str, str],
    console: Console,
    grace_seconds: float = 20.0,
) -> int:
    """Run children until a signal arrives or one of them ends, then end them all.

    The signal is forwarded; who is left after `grace_seconds`, or at a second signal, is killed.
    One child writes to the terminal itself; of several, each line is prefixed with its name.

    Returns:
        0 after a signal, else the exit status of the child that ended (of several, at least 1).
    """
    shared = len(children) > 1
    with _signals_caught() as caught:
        running = {child.name: _start(child, environment, shared) for child in children}
        copied = [_copy(running[child.name], child, console) for child in children if shared]
        try:
            while not caught and all(p.poll() is None for p in running.values()):
                time.sleep(_POLL_SECONDS)
            ended = {n: p.returncode for n, p in running.items() if p.returncode is not None}
            if shared and not caught:
                for name, status in ended.items():
                    console.print(
                        f"{name} ended with status {status}; stopping the others", style="red"
                    )
            _end(running.values(), caught[0] if caught else signal.SIGTERM, caught, grace_seconds)
        finally:
            for process in running.values():
                _end_group(process)
            for thread in copied:
                # A process that left its group may hold the pipe open for ever.
                thread.join(_STRAGGLERS_SECONDS)
    if caught:
        return 0
    status = next(iter(ended.values()))
    return max(status, 1) if shared else status


def port_of(variable: str, url: str, default: int) -> int:
    """The port of a setting's URL, `default` when it names none.

    Raises:
        ValueError: The URL's port is no port.
    """
    try:
        return urlsplit(url).port or default
    except ValueError as error:
        raise ValueError(
            f"{variable} {url!r}: {error}; write it like http://127.0.0.1:{default}"
        ) from error


def require_free_port(port: int) -> None:
    """Refuse a port that something listens on.

    Raises:
        ValueError: It is taken.
    """
    with socket.socket() as probe:
        # Else a server that ended a moment ago would count as listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ValueError(
                f"port {port} on {LOOPBACK} is taken ({error.strerror}); "
                "stop what listens there, or pass another --port"
            ) from error


@contextmanager
def _signals_caught() -> Iterator[list[signal.Signals]]:
    """The signals that arrived in the block, as a list that grows."""
    caught: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(signal.Signals(number))

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(child: Child, environment: Mapping[str, str], shared: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        child.command,
        cwd=REPOSITORY,
        env={**environment, **child.environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if shared else None,
        stderr=subprocess.STDOUT if shared else None,
        text=True,
        errors="replace",
        # A session of its own: Ctrl-C reaches us alone, and we decide what the child gets.
        start_new_session=True,
    )
    return process


def _copy(process: subprocess.Popen[str], child: Child, console: Console) -> threading.Thread:
    thread = threading.Thread(target=_copy_lines, args=(process, child, console), daemon=True)
    thread.start()
    return thread


def _copy_lines(process: subprocess.Popen[str], child: Child, console: Console) -> None:
    assert process.stdout is not None  # opened as a pipe
    prefix = Text(f"{child.name:<9} │ ", style=child.colour)
    with process.stdout as lines:
        for line in lines:
            console.print(prefix + Text.from_ansi(line.rstrip("\n")), soft_wrap=True)


def _end(
    processes: Iterable[subprocess.Popen[str]],
    number: signal.Signals,
    caught: Sequence[signal.Signals],
    grace_seconds: float,
) -> None:
    """Pass the signal on and wait, as long as the grace lasts and nobody signals again."""
    processes = list(processes)
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
    deadline = time.monotonic() + grace_seconds
    while any(p.poll() is None for p in processes):
        if time.monotonic() > deadline or len(caught) > 1:
            break
        time.sleep(_POLL_SECONDS)


def _end_group(process: subprocess.Popen[str]) -> None:
    """End whatever the child left behind in its process group, and the child itself."""
    deadline = time.monotonic() + _STRAGGLERS_SECONDS
    number = signal.SIGTERM if process.poll() is not None else signal.SIGKILL
    try:
        os.killpg(process.pid, number)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(_POLL_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the group is empty
    process.wait()
