"""Leftovers are what is old, and nobody's: caches of kept pieces and served Bentos stay."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlplat_assets.models.lineage.leftovers import leftovers
from resources.digests import digest
from resources.settings import from_environment

NOW = datetime(2013, 12, 1, tzinfo=UTC)
NEEDED, LOOSE = (digest(name).removeprefix("sha256:") for name in ("needed", "loose"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which everything was touched ten days before now."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for name in (
        f"home/cache/files/{NEEDED}",
        f"home/cache/files/{LOOSE}",
        f"home/cache/folders/{NEEDED}/card.json",
        f"home/cache/folders/{LOOSE}/card.json",
        "home/cache/.torn",
        "home/artifacts/blobs/ab/.torn",
        f"home/artifacts/blobs/ab/{LOOSE}",
        "home/checkpoints/flights.arrival_delay/checkpoint.json",
        "home/bentoml/bentos/flights__arrival_delay/v1/bento.yaml",
        "home/bentoml/bentos/flights__arrival_delay/v2/bento.yaml",
        "home/bentoml/bentos/flights__arrival_delay/latest",
        "tmp/mlplat-abc/fit/best.safetensors",
        "tmp/other-abc/file",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234567")
    age(tmp_path, 10)
    return tmp_path


def age(folder: Path, days: int) -> None:
    at = (NOW - timedelta(days=days)).timestamp()
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (at, at))


def found(root: Path, days: int) -> dict[str, tuple[str, int]]:
    settings = from_environment({"MLPLAT_HOME": str(root / "home")})
    served = {"flights__arrival_delay/v2"}
    listed = leftovers(settings, {f"sha256:{NEEDED}"}, served, NOW - timedelta(days=days))
    return {str(one.path.relative_to(root)): (one.kind, one.size) for one in listed}


OLD = {
    f"home/cache/files/{LOOSE}": "cache",
    f"home/cache/folders/{LOOSE}": "cache",
    "home/cache/.torn": "temporary",
    "home/artifacts/blobs/ab/.torn": "temporary",
    "home/checkpoints/flights.arrival_delay": "checkpoint",
    "home/bentoml/bentos/flights__arrival_delay/v1": "Bento",
    "tmp/mlplat-abc": "temporary",
}


def test_what_is_old_and_unneeded_is_left_over_and_nothing_else(home: Path) -> None:
    listed = found(home, 9)
    assert {path: kind for path, (kind, _) in listed.items()} == OLD
    assert listed[f"home/cache/files/{LOOSE}"][1] == 7
    assert found(home, 11) == {}


def test_one_young_file_keeps_its_folder(home: Path) -> None:
    os.utime(home / "tmp/mlplat-abc/fit/best.safetensors", (NOW.timestamp(), NOW.timestamp()))
    assert set(OLD) - set(found(home, 9)) == {"tmp/mlplat-abc"}


def test_a_copy_that_is_a_hard_link_frees_nothing(home: Path) -> None:
    path = home / f"home/cache/files/{LOOSE}"
    (home / "kept").hardlink_to(path)
    assert found(home, 9)[f"home/cache/files/{LOOSE}"] == ("cache", 0)


def test_deleting_leaves_the_rest_as_it_was(home: Path) -> None:
    settings = from_environment({"MLPLAT_HOME": str(home / "home")})
    before = {p for p in home.rglob("*") if p.is_file()}
    listed = list(leftovers(settings, {f"sha256:{NEEDED}"}, set(), NOW - timedelta(days=9)))
    for one in listed:
        one.delete()
    gone = before - {p for p in home.rglob("*") if p.is_file()}
    assert gone and all(any(g.is_relative_to(one.path) for one in listed) for g in gone)
    assert (home / f"home/cache/files/{NEEDED}").exists() and (home / "tmp/other-abc/file").exists()
