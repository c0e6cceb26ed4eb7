"""Which version answers, as the registry changes its mind."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from bentos.model_server.artefact.baked import BakedArtifact, load_first_version
from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.routing.following import Follower
from bentos.model_server.routing.versions import NotServing
from resources.artifacts import artifact_store, folder_digest
from resources.buckets import BUCKETS
from resources.registry.registry import registry
from resources.registry.tables import traffic, versions
from tests.bentos.artefacts import MODEL, card, write_artefact
from tests.bentos.versions import NOON, follower, open_registry, promote, register

BY = {"actor": "cli", "reason": "try it"}
UNITS = [f"unit-{n}" for n in range(500)]


@pytest.fixture
def following(tmp_path: Path) -> Follower:
    """A follower of a real registry and artifact store below the test's folder."""
    return follower(tmp_path)


def active(following: Follower) -> int:
    assert following.routing.active is not None
    return following.routing.active.target.version


def answered(following: Follower) -> dict[str, tuple[str, int]]:
    """Variant and version of every unit, each chosen by its own."""
    found = {unit: following.routing.choose(unit) for unit in UNITS}
    return {unit: (each.variant, each.served.target.version) for unit, each in found.items()}


def take_away(home: Path) -> None:
    """Move the registry off, with its log, in which what was written last may still be."""
    (home / "away").mkdir()
    for file in home.glob("registry.sqlite*"):
        file.rename(home / "away" / file.name)


def bring_back(home: Path) -> None:
    for file in home.glob("registry.sqlite*"):
        file.unlink()
    for file in (home / "away").iterdir():
        file.rename(home / file.name)


def rot(home: Path, digest: str) -> Path:
    """Spoil the weights of an artefact in the store and its cache; returns them as they were."""
    store = artifact_store(str(home / "artifacts"))
    weights = store.files(digest)["model.onnx"]
    kept = home / "weights"
    kept.write_bytes(store.get_file(f"sha256:{weights}").read_bytes())
    for path in (home / "artifacts").rglob("*"):
        if path.is_file() and path.read_bytes() == kept.read_bytes():
            path.chmod(0o644)
            path.write_bytes(b"rot")
    return kept


def heal(home: Path, weights: Path) -> None:
    """Put the weights back."""
    for path in (home / "artifacts").rglob("*"):
        if path.is_file() and path.read_bytes() == b"rot":
            path.unlink()
    artifact_store(str(home / "artifacts")).put_file(weights)


def test_promotion_and_rollback_change_who_answers(following: Follower, tmp_path: Path) -> None:
    assert not following.refresh()
    promote(tmp_path, -1.0)
    assert following.refresh()
    assert not following.refresh()
    promote(tmp_path, 1.0)
    assert following.refresh()
    assert active(following) == 2
    open_registry(tmp_path).rollback(MODEL, actor="cli", reason="worse in the evening")
    assert following.refresh()
    assert active(following) == 1


def test_the_versions_before_return_without_being_fetched_again(tmp_path: Path) -> None:
    fetched: list[str] = []
    store = artifact_store(str(tmp_path / "artifacts"))

    def fetch(digest: str) -> Path:
        fetched.append(digest)
        return store.get_folder(digest)

    following = follower(tmp_path, fetch)
    digests = [promote(tmp_path, bias).artifact_digest for bias in (-1.0,)]
    following.refresh()
    first = following.routing.active
    for bias in (1.0, 2.0):
        digests.append(promote(tmp_path, bias).artifact_digest)
        following.refresh()
    open_registry(tmp_path).rollback(MODEL, actor="cli", reason="worse", to=1)
    following.refresh()
    assert following.routing.active is first
    assert fetched == digests
    for bias in (3.0, 4.0, 5.0):
        promote(tmp_path, bias)
        following.refresh()
    open_registry(tmp_path).rollback(MODEL, actor="cli", reason="worse", to=1)
    following.refresh()
    # Three champions ago is not kept: memory has a bound.
    assert active(following) == 1 and following.routing.active is not first


