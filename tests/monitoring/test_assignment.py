"""Every recorded prediction, routed again by the table that routed it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.model_server.journal.segments import JournalCorrupted
from mlplat_assets.monitoring.assignment import Assigned, compare, recorded
from resources.lake import Lake, create_table
from resources.registry.allocation import allocate
from resources.registry.traffic_table import Arm, Traffic
from tests.small_home import MODEL, open_lake

ALLOCATED = allocate({}, {"canary": 2500, "blue": 2500})
TABLE = Traffic(
    salt="s",
    arms=tuple(
        Arm(variant=name, version=number, ranges=ALLOCATED[name])
        for number, name in ((2, "canary"), (3, "blue"))
    ),
    overrides={"tester": "blue"},
)
VERSIONS = {"champion": 1, "canary": 2, "blue": 3}
TABLES = {0: Traffic(salt=MODEL), 1: TABLE}


def routed(unit_id: str, revision: int = 1) -> Assigned:
    """As the service would record it."""
    traffic = TABLES[revision]
    variant = traffic.variant(unit_id)
    return Assigned(
        prediction_id=f"p-{unit_id}",
        unit_id=unit_id,
        variant=variant,
        version=VERSIONS[variant],
        bucket=traffic.bucket(unit_id),
        revision=revision,
    )


def changed(unit: str, **changes: object) -> Assigned:
    return msgspec.structs.replace(routed(unit), **changes)


def in_variant(name: str) -> str:
    return next(u for n in range(1000) if TABLE.variant(u := f"unit-{n}") == name)


@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from([0, 1]))))
def test_what_was_routed_by_the_table_agrees(units: list[tuple[str, int]]) -> None:
    units = [(unit, revision) for unit, revision in units if unit.isprintable()]
    report = compare([routed(*each) for each in units], TABLES.__getitem__)
    assert (report.agreed.total(), report.differences.total()) == (len(units), 0)


@pytest.mark.parametrize(
    ("variant", "changes", "what"),
    [
        ("canary", {"variant": "blue"}, "another variant"),
        ("canary", {"variant": "champion", "version": 1}, "the champion answered in place of"),
        ("canary", {"version": 3}, "another version"),
        ("champion", {"bucket": 10_000}, "another bucket"),
        ("champion", {"variant": "canary"}, "another variant"),
        ("champion", {"revision": 7}, "no such revision"),
    ],
)
def test_what_was_routed_otherwise_is_counted_and_shown(
    variant: str, changes: dict[str, object], what: str
) -> None:
    wrong = changed(in_variant(variant), **changes)
    report = compare([routed("a"), wrong, routed("tester")], TABLES.__getitem__)
    assert (report.compared, report.agreed.total()) == (3, 2)
    (example,) = report.examples
    assert what in example.what and example.assigned is wrong


def test_a_record_without_bucket_or_unit_is_not_compared() -> None:
    rows = [changed("a", **{name: None}) for name in ("bucket", "unit_id", "revision")]
    report = compare(rows, TABLES.__getitem__)
    assert (report.unrecorded, report.compared) == (3, 0)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with closing(open_lake(tmp_path)) as opened:
        yield opened


def write_lake(lake: Lake, rows: list[Assigned], segment: str, taken: int) -> None:
    columns = {name: [getattr(row, name) for row in rows] for name in Assigned.__struct_fields__}
    with lake.write() as connection:
        connection.register("rows", pa.table(columns))
        create_table(connection, "predictions.flights__arrival_delay", "select * from rows")
        offsets = "select ? as folder, ? as segment, ?::bigint as bytes"
        connection.execute("create schema if not exists lineage")
        connection.execute(
            f"create table lineage.journal_offsets as {offsets}", [MODEL, segment, taken]
        )


def test_predictions_of_the_lake_and_the_rest_of_the_journal_come_once_each(
    lake: Lake, tmp_path: Path
) -> None:
    rows = [routed(f"u{n}") for n in range(6)]
    lines = [msgspec.json.encode(row) + b"\n" for row in rows]
    journal = tmp_path / "journal" / MODEL
    journal.mkdir(parents=True)
    (journal / "a.ndjson").write_bytes(b"".join(lines[:4]) + b'{"torn')
    (journal / "b.ndjson").write_bytes(b"".join(lines[4:]))
    assert [*recorded(lake, journal, MODEL)] == rows
    write_lake(lake, rows[:2], "a.ndjson", len(lines[0] + lines[1]))
    assert [*recorded(lake, journal, MODEL)] == rows
    assert [*recorded(None, journal, MODEL)] == rows


def test_a_lake_of_before_traffic_tables_is_not_compared(lake: Lake, tmp_path: Path) -> None:
    with lake.write() as connection:
        old = "select 'p' as prediction_id, 'u' as unit_id, 'champion' as variant, 1 as version"
        create_table(connection, "predictions.flights__arrival_delay", old)
        connection.execute("create schema if not exists lineage")
        connection.execute(
            "create table lineage.journal_offsets (folder varchar, segment varchar, bytes bigint)"
        )
    report = compare(recorded(lake, tmp_path / "none", MODEL), TABLES.__getitem__)
    assert report.unrecorded == 1


def test_a_line_that_is_no_record_names_its_place(tmp_path: Path) -> None:
    line = msgspec.json.encode(routed("u")) + b"\n"
    (tmp_path / "a.ndjson").write_bytes(line + b"{}\n")
    with pytest.raises(JournalCorrupted, match=f"at byte {len(line)}"):
        list(recorded(None, tmp_path, MODEL))
