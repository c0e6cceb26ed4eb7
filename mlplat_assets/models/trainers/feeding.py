"""Frames to tensors, and tensors to what is served."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor, nn

from bentos.model_server.artefact.encoding import encode
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import Preprocessing, input_columns
from mlplat_assets.models.trainers.contract import Batch


def class_names(label: pl.Series, task: Task) -> tuple[str, ...]:
    """The classes of a multiclass label, sorted as its values sort; else none.

    Raises:
        ValueError: The label has fewer than two classes, or is of a type that names none.
    """
    if task != "multiclass":
        return ()
    kind = label.dtype
    if not (kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Enum)):
        raise ValueError(f"label {label.name!r} of a multiclass model is {kind}; use texts or ints")
    plain = label if kind.is_integer() else label.cast(pl.String)
    names = tuple(plain.drop_nulls().unique().sort().cast(pl.String).to_list())
    if len(names) < 2:
        raise ValueError(
            f"label {label.name!r} has the classes {list(names)}; it needs two or more"
        )
    return names


def tensors(
    frame: pl.DataFrame,
    preprocessing: Preprocessing,
    label: str,
    task: Task,
    *,
    classes: Sequence[str] = (),
    auxiliary: Sequence[str] = (),
) -> Batch:
    """A frame as tensors; `classes` are those of the training rows.

    Raises:
        ValueError: The frame is empty, an auxiliary column is no number, or the label has nulls,
            infinities, for `binary` anything but 0 and 1, or a class that is not known.
    """
    target = class_indices(frame[label], classes) if classes else numbers(frame[label], task)
    numeric, categorical = encode(input_columns(frame, preprocessing), preprocessing)
    further = torch.full((len(frame), len(auxiliary)), torch.nan)
    for position, name in enumerate(auxiliary):
        if name not in frame.columns:
            raise ValueError(
                f"auxiliary column {name!r} is not in the training set; materialise it again"
            )
        if not (frame.schema[name].is_numeric() or frame.schema[name] in (pl.Boolean, pl.Null)):
            raise ValueError(f"auxiliary column {name!r} is {frame.schema[name]}; use a number")
        values = frame[name].cast(pl.Float32).fill_null(float("nan"))
        further[:, position] = torch.from_numpy(values.to_numpy().copy())
    return Batch(
        numeric=torch.from_numpy(numeric),
        categorical=torch.from_numpy(categorical),
        target=target,
        auxiliary=further,
    )


def numbers(label: pl.Series, task: Task) -> Tensor:
    """The target of a binary model or a regression, float32 [n]."""
    target = label.cast(pl.Float64)
    bad = target.len() - int((target.is_not_null() & target.is_finite()).sum())
    if target.is_empty() or bad:
        raise ValueError(
            f"label {label.name!r}: {bad} of {target.len()} rows are null or not finite"
        )
    if task == "binary" and not target.is_in([0.0, 1.0]).all():
        raise ValueError(
            f"label {label.name!r} of a binary model holds {target.unique()[:5].to_list()}"
        )
    return torch.from_numpy(target.to_numpy().astype("float32"))


def class_indices(label: pl.Series, classes: Sequence[str]) -> Tensor:
    """The target of a multiclass model: the index of each row's class, int64 [n]."""
    known = {name: index for index, name in enumerate(classes)}
    texts = label.cast(pl.String)
    codes = texts.replace_strict(known, default=None, return_dtype=pl.Int64)
    if label.is_empty() or codes.null_count():
        strange = texts.filter(codes.is_null()).unique().sort()[:5].to_list()
        raise ValueError(
            f"label {label.name!r}: {codes.null_count()} of {len(label)} rows hold {strange}, "
            f"which no training row has; known are {list(classes)[:10]}: widen the training period"
        )
    return torch.from_numpy(codes.to_numpy().copy())


def predict(module: nn.Module, rows: Batch, size: int) -> Tensor:
    """What is served for rows, in float32 on the CPU, `size` at a time, without dropout."""
    module.eval().cpu().float()
    pieces = zip(rows.numeric.split(size), rows.categorical.split(size), strict=True)
    with torch.inference_mode():
        return torch.cat([module(*piece) for piece in pieces])
