"""The MLP 40-256-256-1 as ONNX: over named columns for ours, over 40 numbers for the peers."""

import itertools

import numpy as np
import onnx  # noqa: TID253
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253

from bench.serving_shape import COLUMNS, CONTEXT, ENTITIES

NUMERIC = (*CONTEXT, *COLUMNS)


def graph(seed: int, *, named: bool) -> bytes:
    """Weights drawn by the seed; inputs `numeric` and `categorical` if named, else `x` [n, 40]."""
    choice = np.random.default_rng(seed)
    widths = (len(NUMERIC) + len(ENTITIES), 256, 256, 1)
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    flowing = "x"
    for layer, (wide, narrow) in enumerate(itertools.pairwise(widths)):
        matrix = choice.normal(0, wide**-0.5, (wide, narrow)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"w{layer}"))
        weights.append(numpy_helper.from_array(np.zeros(narrow, np.float32), f"b{layer}"))
        nodes.append(helper.make_node("Gemm", [flowing, f"w{layer}", f"b{layer}"], [f"h{layer}"]))
        flowing = f"h{layer}"
        if layer < len(widths) - 2:
            nodes.append(helper.make_node("Relu", [flowing], [f"r{layer}"]))
            flowing = f"r{layer}"
    weights.append(numpy_helper.from_array(np.asarray([1], np.int64), "axis"))
    nodes.append(helper.make_node("Squeeze", [flowing, "axis"], ["prediction"]))
    inputs = {"x": (TensorProto.FLOAT, widths[0])}
    if named:
        weights.append(numpy_helper.from_array(np.asarray(0, np.float32), "zero"))
        nodes = [
            helper.make_node("IsNaN", ["numeric"], ["missing"]),
            helper.make_node("Where", ["missing", "zero", "numeric"], ["known"]),
            helper.make_node("Cast", ["categorical"], ["codes"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["known", "codes"], ["x"], axis=1),
            *nodes,
        ]
        inputs = {
            "numeric": (TensorProto.FLOAT, len(NUMERIC)),
            "categorical": (TensorProto.INT64, len(ENTITIES)),
        }
    whole = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info(n, kind, ["n", w]) for n, (kind, w) in inputs.items()],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    made: onnx.ModelProto = helper.make_model(whole, opset_imports=opset, ir_version=8)
    return made.SerializeToString()
