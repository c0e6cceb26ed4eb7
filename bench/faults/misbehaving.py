"""The model server, with versions that sleep or raise where their card says so.

    bentoml serve bench.faults.misbehaving:ModelServer

Only what a shadow runs is changed, `Predictor.predict`, and only for a version whose card has a
`behaviour` under `training`. Rows without any value, which versions are tried with when they are
loaded, are let through.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from bentos.model_server.artefact.predictor import Predictor
from bentos.model_server.service import ModelServer

__all__ = ["ModelServer"]
SLEEP_SECONDS = 0.5

_predict = Predictor.predict


def _sleeps() -> None:
    time.sleep(SLEEP_SECONDS)


def _raises() -> None:
    raise RuntimeError("this version raises on every batch")


_BEHAVIOURS: dict[str, Callable[[], None]] = {"sleeps": _sleeps, "raises": _raises}


def _misbehaving(self: Predictor, columns: Mapping[str, Any]) -> Any:  # noqa: ANN401
    behaviour = _BEHAVIOURS.get(self.card.get("training", {}).get("behaviour", ""))
    if behaviour and any(values[0] is not None for values in columns.values()):
        behaviour()
    return _predict(self, columns)


Predictor.predict = _misbehaving
