"""Whether rows of a graph are predicted to the same bit whatever other rows are in the batch.

A unit's answer must not depend on who else asked in that millisecond, and batch scoring must give
what was served. Measured with onnxruntime 1.31 on x86-64, 4,000 rows in batches of 1 to 100:

- Most kernels compute the last elements of a tensor like the others: EXACT below, 0 differences.
- Cos, Sin, Log, Softplus and Elu compute those beyond a multiple of the vector's width by other
  code, which differs in the last bit of 3 to 30% of them. With rows in multiples of 16 there are
  none: 0 differences.
- DynamicQuantizeLinear scales by the greatest value of the whole batch: rows go alone.
"""

import re
from typing import Literal

Batching = Literal["free", "padded", "alone"]

PADDED_TO = 16
# fmt: off
EXACT = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Div",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gemm", "Greater",
    "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "OneHot", "Or", "Pad", "Pow",
    "Range", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Round",
    "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum",
    "Tanh", "Tile", "Transpose", "Unsqueeze", "Where", "Xor",
})
# fmt: on
# The field `op_type` of an ONNX node: its tag, its length, its text. Other bytes that happen to
# look like it make a graph "padded" at worst.
_OPERATOR = re.compile(rb"\x22([\x02-\x30])([A-Z][A-Za-z]+)")


def batching_of(graph: bytes) -> Batching:
    """How the rows of a serialised ONNX graph may be run together."""
    operators = {
        found[2][: found[1][0]].decode()
        for found in _OPERATOR.finditer(graph)
        if len(found[2]) >= found[1][0]
    }
    if "DynamicQuantizeLinear" in operators:
        return "alone"
    return "free" if operators <= EXACT else "padded"
