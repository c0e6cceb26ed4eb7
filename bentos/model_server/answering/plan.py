"""How one version answers, compiled once from its card when it is loaded."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np

from bentos.model_server.answering.statuses import StatusText
from bentos.model_server.artefact.card import EVENT_TIMESTAMP, Card
from bentos.model_server.artefact.encoding import RowEncoder
from bentos.model_server.artefact.on_demand import OnDemandFunction
from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from bentos.model_server.features.reading import GIVEN, Reading, StoredValues
from bentos.model_server.request.contract import Request, RequestContract, Value
from bentos.model_server.request.decoding import Decoder
from resources.online_store import Status

# Above this a batch runs in a thread: the next one collects meanwhile, and probes are answered.
# A hand-over to a thread and back takes about 0.1 ms.
QUICK_SECONDS = 0.002

Row = tuple[Value, ...]


class Plan:
    """One version's way from a request to a prediction.

    Attributes:
        artefact: The part of a record that names the artefact.
        names: What the values of a row are: entities, context, stored features, computed ones.
        shown: Columns of features that an answer tells the status of, as many first values of the
            stored ones as there are model inputs among them, then the computed ones.
        is_given_whole: Whether features that are given are all that the journal has of features.
        views: The names of the card's views, as keys of a JSON object.
        is_quick: Whether a batch is run on the event loop.
    """

    def __init__(
        self,
        *,
        card: Card,
        predictor: Predictor,
        contract: RequestContract,
        on_demand: tuple[OnDemandFunction, ...],
        version: int,
        artifact_digest: str,
    ) -> None:
        self.card = card
        self.version = version
        self.contract = contract
        self.decoder = Decoder(card)
        self.reading = Reading(card)
        self.entities = tuple(field.name for field in card.entities)
        self.context = tuple(field.name for field in card.context)
        self.stored = tuple(card.stored())
        self.computed = tuple(column for made in card.on_demand for column in made.columns)
        self.names = self.entities + self.context + self.stored + self.computed
        self.inputs = len(card.features)
        self.shown = self.stored[: self.inputs] + self.computed
        self.statuses = StatusText(self.shown)
        self.is_given_whole = not self.computed and len(self.stored) == self.inputs
        self.views = tuple(msgspec.json.encode(view.name) + b":" for view in card.views)
        self.artefact = b',"artifact_digest":' + msgspec.json.encode(artifact_digest)
        self._named: dict[str, bytes] = {}
        self._predictor = predictor
        self._on_demand = on_demand
        self._encode = RowEncoder(predictor.preprocessing, self.names)
        self.is_quick = predictor.batch_seconds < QUICK_SECONDS

    def predict(self, rows: Sequence[Row]) -> list[float] | list[list[float]]:
        """The number of each row, or the probabilities of its classes."""
        return self._predictor.run(*self._encode(rows)).tolist()

    def compute(self, request: Request, stored: tuple[Value, ...]) -> tuple[Value, ...]:
        """The on-demand features of one request.

        Raises:
            OnDemandFailed: A team's function failed.
        """
        if not self._on_demand:
            return ()
        values = request.asked + stored
        known: dict[str, Value] = dict(zip(self.names, values, strict=False))
        known[EVENT_TIMESTAMP] = request.event_timestamp
        made: list[Value] = []
        for function in self._on_demand:
            found = function({name: [known[name]] for name in function.takes})  # type: ignore[list-item]
            made += [found[column][0] for column in function.entry.columns]  # type: ignore[misc]
        return tuple(made)

    def statuses_of(
        self, stored: StoredValues | None, given: tuple[Value, ...], computed: tuple[Value, ...]
    ) -> tuple[str, ...] | str:
        """The status of each shown column, or one for all."""
        if stored is not None and stored.statuses is None and None not in computed:
            return Status.PRESENT
        if stored is None and not computed and None not in given:
            return GIVEN
        if stored is None:
            first = tuple(Status.NULL if value is None else GIVEN for value in given)
        else:
            first = stored.statuses or (Status.PRESENT,) * len(given)
        made = tuple(Status.NULL if value is None else Status.PRESENT for value in computed)
        return first[: self.inputs] + made

    def named(self, variant: str) -> bytes:
        """The part of an answer that names the version, up to the feature statuses."""
        text = self._named.get(variant)
        if text is None:
            said = {"model": self.card.model, "version": self.version, "variant": variant}
            text = b"," + msgspec.json.encode(said)[1:-1] + b',"feature_status":'
            self._named[variant] = text
        return text

    def asked(self, request: Request) -> Mapping[str, Value]:
        """Entities and context of a request by name."""
        return dict(zip(self.entities + self.context, request.asked, strict=True))

    def warm_up(self) -> None:
        """Predict a row of missing values by rows, and compare with what columns give.

        Raises:
            ArtifactUnusable: They differ.
        """
        row: Row = (None,) * len(self.names)
        by_row = np.asarray(self.predict([row, row])[0], np.float32)
        by_column = self._predictor.predict(
            {name: [None, None] for name in self._predictor.columns}
        )
        if not np.array_equal(by_row, by_column[0]):
            raise ArtifactUnusable(
                f"{self.card.model} version {self.version} predicts {by_row} by rows and "
                f"{by_column[0]} by columns for missing values; its inputs are ambiguous"
            )
        self.decoder.decode(b"{}", lambda: datetime.now(UTC))
