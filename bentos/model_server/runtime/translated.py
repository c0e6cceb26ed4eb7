"""An ONNX graph as a PyTorch module, so that a GPU runs exactly what was evaluated.

The graph and not the training code: an artefact of any trainer is served from its own files.
"""

from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from bentos.model_server.runtime.operators import OPERATORS, TYPES, Operator

INPUTS = ("numeric", "categorical")
OUTPUT = "prediction"


class GraphUntranslatable(ValueError):
    """The graph uses what PyTorch is not taught here."""


class Step(NamedTuple):
    """One node: its operator, the names that it reads ("" for none) and the one that it makes."""

    operator: Operator
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class TranslatedGraph(nn.Module):
    """Raw `numeric` float32 [n, N] and `categorical` int64 [n, C] to predictions [n] or [n, K]."""

    def __init__(self, graph: bytes) -> None:
        """From the bytes of an ONNX file.

        Raises:
            GraphUntranslatable: An operator, a type or an output is not supported.
        """
        super().__init__()
        parsed = onnx.load_from_string(graph).graph
        self._host: dict[str, Tensor] = {}
        self._buffers_of: dict[str, str] = {}
        self._steps: list[Step] = []
        for tensor in parsed.initializer:
            self._hold(tensor.name, numpy_helper.to_array(tensor))
        for node in parsed.node:
            self._take(node)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Predictions in float32."""
        known: dict[str, Any] = {"": None, INPUTS[0]: numeric, INPUTS[1]: categorical, **self._host}
        known |= {name: self.get_buffer(buffer) for name, buffer in self._buffers_of.items()}
        for step in self._steps:
            known[step.output] = step.operator(
                [known[name] for name in step.inputs], step.attributes
            )
        return known[OUTPUT].float()

    def _take(self, node: onnx.NodeProto) -> None:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            if "value" not in attributes:
                raise GraphUntranslatable(f"a Constant has {sorted(attributes)}, expected a value")
            self._hold(node.output[0], numpy_helper.to_array(attributes["value"]))
            return
        unsupported = node.domain or node.op_type not in OPERATORS or len(node.output) != 1
        if unsupported or attributes.get("to", 1) not in TYPES:
            raise GraphUntranslatable(
                f"operator {node.domain or 'ai.onnx'} {node.op_type} with "
                f"{len(node.output)} outputs and {sorted(attributes)} has no counterpart in PyTorch"
            )
        step = Step(OPERATORS[node.op_type], tuple(node.input), node.output[0], attributes)
        self._steps.append(step)

    def _hold(self, name: str, values: np.ndarray) -> None:
        tensor = torch.from_numpy(values.copy())
        if tensor.dtype == torch.int64 and tensor.dim() <= 1:
            self._host[name] = tensor  # a shape, axes or a position
            return
        buffer = f"constant_{len(self._buffers_of)}"  # names in a graph have dots
        self._buffers_of[name] = buffer
        self.register_buffer(buffer, tensor)
