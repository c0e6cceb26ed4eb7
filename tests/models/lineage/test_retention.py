"""What is kept is what is reachable, by the plainest walk over random stores; the rest can go."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.models.lineage.retention import Kept, kept, unneeded
from resources.artifact_blobs import StoredBlob
from resources.artifacts import ArtifactStore, artifact_store
from resources.digests import digest
from resources.registry.records import Action, ApprovalTerms, AuditEntry, Stage, Version

NOW = datetime(2013, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return artifact_store(str(tmp_path_factory.mktemp("store")))


def version(lineage: dict, artifact: str = digest("artefact")) -> Version:
    return Version(
        model="flights.arrival_delay",
        number=1,
        stage=Stage.ARCHIVED,
        artifact_digest=artifact,
        evidence={},
        evidence_digest=digest({}),
        lineage=lineage,
        approvers=(),
        approval=ApprovalTerms(required=1, valid=timedelta(days=14)),
        author="ana",
        run_id="run",
        tags={},
        created_at=NOW,
    )


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[list[int]], list[bool], list[int]]:
    """Pieces that name earlier ones, whether each is a document, and those that a version names."""
    count = draw(st.integers(1, 12))
    names = [
        draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else []
        for i in range(count)
    ]
    documents = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    roots = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=3))
    return names, documents, roots


@settings(max_examples=60, deadline=None)
@given(stores(), st.booleans())
def test_a_piece_is_kept_exactly_when_a_version_comes_to_it(
    artifacts: ArtifactStore, made: tuple[list[list[int]], list[bool], list[int]], by_hex: bool
) -> None:
    names, documents, roots = made
    digests: list[str] = []
    for number, named in enumerate(names):
        text = json.dumps(
            {
                "number": number,
                "names": [digests[i].removeprefix("sha256:" * by_hex) for i in named],
            }
        )
        # What is no document names nothing, whatever its bytes look like.
        digests.append(artifacts.put_bytes((text if documents[number] else f"PAR1{text}").encode()))

    def walk(number: int) -> set[int]:
        below = names[number] if documents[number] else []
        return {number}.union(*(walk(one) for one in below))

    reachable = set[int]().union(*(walk(root) for root in roots))
    lineage = {"deep": {"list": [digests[root] for root in roots]}}
    found = kept(set(digests), [version(lineage)], [], [], artifacts)
    assert found.digests == {digests[number] for number in reachable}
    as_metadata = kept(set(digests), [], [], [json.dumps(lineage)], artifacts)
    assert as_metadata.digests == found.digests


def test_the_snapshots_that_documents_and_versions_name_are_kept(artifacts: ArtifactStore) -> None:
    manifest = artifacts.put_bytes(b'{"lake_snapshot":41,"rows":7}')
    found = kept({manifest}, [version({"lake_snapshot": 7})], [], [f'["{manifest}"]'], artifacts)
    assert found.snapshots == {7, 41}


def test_the_evidence_of_a_refusal_stays_and_what_it_was_about_does_not(
    artifacts: ArtifactStore,
) -> None:
    refused = artifacts.put_bytes(b"PAR1 weights")
    evidence = artifacts.put_bytes(json.dumps({"artifact_digest": refused}).encode())
    entry = AuditEntry(
        id=1,
        at=NOW,
        previous_hash="",
        hash="",
        model="flights.arrival_delay",
        action=Action.REFUSED,
        actor="ana",
        reason="worse",
        evidence_digest=evidence,
        artifact_digest=refused,
    )
    assert kept({refused, evidence}, [], [entry], [], artifacts).digests == {evidence}
    both = kept({refused, evidence}, [version({}, refused)], [entry], [], artifacts)
    assert both.digests == {refused, evidence}


def test_only_what_is_old_enough_can_go() -> None:
    ages = {"young": 1, "old": 3, "needed": 3}
    pieces = [
        StoredBlob(digest=digest(name), size=1, put_at=NOW - timedelta(days=age))
        for name, age in ages.items()
    ]
    needed = Kept(digests=frozenset({digest("needed")}), snapshots=frozenset())
    found = [one.digest for one in unneeded(pieces, needed, NOW - timedelta(days=2))]
    assert found == [digest("old")]
