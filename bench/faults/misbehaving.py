"""The model server, with versions that sleep or raise where their card says so.

    bentoml serve bench.faults.misbehaving:ModelServer

Only `Predictor.run` is changed, of a version whose card has a `behaviour` under `training`. Rows
without any value, which versions are tried with when they are loaded, are let through.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bentos.model_server.artefact.encoding import Categorical, Numeric
from bentos.model_server.artefact.predictor import Predictor
from bentos.model_server.service import ModelServer

__all__ = ["ModelServer"]
SLEEP_SECONDS = 0.5

_made = Predictor.__init__


def _sleeps() -> None:
    time.sleep(SLEEP_SECONDS)


def _raises() -> None:
    raise RuntimeError("this version raises on every batch")


_BEHAVIOURS: dict[str, Callable[[], None]] = {"sleeps": _sleeps, "raises": _raises}


def _misbehaving(self: Predictor, *arguments: Any) -> None:
    _made(self, *arguments)
    run, behaviour = self.run, _BEHAVIOURS.get(self.card.get("training", {}).get("behaviour", ""))

    def runs(numeric: Numeric, categorical: Categorical) -> Any:  # noqa: ANN401
        if behaviour and not np.isnan(numeric[0]).all():
            behaviour()
        return run(numeric, categorical)

    self.run = runs


Predictor.__init__ = _misbehaving  # type: ignore[method-assign]
