"""What the code of a version is: the commit, and every byte that differs from it."""

import subprocess
from pathlib import Path

import pytest

from mlplat_assets.models.lineage.provenance import (
    code_version,
    installed_packages,
    uncommitted_changes,
)
from resources.digests import digest_of_bytes, digest_of_file


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one committed file and one that it ignores."""
    (tmp_path / "model.py").write_text("one\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "run.log").write_text("noise")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "One")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", "-C", str(folder), *arguments], text=True).strip()


def test_a_clean_tree_is_its_commit_alone(repository: Path) -> None:
    assert code_version(repository, uncommitted_changes(repository)) == {
        "code_commit": git(repository, "rev-parse", "HEAD"),
        "code_dirty": False,
        "code_changes": None,
    }


def test_an_edit_and_a_new_file_are_in_the_difference_that_is_kept(repository: Path) -> None:
    (repository / "model.py").write_text("two\n")
    (repository / "new.py").write_text("new\n")
    changes = uncommitted_changes(repository)
    assert changes is not None
    lines = changes.decode().splitlines()
    assert "-one" in lines and "+two" in lines
    assert lines[-1] == f"untracked {digest_of_file(repository / 'new.py')} new.py"
    assert not any("run.log" in line for line in lines)
    found = code_version(repository, changes)
    assert found["code_dirty"] is True and found["code_changes"] == digest_of_bytes(changes)
    (repository / "new.py").write_text("newer\n")
    assert uncommitted_changes(repository) != changes


def test_outside_of_git_nothing_is_claimed(tmp_path: Path) -> None:
    changes = uncommitted_changes(tmp_path)
    assert code_version(tmp_path, changes) == {
        "code_commit": None,
        "code_dirty": None,
        "code_changes": None,
    }


def test_packages_are_listed_once_in_order_with_their_versions() -> None:
    found = installed_packages()
    assert found == sorted(set(found)) and all("==" in package for package in found)
    assert any(package.startswith("polars==") for package in found)
