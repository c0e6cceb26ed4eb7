"""The artefact of a candidate: a folder of plain files that any runtime can load, no pickle."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import polars as pl

if TYPE_CHECKING:
    from torch import nn

    from mlplat_assets.models.trainers.fitting import Fitted

WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"
PREPROCESSING = "preprocessing.json"
CARD = "card.json"
OPSET = 17


class Preprocessing(TypedDict):
    """The inputs of a graph: their order, and the code of each category (its index + 1)."""

    numeric: list[str]
    categorical: dict[str, list[str]]


def learn_preprocessing(
    train: pl.DataFrame, numeric: Sequence[str], categorical: Sequence[str]
) -> Preprocessing:
    """The order of the inputs and each categorical column's vocabulary, sorted.

    Raises:
        ValueError: There is no column, one is absent from the frame, or not of its kind.
    """
    if not numeric and not categorical:
        raise ValueError("the model has no input column; declare features or context")
    for name in (*numeric, *categorical):
        if name not in train.columns:
            raise ValueError(
                f"input column {name!r} is not in the training set {train.columns}; "
                "materialise it again if the features changed since"
            )
    for name in numeric:
        kind = train.schema[name]
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            raise ValueError(f"numeric column {name!r} is {kind}; declare it as string")
    for name in categorical:
        kind = train.schema[name]
        if kind not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
            raise ValueError(f"categorical column {name!r} is {kind}; declare it as float or int")
    return {
        "numeric": list(numeric),
        "categorical": {
            name: train[name].drop_nulls().cast(pl.String).unique().sort().to_list()
            for name in categorical
        },
    }


def input_columns(
    frame: pl.DataFrame, preprocessing: Mapping[str, Any]
) -> dict[str, Sequence[object]]:
    """The columns of a frame as `encode` takes them: floats with NaN, strings with None."""
    columns: dict[str, Any] = {}
    for name in preprocessing["numeric"]:
        columns[name] = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    for name in preprocessing["categorical"]:
        columns[name] = frame[name].cast(pl.String).to_list()
    return columns


def write_artefact(
    folder: Path,
    fitted: "Fitted",
    card: Mapping[str, object],
    sources: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes weights, graph, preprocessing, card and sources into `folder`, made if need be.

    `sources` are the files of on-demand views, by their name in the folder.

    The same fitted network and card give the same bytes.

    Raises:
        ValueError: The card holds NaN or infinity.
        FileExistsError: The folder already holds something else's files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; an artefact is written into a new folder")
    (folder / WEIGHTS).write_bytes(fitted.weights)
    inputs = fitted.preprocessing
    columns = len(inputs["numeric"]), len(inputs["categorical"])
    export_graph(fitted.served, *columns, path=folder / GRAPH)
    # The order of preprocessing's columns is the order of the graph's inputs: not to be sorted.
    for name, content, ordered in ((PREPROCESSING, inputs, False), (CARD, card, True)):
        text = json.dumps(content, indent=1, sort_keys=ordered, allow_nan=False, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    for name, source in (sources or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(source)
    return folder


def export_graph(network: "nn.Module", numeric: int, categorical: int, path: Path) -> None:
    """Writes the network as ONNX, rows free, everything from raw inputs to prediction inside."""
    import torch

    # Two rows, one with everything missing: the tracer sees no batch size of 1 to fold away.
    example = (torch.zeros(2, numeric), torch.zeros(2, categorical, dtype=torch.int64))
    example[0][1] = torch.nan
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but the dynamo one needs onnxscript and takes
        # 10 times as long for a graph this small.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            example,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["numeric", "categorical"],
            output_names=["prediction"],
            dynamic_axes={name: {0: "rows"} for name in ("numeric", "categorical", "prediction")},
        )
