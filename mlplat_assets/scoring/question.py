"""What a version is asked about a span of decisions, and where the lake has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.historical import LakeSnapshot
from mlplat_assets.keys import table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.evaluations.served import Served
from mlplat_assets.references import resolve_label
from mlplat_assets.spec import FeatureView, Label

UNIT = "unit_id"
# The entities of a decision as one JSON text, under a name that no column of a team has.
ENTITIES = "scored__entities"
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Days:
    """A span of UTC days, both inclusive."""

    first: date
    last: date

    def times(self) -> tuple[datetime, datetime]:
        """Its beginning and its end (exclusive), UTC without a zone, as the lake keeps times."""
        midnight = datetime.min.time()
        return datetime.combine(self.first, midnight), datetime.combine(self.last + _DAY, midnight)

    def days(self) -> list[date]:
        """Each day."""
        return [self.first + n * _DAY for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, kw_only=True)
class Question:
    """The tables behind a version's inputs: its label's decisions, and the views it reads.

    They are those of the version's own card, which may differ from what the model declares now.
    """

    label: Declared[Label]
    columns: tuple[str, ...]
    entities: tuple[str, ...]
    views: tuple[tuple[Declared[FeatureView], tuple[str, ...]], ...]

    @property
    def table(self) -> str:
        """The label table."""
        return table("labels", self.label.team, self.label.name)

    def count(self, at: LakeSnapshot, days: Days) -> dict[date, int]:
        """How many decisions each day has; days without any are left out."""
        found = at.read(
            f"""select event_timestamp::date as day, count(*) as n from {at.table(self.table)}
                where event_timestamp >= ? and event_timestamp < ? group by 1""",
            days.times(),
        ).to_pydict()
        return dict(zip(found["day"], found["n"], strict=True))

    def decisions(self, at: LakeSnapshot, days: Days, rows: int) -> Iterator[pa.Table]:
        """The decisions of the days by time and unit, about so many at once."""
        as_json = ", ".join(f"'{name}': {name}" for name in self.entities)
        columns = "".join(f", {name}" for name in self.columns)
        sql = f"""select {self.label.spec.unit} as {UNIT}, event_timestamp{columns},
                         to_json({{{as_json}}})::varchar as {ENTITIES}
            from {at.table(self.table)} where event_timestamp >= ? and event_timestamp < ?
            order by event_timestamp, {UNIT}"""
        for batch in at.batches(sql, days.times(), rows):
            yield pa.Table.from_batches([batch])


def question_of(served: Served, model: Declared[ModelSpec], catalogue: Catalogue) -> Question:
    """Where a version's inputs are.

    Raises:
        LookupError: A view, a feature or a column that the version reads is declared no more.
    """
    card, label = served.card, resolve_label(model, catalogue).table
    asked = [field.name for field in (*card.entities, *card.context)]
    known = {column.name for column in label.spec.columns}
    if missing := [name for name in asked if name not in known]:
        raise LookupError(
            f"{model.full_name}: the version takes {', '.join(missing)}, which label table "
            f"{label.full_name} has no more; score a version that does without, or declare it again"
        )
    views = []
    for read in card.views:
        view = catalogue.views.get(read.name)
        declared = {feature.name for feature in view.spec.features} if view else set()
        if view is None or not declared.issuperset(read.features):
            gone = ", ".join(name for name in read.features if name not in declared)
            raise LookupError(
                f"{model.full_name}: the version reads {read.name}:{gone}, which is declared no "
                "more; score a version that does without, or declare it again"
            )
        views.append((view, read.features))
    return Question(
        label=label,
        columns=tuple(dict.fromkeys(asked)),
        entities=tuple(field.name for field in card.entities),
        views=tuple(views),
    )