def test_every_unit_has_the_variant_of_the_registry_s_table(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    for bias in (1.0, 2.0, 3.0):
        register(tmp_path, bias)
    store = open_registry(tmp_path)
    store.set_share(MODEL, 2, 25, **BY)
    store.set_share(MODEL, 3, 25, variant="blue", **BY)
    store.set_shadow(MODEL, 4, True, **BY)
    table = store.set_override(MODEL, UNITS[0], "blue", **BY)
    following.refresh()
    numbers = {"champion": 1, "canary": 2, "blue": 3}
    expected = {unit: table.traffic.variant(unit) for unit in UNITS}
    assert answered(following) == {unit: (v, numbers[v]) for unit, v in expected.items()}
    assert answered(following)[UNITS[0]] == ("blue", 3)
    assert {*expected.values()} == {*numbers}
    choice = following.routing.choose("u")
    assert (choice.bucket, choice.revision) == (table.traffic.bucket("u"), table.revision)
    assert [shadow.target.version for shadow in following.routing.shadows] == [4]
    document = following.routing.document()
    assert document | {"variants": 0} == {
        "revision": 4, "variants": 0, "shadows": [4], "overrides": 1, "problems": [],
    }  # fmt: skip
    shown = [(v["variant"], v["version"], v["share"]) for v in document["variants"]]  # type: ignore[union-attr,index]
    assert shown == [("champion", 1, 50.0), ("canary", 2, 25.0), ("blue", 3, 25.0)]


def test_raising_a_canary_moves_no_unit_out_of_it(following: Follower, tmp_path: Path) -> None:
    promote(tmp_path, -1.0)
    register(tmp_path, 1.0)
    held: set[str] = set()
    for percent in (1, 5, 10, 25):
        open_registry(tmp_path).set_share(MODEL, 2, percent, **BY)
        following.refresh()
        now = {unit for unit, (variant, _) in answered(following).items() if variant == "canary"}
        assert held <= now
        held = now
    assert len(held) == pytest.approx(125, rel=0.3)


def test_an_arm_that_cannot_be_loaded_is_the_champion_s_until_it_can(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    foreign = card() | {"model": "flights.departure_delay"}
    register(tmp_path, 1.0, document=foreign)
    third = register(tmp_path, 2.0)
    store = open_registry(tmp_path)
    store.set_share(MODEL, 2, 40, **BY)
    store.set_share(MODEL, 3, 40, variant="blue", **BY)
    store.set_shadow(MODEL, 2, True, **BY)
    weights = rot(tmp_path, third.artifact_digest)
    following.refresh()
    assert {*answered(following).values()} == {("champion", 1)}
    problems = following.routing.problems
    assert [each.split(":")[0] for each in problems] == [
        "canary, version 2", "blue, version 3", "shadow, version 2",
    ]  # fmt: skip
    assert "of flights.departure_delay" in problems[0] and "ArtifactCorrupted" in problems[1]
    assert following.routing.shadows == ()
    heal(tmp_path, weights)
    following.refresh()
    assert {*answered(following).values()} == {("champion", 1), ("blue", 3)}


def test_an_archived_or_unknown_version_in_a_table_is_the_champion_s(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    register(tmp_path, 1.0)
    store = open_registry(tmp_path)
    store.set_share(MODEL, 2, 50, **BY)
    document = {
        "salt": "s",
        "arms": [
            {"variant": "canary", "version": 2, "ranges": [[0, 5000]]},
            {"variant": "blue", "version": 9, "ranges": [[5000, 9999]]},
        ],
        "shadows": [],
        "overrides": {UNITS[0]: "blue"},
    }
    with store.database.writing() as connection:
        connection.execute(sa.update(traffic).values(document=document))
        second = versions.c.number == 2
        connection.execute(sa.update(versions).where(second).values(stage="archived"))
    following.refresh()
    assert {*answered(following).values()} == {("champion", 1)}
    assert following.routing.problems == [
        "canary, version 2: it is in archived, not in canary",
        "blue, version 9: the registry has no such version",
    ]


@pytest.mark.parametrize(
    ("ranges", "said"), [([[0, 9900]], "more than 100%"), ([[300, 600]], "overlaps")]
)
def test_a_table_that_contradicts_itself_is_ignored_and_named(
    following: Follower, tmp_path: Path, ranges: list[list[int]], said: str
) -> None:
    promote(tmp_path, -1.0)
    register(tmp_path, 1.0)
    store = open_registry(tmp_path)
    store.set_share(MODEL, 2, 5, **BY)
    following.check()
    before = answered(following)
    blue = {"variant": "blue", "version": 1, "ranges": ranges}
    canary = {"variant": "canary", "version": 2, "ranges": [[0, 500]]}
    document = {"salt": "s", "arms": [canary, blue], "shadows": [], "overrides": {}}
    with store.database.writing() as connection:
        connection.execute(sa.update(traffic).values(document=document))
    following.check()
    assert answered(following) == before
    (problem,) = following.routing.problems
    assert problem.startswith("TrafficInvalid") and said in problem
    store.clear_traffic(MODEL, **BY)
    following.check()
    assert following.routing.problems == []
    assert {*answered(following).values()} == {("champion", 1)}


def test_two_champions_are_ignored_and_named(following: Follower, tmp_path: Path) -> None:
    promote(tmp_path, -1.0)
    following.check()
    register(tmp_path, 1.0)
    with open_registry(tmp_path).database.writing() as connection:
        connection.execute(sa.text("drop index versions_one_production"))
        connection.execute(sa.update(versions).values(stage="production"))
    following.check()
    assert active(following) == 1
    assert "2 champions: versions 1, 2" in following.routing.problems[0]


def test_while_the_registry_is_away_the_last_table_serves_on(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    following.refresh()
    take_away(tmp_path)
    following.check()
    assert active(following) == 1
    assert following.routing.checked.error
    bring_back(tmp_path)
    following.check()
    assert following.routing.checked.error is None
    assert following.routing.checked.at == NOON


def test_a_restart_without_the_registry_serves_the_last_table(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    register(tmp_path, 1.0)
    open_registry(tmp_path).set_share(MODEL, 2, 30, **BY)
    following.refresh()
    before, revision = answered(following), following.routing.choose("u").revision
    take_away(tmp_path)
    # A database that is there but holds nothing: what a lost volume looks like.
    restarted = follower(tmp_path, store=registry(f"sqlite:///{tmp_path / 'registry.sqlite'}"))
    load_first_version(restarted, None, tmp_path)
    assert answered(restarted) == before
    assert restarted.routing.choose("u").revision == revision
    assert "RegistryNotMigrated" in restarted.routing.problems[0]
    # A Bento of an older version knows as much.
    bento = follower(tmp_path, store=registry(f"sqlite:///{tmp_path / 'registry.sqlite'}"))
    load_first_version(bento, baked_at(tmp_path / "bento", 0.0, 7), tmp_path / "bento")
    assert answered(bento) == before
    known = tmp_path / "serving" / f"{MODEL}.json"
    for content in (b"", b"{}", known.read_bytes()[:-9]):
        known.write_bytes(content)
        again = follower(tmp_path, store=registry(f"sqlite:///{tmp_path / 'registry.sqlite'}"))
        with pytest.raises(NotServing, match="RegistryNotMigrated"):
            load_first_version(again, None, tmp_path)


def test_a_broken_champion_never_answers_and_the_one_before_stays(
    following: Follower, tmp_path: Path
) -> None:
    promote(tmp_path, -1.0)
    following.check()
    foreign = promote(tmp_path, 1.0, document=card() | {"model": "flights.departure_delay"})
    following.check()
    assert active(following) == 1
    assert "of flights.departure_delay" in following.routing.problems[0]
    rot(tmp_path, foreign.artifact_digest)
    following.check()
    assert "ArtifactCorrupted" in str(following.routing.checked.error)
    assert active(following) == 1


def test_a_version_that_failed_is_not_fetched_at_every_look(tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(digest: str) -> Path:
        fetched.append(digest)
        raise OSError("the bucket is away")

    following = follower(tmp_path, fetch, retry_seconds=3600.0)
    promote(tmp_path, -1.0)
    for _ in range(5):
        following.check()
    assert len(fetched) == 1
    assert "the bucket is away" in following.routing.problems[0]


def test_without_an_artefact_or_a_champion_nothing_starts(
    following: Follower, tmp_path: Path
) -> None:
    with pytest.raises(NotServing, match="promote one first"):
        load_first_version(following, None, tmp_path)


def baked_at(folder: Path, bias: float, version: int) -> BakedArtifact:
    digest = folder_digest(write_artefact(folder / "artefact", bias=bias))
    return BakedArtifact(
        model=MODEL, version=version, artifact_digest=digest, tag="t:v7", code_digest=""
    )


def test_a_bento_starts_on_its_artefact_alone_and_then_follows(
    following: Follower, tmp_path: Path
) -> None:
    baked = baked_at(tmp_path / "bento", 0.0, 7)
    load_first_version(following, baked, tmp_path / "bento")
    assert active(following) == 7
    choice = following.routing.choose("u")
    assert (choice.variant, choice.revision) == ("champion", 0)
    assert following.routing.document()["revision"] == 0 and len(following.routing.problems) == 0
    promote(tmp_path, -1.0)
    following.check()
    assert active(following) == 1


def test_a_changed_baked_artefact_does_not_start(following: Follower, tmp_path: Path) -> None:
    baked = baked_at(tmp_path, 0.0, 7)
    (tmp_path / "artefact" / "card.json").write_text("{}")
    with pytest.raises(ArtifactUnusable, match="built from"):
        load_first_version(following, baked, tmp_path)


def test_the_table_compiles_to_every_bucket(following: Follower, tmp_path: Path) -> None:
    promote(tmp_path, -1.0)
    following.refresh()
    assert following.routing.table is not None
    assert len(following.routing.table.lanes) == BUCKETS
