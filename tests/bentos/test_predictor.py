"""A row's prediction, whichever rows it is asked with."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bentos.model_server.artefact.predictor import Predictor
from bentos.model_server.runtime.cpu import CpuRuntime

ROWS, COLUMNS, WIDTH = 200, 41, 192


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Two dense layers, as wide as those of a network that is served, with a sigmoid."""
    chance = np.random.default_rng(20130101)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(chance.normal(0, 0.3, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Cos", ["numeric"], ["waves"]),
        helper.make_node("Gemm", ["waves", "first"], ["a"], transB=1),
        helper.make_node("Sigmoid", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "second"], ["c"], transB=1),
        helper.make_node("Sigmoid", ["c"], ["d"]),
        helper.make_node("Squeeze", ["d", "axis"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["rows"])],
        [
            weights("first", WIDTH, COLUMNS),
            weights("second", 1, WIDTH),
            numpy_helper.from_array(np.asarray([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    named = {"numeric": [f"n{i}" for i in range(COLUMNS)], "categorical": {}}
    return Predictor(CpuRuntime(model.SerializeToString(), 1), named, {})


INPUTS = np.random.default_rng(1).normal(size=(ROWS, COLUMNS))


def predicted(predictor: Predictor, rows: list[int]) -> np.ndarray:
    return predictor.predict({f"n{i}": INPUTS[rows, i] for i in range(COLUMNS)})


@settings(deadline=None)
@given(rows=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=70))
def test_a_prediction_has_the_same_bits_alone_and_among_others(
    predictor: Predictor, rows: list[int]
) -> None:
    alone = np.concatenate([predicted(predictor, [row]) for row in rows])
    assert predicted(predictor, rows).tobytes() == alone.tobytes()


def test_no_rows_have_no_predictions(predictor: Predictor) -> None:
    assert predicted(predictor, []).shape == (0,)
