"""What changed between two versions is named, each kind in its place, and nothing else is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.models.lineage.data_versions import DayVersion, TableVersion, keep
from mlplat_assets.models.lineage.difference import Change, Difference, TableChange, difference
from resources.artifacts import ArtifactStore, artifact_store
from resources.digests import canonical_json, digest
from resources.registry.records import ApprovalTerms, Stage, Version

SECTIONS = ("tables", "data", "features", "code", "parameters", "environment", "metrics")
WEATHER = "features.flights__weather"
FIRST = date(2013, 1, 1)
RECIPE: dict[str, Any] = {
    "spec": {
        "features": ["flights.weather:temp", "flights.weather:visib"],
        "label": "flights.arrival_delay:is_late",
        "split": {"train_days": 20},
        "task": "binary",
    }
}
DEFINITIONS = {"models/a.py": "one\ntwo\n", "features/b.sql": "select 1\n"}
PACKAGES = ["numpy==2.1", "torch==2.13.0"]


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return artifact_store(str(tmp_path / "artifacts"))


def contents(days: dict[int, str], table: str = WEATHER) -> TableVersion:
    return TableVersion(
        table=table,
        columns=("temp",),
        first=FIRST,
        last=FIRST + timedelta(days=30),
        days={
            FIRST + timedelta(days=d): DayVersion(digest=c, rows=10, used=1)
            for d, c in sorted(days.items())
        },
    )


def version(
    artifacts: ArtifactStore,
    *,
    days: dict[int, str] | None = None,
    recipe: dict[str, Any] = RECIPE,
    definitions: dict[str, str] = DEFINITIONS,
    packages: list[str] = PACKAGES,
    metrics: dict[str, float] | None = None,
    **lineage: Any,
) -> Version:
    data = contents({0: "a", 1: "b"} if days is None else days)
    return Version(
        model="flights.arrival_delay",
        number=1,
        stage=Stage.STAGING,
        artifact_digest=digest("artefact"),
        evidence={"metrics": metrics or {"auc": 0.7}},
        evidence_digest=digest("evidence"),
        lineage={
            "code_commit": "0d1e2f",
            "code_dirty": False,
            "code_changes": None,
            "partitions": [data.summary()],
            "partition_versions": keep(artifacts, [data]),
            "recipe_digest": artifacts.put_bytes(canonical_json(recipe)),
            "definitions_digest": artifacts.put_bytes(canonical_json(definitions)),
            "environment_digest": artifacts.put_bytes(canonical_json(packages)),
            "hyperparameters": {"epochs": 4},
            "seed": 7,
            "python": "3.11.7",
            "training_set_digest": digest("rows"),
            **lineage,
        },
        approvers=(),
        approval=ApprovalTerms(required=1, valid=timedelta(days=14)),
        author="ana",
        run_id="run",
        tags={},
        created_at=datetime(2013, 6, 1, tzinfo=UTC),
    )


def sections(found: Difference) -> dict[str, Any]:
    """The sections in which something differs."""
    return {name: value for name in SECTIONS if (value := getattr(found, name))}


def test_a_version_differs_from_itself_in_nothing(artifacts: ArtifactStore) -> None:
    one = version(artifacts)
    assert sections(difference(one, one, artifacts)) == {}


Changed = tuple[str, dict[str, Any], list[Change]]


@pytest.mark.parametrize(
    ("section", "changed", "told"),
    [
        ("code", {"code_commit": "ffff"}, [("code_commit", "0d1e2f", "ffff")]),
        (
            "code",
            {"code_dirty": True, "code_changes": "sha256:1"},
            [("code_dirty", False, True), ("code_changes", None, "sha256:1")],
        ),
        ("parameters", {"seed": 8}, [("seed", 7, 8)]),
        (
            "parameters",
            {"hyperparameters": {"epochs": 5, "rate": 0.1}},
            [("hyperparameters.epochs", 4, 5), ("hyperparameters.rate", None, 0.1)],
        ),
        (
            "parameters",
            {"recipe": {"spec": RECIPE["spec"] | {"split": {"train_days": 21}}}},
            [("split.train_days", 20, 21)],
        ),
        (
            "features",
            {"recipe": {"spec": RECIPE["spec"] | {"features": ["flights.weather:temp", "a.b:c"]}}},
            [("flights.weather:visib", "an input", None), ("a.b:c", None, "an input")],
        ),
        (
            "features",
            {"views": {"flights.weather": "sha256:2"}},
            [("definition of flights.weather", None, "sha256:2")],
        ),
        (
            "features",
            {"definitions": DEFINITIONS | {"models/a.py": "one\nthree\nfour\n"}},
            [("models/a.py", "-1 lines", "+2 lines")],
        ),
        (
            "environment",
            {"packages": ["numpy==2.2", "polars==1.0"]},
            [("numpy", "2.1", "2.2"), ("torch", "2.13.0", None), ("polars", None, "1.0")],
        ),
        ("environment", {"python": "3.12.1"}, [("python", "3.11.7", "3.12.1")]),
        ("metrics", {"metrics": {"auc": 0.71}}, [("auc", 0.7, 0.71)]),
        ("data", {"rows": 5}, [("training rows", None, 5)]),
    ],
)
def test_a_change_is_told_in_its_section_alone(
    artifacts: ArtifactStore,
    section: str,
    changed: dict[str, Any],
    told: list[tuple[str, Any, Any]],
) -> None:
    found = difference(version(artifacts), version(artifacts, **changed), artifacts)
    expected = [Change(what=what, before=before, after=after) for what, before, after in told]
    assert sections(found) == {section: expected}


def test_the_days_of_a_table_are_named(artifacts: ArtifactStore) -> None:
    after = version(artifacts, days={1: "other", 2: "c", 3: "d"})
    (told,) = difference(version(artifacts), after, artifacts).tables
    assert told == TableChange(
        table=WEATHER,
        added=(date(2013, 1, 3), date(2013, 1, 4)),
        removed=(date(2013, 1, 1),),
        changed=(date(2013, 1, 2),),
        rows_before=20,
        rows_after=30,
    )


def test_a_version_without_recorded_days_still_tells_that_its_data_differ(
    artifacts: ArtifactStore,
) -> None:
    old = version(artifacts, days={0: "a"})
    for name in ("partition_versions", "recipe_digest"):
        del old.lineage[name]
    found = difference(old, version(artifacts), artifacts)
    assert [(t.table, t.changed) for t in found.tables] == [(WEATHER, None)]
    assert sections(found).keys() == {"tables"}, "what was not recorded differs in nothing"


DAYS = st.dictionaries(st.integers(0, 20), st.sampled_from("abc"))


@settings(max_examples=50, deadline=None)  # each stores ten documents
@given(before=DAYS, after=DAYS)
def test_every_day_is_in_the_one_place_where_it_belongs(
    tmp_path_factory: pytest.TempPathFactory, before: dict[int, str], after: dict[int, str]
) -> None:
    artifacts = artifact_store(str(tmp_path_factory.getbasetemp() / "artifacts"))
    tables = difference(
        version(artifacts, days=before), version(artifacts, days=after), artifacts
    ).tables
    named: dict[str, Callable[[int], bool]] = {
        "added": lambda d: d in after and d not in before,
        "removed": lambda d: d in before and d not in after,
        "changed": lambda d: d in before and d in after and before[d] != after[d],
    }
    expected = {
        kind: tuple(FIRST + timedelta(days=d) for d in range(21) if is_one(d))
        for kind, is_one in named.items()
    }
    if not any(expected.values()):
        assert tables == []
        return
    assert {kind: getattr(tables[0], kind) for kind in expected} == expected
