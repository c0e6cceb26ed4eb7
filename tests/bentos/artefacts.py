"""A tiny real artefact: p = sigmoid(temp + bias + distance / 1000 + weight of the carrier)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = "flights.arrival_delay"
CARRIERS = ["AA", "B6", "UA"]
PREPROCESSING: dict[str, Any] = {
    "numeric": ["distance", "weather__temp"],
    "categorical": {"carrier": CARRIERS, "is_holiday": ["false", "true"]},
}


def card(on_missing: str = "predict") -> dict[str, Any]:
    """A card with two entities, three context fields and one feature view."""
    return {
        "format": 1,
        "model": MODEL,
        "task": "binary",
        "entities": [
            {"name": "carrier", "dtype": "string", "description": "", "minimum": None,
             "maximum": None, "allowed": []},
            {"name": "origin", "dtype": "string", "description": "airport", "minimum": None,
             "maximum": None, "allowed": ["EWR", "JFK", "LGA"]},
        ],
        "context": [
            {"name": "distance", "dtype": "float", "description": "miles", "minimum": 0.0,
             "maximum": 6000.0, "allowed": []},
            {"name": "seats", "dtype": "int", "description": "", "minimum": 1.0,
             "maximum": None, "allowed": []},
            {"name": "is_holiday", "dtype": "bool", "description": "", "minimum": None,
             "maximum": None, "allowed": []},
        ],
        "features": [
            {"column": "weather__temp", "view": "flights.weather", "feature": "temp",
             "dtype": "float"},
        ],
        "views": [
            {"name": "flights.weather", "entities": ["origin"], "ttl_seconds": 21600.0,
             "features": ["temp"]},
        ],
        "entity_features": ["carrier"],
        "serving": {"on_missing": on_missing},
        "drift": {}, "profile": {}, "lineage": {}, "training": {},
    }  # fmt: skip


def write_artefact(folder: Path, *, bias: float, document: dict[str, Any] | None = None) -> Path:
    """The artefact files in a folder; `bias` tells versions apart by their predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    document = document or card()
    (folder / "card.json").write_text(json.dumps(document))
    (folder / "preprocessing.json").write_text(json.dumps(PREPROCESSING))
    (folder / "model.onnx").write_bytes(_graph(bias, "classes" in document).SerializeToString())
    return folder


def fail_beyond(folder: Path, limit: float) -> Path:
    """Let an artefact give no number where distance / 1000 + temp is beyond a limit."""
    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.asarray(limit, np.float32), "limit"))
    (last,) = [node for node in graph.node if "prediction" in node.output]
    last.output[0] = "sound"
    graph.node.extend(
        [
            helper.make_node("Sub", ["limit", "linear"], ["gap"]),
            helper.make_node("Sqrt", ["gap"], ["root"]),
            helper.make_node("Mul", ["root", "zero"], ["nothing"]),
            helper.make_node("Squeeze", ["nothing", "axis"], ["nothing_of_each"]),
            helper.make_node("Add", ["sound", "nothing_of_each"], ["prediction"]),
        ]
    )
    onnx.save(model, folder / "model.onnx")
    return folder


def expected_prediction(
    *, bias: float, distance: float, temp: float | None, carrier: str | None
) -> float:
    """What the graph computes."""
    code = CARRIERS.index(carrier) + 1 if carrier in CARRIERS else 0
    logit = bias + distance / 1000 + (temp or 0.0) + 0.1 * code
    return float(1 / (1 + np.exp(-logit)))


def of_classes() -> dict[str, Any]:
    """The card of a model that answers `late` with the probability p, and `on_time` with 1 - p."""
    return card() | {"task": "multiclass", "classes": ["late", "on_time"]}


def _graph(bias: float, of_classes: bool) -> onnx.ModelProto:
    def constant(name: str, value: Any, dtype: Any) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value, dtype), name)

    nodes = [
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numeric"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["linear"]),
        helper.make_node("Cast", ["categorical"], ["codes"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["codes", "category_weights"], ["shift"]),
        helper.make_node("Add", ["linear", "shift"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["column"]),
    ]
    if of_classes:
        nodes.append(helper.make_node("Sub", ["one", "column"], ["rest"]))
        nodes.append(helper.make_node("Concat", ["column", "rest"], ["prediction"], axis=1))
    else:
        nodes.append(helper.make_node("Squeeze", ["column", "axis"], ["prediction"]))
    shape = ["n", 2] if of_classes else ["n"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("categorical", TensorProto.INT64, ["n", 2]),
        ],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, shape)],
        [
            constant("zero", 0.0, np.float32),
            constant("weights", [[0.001], [1.0]], np.float32),
            constant("category_weights", [[0.1], [0.0]], np.float32),
            constant("bias", [bias], np.float32),
            constant("axis", [1], np.int64),
            constant("one", 1.0, np.float32),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)
