"""Which version answers, as the registry changes its mind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bentos.model_server.artefact.baked import BakedArtifact, load_first_version
from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.routing.versions import NotServing, Routing, Target
from resources.artifacts import artifact_store, folder_digest
from tests.bentos.artefacts import MODEL, card, write_artefact
from tests.bentos.versions import open_registry, promote

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def routing(tmp_path: Path) -> Routing:
    """Routing over a real registry and artifact store below the test's folder."""
    versions = open_registry(tmp_path)
    artifacts = artifact_store(str(tmp_path / "artifacts"))

    def champion() -> Target | None:
        found = versions.champion(MODEL)
        return found and Target(version=found.number, artifact_digest=found.artifact_digest)

    return Routing(model=MODEL, champion=champion, fetch=artifacts.get_folder, clock=lambda: NOON)


def active(routing: Routing) -> int:
    assert routing.active is not None
    return routing.active.target.version


def test_promotion_and_rollback_change_who_answers(routing: Routing, tmp_path: Path) -> None:
    assert not routing.refresh()
    promote(tmp_path, -1.0)
    assert routing.refresh()
    assert not routing.refresh()
    promote(tmp_path, 1.0)
    assert routing.refresh()
    assert active(routing) == 2
    open_registry(tmp_path).rollback(MODEL, actor="cli", reason="worse in the evening")
    assert routing.refresh()
    assert active(routing) == 1


def test_the_version_before_returns_without_being_fetched_again(
    routing: Routing, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    routing.refresh()
    first = routing.active
    promote(tmp_path, 1.0)
    routing.refresh()
    open_registry(tmp_path).rollback(MODEL, actor="cli", reason="worse")
    routing.fetch = _fails
    routing.refresh()
    assert routing.active is first


def test_while_the_registry_is_away_the_last_version_serves_on(
    routing: Routing, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    routing.refresh()
    away = tmp_path / "away"
    away.mkdir()
    # With its log, in which what was written last may still be.
    for file in tmp_path.glob("registry.sqlite*"):
        file.rename(away / file.name)
    with ThreadPoolExecutor(1) as executor:
        routing.check(executor)
        assert active(routing) == 1
        assert routing.checked.error
        for file in tmp_path.glob("registry.sqlite*"):
            file.unlink()
        for file in away.iterdir():
            file.rename(tmp_path / file.name)
        routing.check(executor)
    assert routing.checked.error is None
    assert routing.checked.at == NOON


def test_a_corrupted_or_foreign_artefact_is_never_swapped_in(
    routing: Routing, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    routing.refresh()
    promote(tmp_path, 1.0, document=card() | {"model": "flights.departure_delay"})
    with pytest.raises(ArtifactUnusable, match=r"of flights\.departure_delay"):
        routing.refresh()
    for blob in (tmp_path / "artifacts" / "blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o644)
            blob.write_bytes(b"rot")
    with ThreadPoolExecutor(1) as executor:
        routing.check(executor)
    assert "ArtifactCorrupted" in str(routing.checked.error)
    assert active(routing) == 1


def test_without_an_artefact_or_a_champion_nothing_starts(routing: Routing, tmp_path: Path) -> None:
    with pytest.raises(NotServing, match="promote one first"):
        load_first_version(routing, None, tmp_path)


def test_a_changed_baked_artefact_does_not_start(routing: Routing, tmp_path: Path) -> None:
    folder = write_artefact(tmp_path / "artefact", bias=0.0)
    baked = BakedArtifact(
        model=MODEL, version=7, artifact_digest=folder_digest(folder), tag="t:v7", code_digest=""
    )
    load_first_version(routing, baked, tmp_path)
    assert active(routing) == 7
    (folder / "card.json").write_text("{}")
    with pytest.raises(ArtifactUnusable, match="built from"):
        load_first_version(routing, baked, tmp_path)


def _fails(digest: str) -> Path:
    raise AssertionError(f"{digest} was fetched again")
