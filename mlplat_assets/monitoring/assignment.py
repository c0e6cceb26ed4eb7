"""Whether each prediction was made by the variant that its unit has: buckets computed again."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bentos.model_server.journal.segments import JournalCorrupted
from mlplat_assets.keys import table
from resources.lake import Lake
from resources.registry.traffic_table import CHAMPION, Traffic

_OFFSETS = "lineage.journal_offsets"
_COLUMNS = ("prediction_id", "unit_id", "variant", "version", "bucket", "revision")
_ROWS = 50_000
_EXAMPLES = 10


class Assigned(msgspec.Struct, kw_only=True, gc=False):
    """Which unit a prediction was for, and how it was routed by which revision of the table.

    `bucket` and `revision` are None in a record from before traffic tables; `unit_id` is where
    the declaration has it redacted.
    """

    prediction_id: str
    unit_id: str | None
    variant: str
    version: int
    bucket: int | None = None
    revision: int | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A prediction that its revision of the table would have routed otherwise."""

    assigned: Assigned
    what: str


@dataclass(kw_only=True)
class AssignmentReport:
    """What an audit found.

    Attributes:
        agreed: Predictions by variant, whose bucket, variant and version are those of the table.
        differences: How many differ, by what does.
        unrecorded: Predictions that tell no bucket, revision or unit.
    """

    agreed: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)
    unrecorded: int = 0

    @property
    def compared(self) -> int:
        """How many predictions were computed again."""
        return self.agreed.total() + self.differences.total()


def compare(rows: Iterable[Assigned], traffic_at: Callable[[int], Traffic]) -> AssignmentReport:
    """Compute every row's bucket and variant again from the revision that it names.

    Args:
        rows: What was recorded.
        traffic_at: A revision of the table; LookupError where there is none.
    """
    report = AssignmentReport()
    tables: dict[int, Traffic | None] = {}
    for row in rows:
        if row.unit_id is None or row.bucket is None or row.revision is None:
            report.unrecorded += 1
            continue
        if row.revision not in tables:
            tables[row.revision] = _found(traffic_at, row.revision)
        what = _difference(row, row.unit_id, tables[row.revision])
        if what is None:
            report.agreed[row.variant] += 1
            continue
        report.differences[what] += 1
        if len(report.examples) < _EXAMPLES:
            report.examples.append(Difference(assigned=row, what=what))
    return report


def recorded(lake: Lake | None, journal: Path, model: str) -> Iterator[Assigned]:
    """Every prediction of a model: those in the lake, then those that only the journal has.

    Raises:
        JournalCorrupted: A line is no record.
    """
    offsets: dict[str, int] = {}
    if lake is not None and lake.has(name := table("predictions", *model.split("."))):
        with lake.connect() as connection:
            # One snapshot: what an intake moves meanwhile is not read twice.
            connection.execute("begin")
            found = connection.execute(
                f"select segment, bytes from {_OFFSETS} where folder = ?", [journal.name]
            )
            offsets = dict(found.fetchall())
            held = {row[0] for row in connection.execute(f"describe {name}").fetchall()}
            listed = ", ".join(c if c in held else f"null as {c}" for c in _COLUMNS)
            rows = connection.execute(f"select {listed} from {name}")
            while batch := rows.fetchmany(_ROWS):
                for row in batch:
                    yield Assigned(**dict(zip(_COLUMNS, row, strict=True)))
            connection.execute("rollback")
    yield from _journalled(journal, offsets)


def _journalled(journal: Path, offsets: dict[str, int]) -> Iterator[Assigned]:
    decode = msgspec.json.Decoder(Assigned).decode
    for path in sorted(journal.rglob("*.ndjson"), key=lambda path: path.name):
        position = offsets.get(path.relative_to(journal).as_posix(), 0)
        with path.open("rb") as stream:
            stream.seek(position)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # torn by a death, or being written
                try:
                    yield decode(line)
                except msgspec.DecodeError as error:
                    raise JournalCorrupted(f"{path} at byte {position}: {error}") from error
                position += len(line)


def _found(traffic_at: Callable[[int], Traffic], revision: int) -> Traffic | None:
    try:
        return traffic_at(revision)
    except LookupError:
        return None


def _difference(row: Assigned, unit_id: str, traffic: Traffic | None) -> str | None:
    if traffic is None:
        return "the registry has no such revision"
    if row.bucket != traffic.bucket(unit_id):
        return "another bucket"
    variant = traffic.variant(unit_id)
    if row.variant != variant:
        if row.variant == CHAMPION:
            return "the champion answered in place of an arm"
        return "another variant"
    versions = {arm.variant: arm.version for arm in traffic.arms}
    # Which version was champion is not the table's to say; the audit log says that.
    if variant != CHAMPION and row.version != versions[variant]:
        return "another version"
    return None
