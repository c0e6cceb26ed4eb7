"""What a ModelSpec may set for the tabular trainer, and what it gets where it sets nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

Value = float | int | str | bool


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What a ModelSpec may set under `hyperparameters`.

    Attributes:
        epochs: Most passes over the training rows; the learning rate's cosine ends there.
        patience: Epochs without a lower validation loss before training stops.
        batch_size: Rows a step.
        learning_rate: Peak of AdamW's rate, reached after the first tenth of all steps.
        weight_decay: AdamW's decoupled decay.
        hidden: Width of each hidden layer.
        layers: How many hidden layers.
        dropout: Share of hidden units dropped.
        blank: Share of inputs hidden from the network in training, so that it learns what a
            missing value and an unseen category mean even where training rows have none.
        frequencies: Waves per numeric column.
        frequency_scale: Standard deviation of the waves' first frequencies, in cycles per unit.
        threads: CPU threads that train. Part of the recipe, since sums split otherwise give other
            bytes. 1 costs little at this size, and on a busy machine two threads that wait for
            each other took five times as long.
        periodic_width: Width of each numeric column's periodic embedding.
    """

    epochs: int = 8
    patience: int = 2
    batch_size: int = 2048
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    hidden: int = 192
    layers: int = 2
    dropout: float = 0.2
    blank: float = 0.02
    frequencies: int = 8
    frequency_scale: float = 0.1
    periodic_width: int = 6
    threads: int = 1

    @classmethod
    def of(cls, given: Mapping[str, Value]) -> "Hyperparameters":
        """The defaults, overlaid by what a spec gives.

        Raises:
            ValueError: A name is unknown, or a value is not a number of its kind.
        """
        known = {item.name: item.default for item in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(
                    f"hyperparameter {name!r} is unknown to the tabular trainer; "
                    f"it takes {', '.join(sorted(known))}"
                )
            whole = isinstance(known[name], int)
            kinds, least = ((int,), 1) if whole else ((int, float), 0)
            fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
            if not fits:
                raise ValueError(
                    f"hyperparameter {name} is {value!r}; give {'a whole' if whole else 'a'} "
                    f"number of at least {least}, like its default, {known[name]!r}"
                )
        return cls(**given)  # pyright: ignore[reportArgumentType]
