"""The tabular network: standardisation, embeddings and head in one graph that is what is served."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What decides the size of a network; see `Hyperparameters` for the meaning of most.

    `outputs` is 1, or the number of classes of a multiclass model.
    """

    categories: tuple[int, ...]
    outputs: int
    hidden: int
    layers: int
    dropout: float
    frequencies: int
    frequency_scale: float
    periodic_width: int


class RobustScale(nn.Module):
    """Centres by the median, scales by the interquartile range and softly clips to (-3, 3).

    NaN becomes the centre. The clipping x / sqrt(1 + (x/3)^2) is that of RealMLP (Holzmueller
    et al. 2024): smooth, and an outlier or an infinity stays one bounded step away.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, numeric: Tensor) -> None:
        super().__init__()
        center, scale = robust_statistics(numeric)
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)

    def forward(self, numeric: Tensor, missing: Tensor) -> Tensor:
        """Standardised values [n, N] of raw ones, 0 where `missing`."""
        filled = torch.where(missing, self.center, numeric)
        z = torch.clamp((filled - self.center) / self.scale, -1e4, 1e4)
        return z / torch.sqrt(1.0 + (z / 3.0) ** 2)


def robust_statistics(numeric: Tensor) -> tuple[Tensor, Tensor]:
    """Median and scale of each column, missing values left out.

    The scale is the interquartile range over 1.349 (1 standard deviation of a normal), the
    standard deviation where most values are equal, and 1 for a constant or an empty column.
    """
    centers, scales = [], []
    for column in numeric.double().unbind(1):
        present = column[torch.isfinite(column)]
        if len(present) == 0:
            present = torch.zeros(1, dtype=torch.float64)
        ordered = present.sort().values
        low, middle, high = (ordered[round(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75))
        spread = (high - low) / 1.349
        if spread <= 0:
            spread = present.std(correction=0)
        centers.append(middle)
        scales.append(spread if spread > 1e-12 else torch.ones((), dtype=torch.float64))
    if not centers:
        return torch.zeros(0), torch.ones(0)
    return torch.stack(centers).float(), torch.stack(scales).float()


class PeriodicEmbedding(nn.Module):
    """Each number as learned waves of it: cos(2 pi (f x + b)), mixed linearly, beside x itself.

    Gorishniy et al. 2022, in the form with a bias and the plain value kept that RealMLP uses.
    """

    def __init__(self, columns: int, frequencies: int, scale: float, width: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(columns, frequencies) * scale)
        self.phase = nn.Parameter(torch.rand(columns, frequencies))
        bound = 1.0 / math.sqrt(frequencies)
        self.mix = nn.Parameter((torch.rand(columns, frequencies, width) * 2 - 1) * bound)
        self.shift = nn.Parameter(torch.zeros(columns, 1, width))

    def forward(self, z: Tensor) -> Tensor:
        """[n, N] standardised values to [n, N * width]."""
        waves = torch.cos(2 * math.pi * (z.unsqueeze(2) * self.frequency + self.phase))
        mixed = torch.matmul(waves.transpose(0, 1), self.mix) + self.shift
        return torch.relu(mixed).transpose(0, 1).flatten(1)


class TabularNetwork(nn.Module):
    """Raw `numeric` float32 [n, N] (NaN: missing) and `categorical` int64 [n, C] to what is served.

    `forward` gives a probability, the probabilities of classes, or a value in units of the label.
    `raw` gives what is trained, [n, outputs]. Served is `raw * spread + offset`, then a sigmoid or
    softmax for a classifier; see `Objective` for what the two stand for.
    """

    offset: Tensor
    spread: Tensor

    def __init__(self, shape: Shape, numeric: Tensor, *, classifier: bool) -> None:
        super().__init__()
        columns = numeric.shape[1]
        self.classifier, self.outputs = classifier, shape.outputs
        self.register_buffer("offset", torch.zeros(shape.outputs))
        self.register_buffer("spread", torch.ones(()))
        self.scale = RobustScale(numeric)
        self.periodic = PeriodicEmbedding(
            columns, shape.frequencies, shape.frequency_scale, shape.periodic_width
        )
        widths = [embedding_width(size) for size in shape.categories]
        self.embeddings = nn.ModuleList(
            nn.Embedding(size + 1, width)
            for size, width in zip(shape.categories, widths, strict=True)
        )
        for embedding in self.embeddings:
            nn.init.normal_(embedding.get_parameter("weight"), std=0.1)
        self.trunk = trunk(columns * (shape.periodic_width + 2) + sum(widths), shape)
        self.output = nn.Linear(shape.hidden, shape.outputs)

    def start(self, offset: Tensor, spread: Tensor, raw: Tensor) -> None:
        """Sets what turns raw output into what is served, and the raw output to start from."""
        self.offset.copy_(offset)
        self.spread.copy_(spread)
        with torch.no_grad():
            self.output.bias.copy_(raw)

    def hidden(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What the last hidden layer makes of the rows, [n, hidden]."""
        missing = torch.isnan(numeric)
        z = self.scale(numeric, missing)
        parts = [z, missing.to(z.dtype), self.periodic(z)]
        parts += [embed(categorical[:, i]) for i, embed in enumerate(self.embeddings)]
        return self.trunk(torch.cat(parts, dim=1))

    def raw(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is trained, [n, outputs]."""
        return self.output(self.hidden(numeric, categorical))

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """The probability of the positive class or the value [n], or of every class [n, K]."""
        value = self.raw(numeric, categorical) * self.spread + self.offset
        if self.outputs > 1:
            return torch.softmax(value, dim=1)
        return (torch.sigmoid(value) if self.classifier else value).squeeze(1)


def embedding_width(categories: int) -> int:
    """Width of the embedding of a column: 2 for a handful of categories, 16 at most."""
    return max(2, min(16, round(1.6 * categories**0.5)))


def trunk(width: int, shape: Shape) -> nn.Sequential:
    """The multi-layer perceptron over everything embedded, up to its last hidden layer."""
    parts: list[nn.Module] = []
    for _ in range(shape.layers):
        parts += [nn.Linear(width, shape.hidden), nn.SiLU(), nn.Dropout(shape.dropout)]
        width = shape.hidden
    return nn.Sequential(*parts)


def parameter_count(network: nn.Module) -> int:
    """How many trained numbers the network has."""
    return sum(parameter.numel() for parameter in network.parameters())
