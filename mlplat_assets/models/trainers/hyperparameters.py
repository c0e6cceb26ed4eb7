"""What a ModelSpec may set for the tabular trainer, and what it gets where it sets nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from mlplat_assets.models.trainers.contract import Value


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What a ModelSpec may set under `hyperparameters`, beside those of `Fitting`.

    Attributes:
        learning_rate: Peak of AdamW's rate, reached after the first tenth of all steps.
        weight_decay: AdamW's decoupled decay.
        hidden: Width of each hidden layer.
        layers: How many hidden layers.
        dropout: Share of hidden units dropped.
        blank: Share of inputs hidden from the network in training, so that it learns what a
            missing value and an unseen category mean even where training rows have none.
        frequencies: Waves per numeric column.
        frequency_scale: Standard deviation of the waves' first frequencies, in cycles per unit.
        periodic_width: Width of each numeric column's periodic embedding.
        auxiliary_weight: Weight of the auxiliary outcomes' loss beside that of the label; 0 leaves
            them out.
        class_weight: `none`, `balanced`, or how many times a positive row counts. It decides what
            training looks at; the probabilities served are corrected for it (see `Objective`).
    """

    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    hidden: int = 192
    layers: int = 2
    dropout: float = 0.3
    blank: float = 0.05
    frequencies: int = 8
    frequency_scale: float = 0.1
    periodic_width: int = 6
    auxiliary_weight: float = 0.5
    class_weight: float | str = "none"

    @classmethod
    def of(cls, given: Mapping[str, Value]) -> Self:
        """The defaults, overlaid by what a spec gives.

        Raises:
            ValueError: A name is unknown, or a value is not of its kind.
        """
        # The only one that may be a text or a number; `class_weights` refuses what fits no task.
        checked(cls, {name: value for name, value in given.items() if name != "class_weight"})
        return cls(**given)  # pyright: ignore[reportArgumentType]


def checked(kind: type[Any], given: Mapping[str, Value]) -> dict[str, Value]:
    """What is given for the fields of a dataclass whose defaults are values.

    Raises:
        ValueError: A name is unknown, or a value is not of its default's kind: a whole number is
            at least 1, any other number at least 0.
    """
    known: dict[str, Any] = {item.name: item.default for item in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"hyperparameter {name!r} is unknown; known are {', '.join(sorted(known))}"
            )
        wanted = _wanted(value, known[name])
        if wanted:
            raise ValueError(
                f"hyperparameter {name} is {value!r}; give {wanted}, "
                f"like its default, {known[name]!r}"
            )
    return dict(given)


def _wanted(value: Value, default: Value) -> str:
    """What a value should have been, empty where it is that."""
    if isinstance(default, bool | str):
        fits = type(value) is type(default)
        return "" if fits else "True or False" if isinstance(default, bool) else "a text"
    whole = isinstance(default, int)
    kinds, least = ((int,), 1) if whole else ((int, float), 0)
    fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
    return "" if fits else f"{'a whole' if whole else 'a'} number of at least {least}"
