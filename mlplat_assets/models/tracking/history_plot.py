"""The picture of a training: losses and learning rate by epoch, as PNG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlplat_assets.drawing import COLOURS, QUIET, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def history_plot(history: Sequence[Mapping[str, float]], *, title: str) -> bytes:
    """One PNG of the training and the validation loss; the epoch that is kept has a mark.

    `history` has one entry an epoch: `epoch`, `train_loss`, `validation_loss`, `learning_rate`.

    Raises:
        ValueError: There is no epoch.
    """
    if not history:
        raise ValueError("a history of no epoch cannot be drawn; train for one at least")
    epochs = [int(entry["epoch"]) + 1 for entry in history]
    held = [entry["validation_loss"] for entry in history]
    best = held.index(min(held))

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        losses, rates = figure.subplots(1, 2, width_ratios=(3, 2))
        train = [entry["train_loss"] for entry in history]
        losses.plot(epochs, train, color=COLOURS[1], label="Training", marker=".")
        losses.plot(epochs, held, color=COLOURS[0], label="Validation", marker=".")
        losses.plot(epochs[best], held[best], "o", color=COLOURS[0], markersize=8, label="Kept")
        losses.set(title="Loss", xlabel="Epoch")
        losses.legend()
        rates.plot(epochs, [e["learning_rate"] for e in history], color=QUIET, marker=".")
        rates.set(title="Learning rate at the epoch's end", xlabel="Epoch")
        for axes in (losses, rates):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return png((8.2, 3.4), title, draw)
