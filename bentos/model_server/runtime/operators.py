"""The operators of ONNX opset 17 that a translated graph may use, in PyTorch.

Every operator takes its inputs (None where an optional one is left out) and its attributes.
Integers that say a shape, axes or a position are tensors on the host, so that none of them
makes the host wait for the device.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes], Tensor]

# ONNX's numbers of element types.
TYPES = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}


def _pointwise(function: Callable[..., Tensor]) -> Operator:
    return lambda inputs, attributes: function(*inputs)


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    a, b = inputs[0], inputs[1]
    bias = inputs[2] if len(inputs) > 2 else None
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    a = a.T if attributes.get("transA") else a
    weight = b if attributes.get("transB") else b.T
    if alpha == 1.0 and beta == 1.0:
        return functional.linear(a, weight, bias)
    product = alpha * functional.linear(a, weight)
    return product if bias is None else product + beta * bias


def _divide(inputs: Inputs, attributes: Attributes) -> Tensor:
    a, b = inputs
    whole = not (a.is_floating_point() or b.is_floating_point())
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, indices = inputs
    axis = attributes.get("axis", 0) % data.dim()
    if indices.dim() == 0:
        # From the host: one row or column, no copy.
        return data.select(axis, int(indices))
    taken = data.movedim(axis, 0)[indices]
    dims = range(indices.dim())
    return taken.movedim(tuple(dims), tuple(axis + dim for dim in dims))


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = (*inputs[1:], None, None)[:2]
    return torch.clamp(inputs[0], low, high)


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, starts, ends = inputs[0], *(_integers(part) for part in inputs[1:3])
    axes = _integers(inputs[3]) if len(inputs) > 3 else list(range(len(starts)))
    steps = _integers(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    parts = [slice(None)] * data.dim()
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        parts[axis] = slice(start, min(end, data.shape[axis]), step)
    return data[tuple(parts)]


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, shape = inputs[0], _integers(inputs[1])
    return data.reshape([data.shape[i] if size == 0 else size for i, size in enumerate(shape)])


def _flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    axis = attributes.get("axis", 1)
    rows = 1
    for size in inputs[0].shape[:axis]:
        rows *= size
    return inputs[0].reshape(rows, -1)


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, axes = inputs[0], _integers(inputs[1])
    for axis in sorted(axis % (data.dim() + len(axes)) for axis in axes):
        data = data.unsqueeze(axis)
    return data


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    return (
        inputs[0].squeeze(tuple(_integers(inputs[1]))) if len(inputs) > 1 else inputs[0].squeeze()
    )


def _reduction(function: Callable[..., Tensor]) -> Operator:
    def reduced(inputs: Inputs, attributes: Attributes) -> Tensor:
        axes = _integers(inputs[1]) if len(inputs) > 1 else list(attributes.get("axes", ()))
        axes = axes or list(range(inputs[0].dim()))
        return function(inputs[0], dim=axes, keepdim=bool(attributes.get("keepdims", 1)))

    return reduced


def _normalized(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, scale = inputs[0], inputs[1]
    shape = data.shape[attributes.get("axis", -1) % data.dim() :]
    bias = inputs[2] if len(inputs) > 2 else None
    return functional.layer_norm(data, shape, scale, bias, attributes.get("epsilon", 1e-5))


def _batch_normalized(inputs: Inputs, attributes: Attributes) -> Tensor:
    data, scale, bias, mean, variance = inputs
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(data, mean, variance, scale, bias, eps=epsilon)


def _infinite(inputs: Inputs, attributes: Attributes) -> Tensor:
    positive = torch.isposinf(inputs[0]) & bool(attributes.get("detect_positive", 1))
    return positive | (torch.isneginf(inputs[0]) & bool(attributes.get("detect_negative", 1)))


def _integers(values: Tensor) -> list[int]:
    return [int(value) for value in values.reshape(-1).tolist()]


OPERATORS: Mapping[str, Operator] = {
    name: _pointwise(function)
    for name, function in {
        "Abs": torch.abs, "Add": torch.add, "And": torch.logical_and, "Cos": torch.cos,
        "Equal": torch.eq, "Erf": torch.erf, "Exp": torch.exp, "Greater": torch.gt,
        "GreaterOrEqual": torch.ge, "Identity": lambda x: x, "IsNaN": torch.isnan,
        "Less": torch.lt, "LessOrEqual": torch.le, "Log": torch.log, "MatMul": torch.matmul,
        "Max": torch.maximum, "Min": torch.minimum, "Mul": torch.mul, "Neg": torch.neg,
        "Not": torch.logical_not, "Or": torch.logical_or, "Pow": torch.pow,
        "Reciprocal": torch.reciprocal, "Relu": torch.relu, "Sigmoid": torch.sigmoid,
        "Sin": torch.sin, "Softplus": functional.softplus, "Sqrt": torch.sqrt, "Sub": torch.sub,
        "Tanh": torch.tanh, "Where": torch.where,
    }.items()
} | {
    "BatchNormalization": _batch_normalized,
    "Cast": lambda inputs, attributes: inputs[0].to(TYPES[attributes["to"]]),
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), dim=attributes["axis"]),
    "Div": _divide,
    "Elu": lambda inputs, a: functional.elu(inputs[0], a.get("alpha", 1.0)),
    "Expand": lambda inputs, a: inputs[0] * inputs[0].new_ones(_integers(inputs[1])),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "IsInf": _infinite,
    "LayerNormalization": _normalized,
    "LeakyRelu": lambda inputs, a: functional.leaky_relu(inputs[0], a.get("alpha", 0.01)),
    "LogSoftmax": lambda inputs, a: torch.log_softmax(inputs[0], a.get("axis", -1)),
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "Reshape": _reshape,
    "Shape": lambda inputs, attributes: torch.tensor(inputs[0].shape),
    "Slice": _slice,
    "Softmax": lambda inputs, a: torch.softmax(inputs[0], a.get("axis", -1)),
    "Squeeze": _squeeze,
    "Transpose": lambda inputs, attributes: inputs[0].permute(*attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}  # fmt: skip
