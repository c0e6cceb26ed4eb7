"""Events of a stream as the requests that a model's service would take."""

from dataclasses import dataclass
from hashlib import blake2b

from bentos.model_server.artefact.card import Card
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.streaming.aggregates import SourceRow
from mlplat_assets.features.streaming.sources import StreamedSource, moment, streamed_sources


@dataclass(frozen=True, kw_only=True)
class EventRequests:
    """How a row of a streamed source asks a model.

    The unit is the source's unit, the decision time is when the row happened, and every entity
    and context field is the column of its name.
    """

    model: str
    source: StreamedSource
    entities: tuple[str, ...]
    context: tuple[str, ...]

    def request(self, row: SourceRow) -> dict[str, object]:
        """The body that a caller would send for a row."""
        return {
            "unit_id": str(row.unit),
            "entities": {name: row.columns[name] for name in self.entities},
            "context": {name: row.columns[name] for name in self.context},
            "event_timestamp": moment(row.ts).isoformat(),
        }

    def prediction_id(self, row: SourceRow) -> str:
        """The id of a row's prediction, the same whenever and by whichever version it is made.

        The version is no part of it: an event that was scored before a promotion, and is
        delivered again after it, would be there twice.
        """
        named = f"{self.model}\0{self.source.name}\0{row.unit}\0{row.ts}"
        return blake2b(named.encode(), digest_size=16).hexdigest()


def event_requests(card: Card, catalogue: Catalogue, named: str | None = None) -> EventRequests:
    """How a streamed source asks a model: the one that is named, or the only one that can.

    Raises:
        LookupError: The name is no streamed source, or no source has what the model takes.
        ValueError: Several could, and none is named.
    """
    entities = tuple(field.name for field in card.entities)
    context = tuple(field.name for field in card.context)
    known = {source.name: source for source in streamed_sources(catalogue)}
    if named is not None and named not in known:
        raise LookupError(f"{named!r} is no streamed source; there is {', '.join(known) or 'none'}")
    wanted = {named: known[named]} if named else known
    lacks = {name: _lacking(source, (*entities, *context)) for name, source in wanted.items()}
    able = [name for name, missing in lacks.items() if not missing]
    if not able:
        told = "; ".join(f"{name} has no {', '.join(lack)}" for name, lack in lacks.items())
        raise LookupError(
            f"{card.model} cannot be asked by an event: {told or 'no source is streamed'}; give "
            "the source these columns, or make a model of what its events tell"
        )
    if len(able) > 1:
        raise ValueError(f"{', '.join(able)} could each ask {card.model}; choose one with --source")
    return EventRequests(
        model=card.model, source=wanted[able[0]], entities=entities, context=context
    )


def _lacking(source: StreamedSource, names: tuple[str, ...]) -> list[str]:
    held = {column.name for column in source.source.spec.columns}
    return [name for name in names if name not in held]
