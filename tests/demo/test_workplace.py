"""The demo's folder: fresh each time, never anybody else's, nothing left running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mlplat_assets.demo.workplace import MARKER, fresh_settings, running, wait_until

# A program whose command line looks like one of the demo's children, with a child of its own.
SLEEPER = """# dagster-daemon
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""


def test_a_home_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_text("precious")
    with pytest.raises(FileExistsError, match="set MLPLAT_HOME to another folder"):
        fresh_settings(tmp_path)
    assert (tmp_path / "registry.sqlite").read_text() == "precious"


def test_a_second_demo_starts_from_nothing(tmp_path: Path) -> None:
    fresh_settings(tmp_path)
    (tmp_path / "registry.sqlite").write_text("of the first demo")
    settings = fresh_settings(tmp_path)
    assert not (tmp_path / "registry.sqlite").exists()
    assert (tmp_path / MARKER).exists()
    assert settings.home == tmp_path.resolve()


def test_servers_named_by_the_environment_are_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPLAT_REGISTRY_URL", "postgresql://production/registry")
    assert str(tmp_path) in fresh_settings(tmp_path).registry_url


def test_what_a_killed_demo_left_running_is_ended_by_the_next(tmp_path: Path) -> None:
    fresh_settings(tmp_path)
    left = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True)
    marker = tmp_path / MARKER
    marker.write_text(json.dumps({"processes": {"daemon": left.pid}}))
    fresh_settings(tmp_path)
    assert left.poll() is not None


def test_a_foreign_process_with_a_remembered_pid_lives_on(tmp_path: Path) -> None:
    fresh_settings(tmp_path)
    (tmp_path / MARKER).write_text(json.dumps({"processes": {"daemon": os.getpid()}}))
    fresh_settings(tmp_path)  # would end this test otherwise


def test_children_end_with_the_block_even_when_it_raises(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    command = [sys.executable, "-c", SLEEPER]
    children: list[psutil.Process] = []
    with pytest.raises(KeyboardInterrupt), running("daemon", command, settings) as process:
        family = psutil.Process(process.pid)
        wait_until("its child", lambda: bool(family.children()), [process], 10)
        children += family.children()
        raise KeyboardInterrupt
    assert process.returncode is not None
    assert len(children) == 1
    assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE


def test_waiting_on_a_process_that_ended_says_so(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    with (
        running("daemon", [sys.executable, "-c", "exit(3)  # dagster"], settings) as process,
        pytest.raises(RuntimeError, match="ended with code 3"),
    ):
        wait_until("the Bento", lambda: False, [process], 10)
