"""PyTorch runs what onnxruntime runs, and is chosen where a GPU is."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from bentos.model_server.runtime import choice
from bentos.model_server.runtime.buckets import Buckets
from bentos.model_server.runtime.cpu import CpuRuntime, GraphUnusable
from bentos.model_server.runtime.gpu import BF16_TOLERANCE, difference, examples, gpu_runtime
from bentos.model_server.runtime.translated import GraphUntranslatable, TranslatedGraph
from mlplat_assets.models.artefact import export_graph
from mlplat_assets.models.trainers.network import Shape, TabularNetwork
from tests.bentos.artefacts import PREPROCESSING, write_artefact

CATEGORIES = (5, 30)
NUMERIC = 7


def network(outputs: int = 1, *, classifier: bool = True) -> TabularNetwork:
    torch.manual_seed(outputs)
    shape = Shape(
        categories=CATEGORIES, outputs=outputs, hidden=48, layers=2, dropout=0.1,
        frequencies=8, frequency_scale=0.2, periodic_width=4,
    )  # fmt: skip
    rows = torch.randn(200, NUMERIC) * 50
    rows[::9] = torch.nan
    return TabularNetwork(shape, rows, classifier=classifier)


def exported(module: nn.Module, folder: Path) -> bytes:
    export_graph(module, NUMERIC, len(CATEGORIES), path=folder / "model.onnx")
    return (folder / "model.onnx").read_bytes()


class Custom(nn.Module):
    """A team's own module: normalisation, attention-like pooling, reshapes from the row count."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CATEGORIES[1] + 1, NUMERIC)
        self.layers = nn.Sequential(
            nn.LayerNorm(NUMERIC), nn.Linear(NUMERIC, 12), nn.GELU(), nn.BatchNorm1d(12),
            nn.Linear(12, 1), nn.Softplus(),
        )  # fmt: skip

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        filled = torch.nan_to_num(torch.where(torch.isnan(numeric), 0.0, numeric))
        pair = torch.stack([torch.tanh(filled / 100), self.embedding(categorical[:, 1])], dim=1)
        weights = torch.softmax(pair.sum(dim=2, keepdim=True), dim=1)
        pooled = (pair * weights).mean(dim=1).view(numeric.shape[0], -1)
        return self.layers(pooled)[:, 0].clamp(max=50.0)


@pytest.mark.parametrize(
    "module",
    [network(), network(classifier=False), network(outputs=4), Custom().eval()],
    ids=["binary", "regression", "multiclass", "custom"],
)
def test_both_runtimes_predict_the_same(module: nn.Module, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, of nan_to_num
        graph = exported(module, tmp_path)
    rows = examples(NUMERIC, CATEGORIES)
    wanted = CpuRuntime(graph, 1)(*rows)
    exact = Buckets(TranslatedGraph(graph), numeric=NUMERIC, categorical=2, device="cpu")
    assert difference(exact(*rows), wanted) < 1e-5
    quick = Buckets(
        TranslatedGraph(graph), numeric=NUMERIC, categorical=2, device="cpu", precision="bf16"
    )
    assert 0 < difference(quick(*rows), wanted) <= BF16_TOLERANCE


@pytest.mark.parametrize("module", [network(), Custom().eval()], ids=["network", "custom"])
def test_no_step_takes_a_value_from_the_device_or_mixes_the_two(
    module: nn.Module, tmp_path: Path
) -> None:
    """Else it could not be recorded: a tensor on the device `meta` has no value to look at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, of nan_to_num
        graph = TranslatedGraph(exported(module, tmp_path)).to("meta")
    numeric = torch.zeros(5, NUMERIC, device="meta")
    categorical = torch.zeros(5, 2, dtype=torch.int64, device="meta")
    assert graph(numeric, categorical).shape == (5,)


def test_batches_of_any_size_are_padded_and_split(tmp_path: Path) -> None:
    module = network()
    runtime = Buckets(module, numeric=NUMERIC, categorical=2, device="cpu", sizes=(1, 4, 16))
    numeric, categorical = examples(NUMERIC, CATEGORIES)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(numeric), torch.from_numpy(categorical)).numpy()
    for rows in (0, 1, 2, 4, 5, 16, 17, 100, 3):
        found = runtime(numeric[:rows], categorical[:rows])
        assert found.shape == (rows,)
        np.testing.assert_allclose(found, wanted[:rows], atol=1e-6)


def test_a_network_that_bf16_cannot_carry_is_served_in_fp32(tmp_path: Path) -> None:
    module = network(classifier=False)
    assert gpu_runtime(exported(module, tmp_path), NUMERIC, CATEGORIES, "cpu").precision == "bf16"
    with torch.no_grad():
        # A large number less a large number: bf16 keeps 8 bits of each.
        module.output.weight.mul_(1e4)
        module.output.bias.sub_(1e4)
        module.offset += 1e4
    graph = exported(module, tmp_path)
    assert gpu_runtime(graph, NUMERIC, CATEGORIES, "cpu").precision == "fp32"


def test_an_operator_without_counterpart_is_named() -> None:
    node = helper.make_node("Hardmax", ["numeric"], ["prediction"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "odd",
        [value("numeric", TensorProto.FLOAT, ["n", 2])],
        [value("prediction", TensorProto.FLOAT, ["n", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(GraphUntranslatable, match="Hardmax"):
        TranslatedGraph(model.SerializeToString())


def test_without_a_gpu_onnxruntime_predicts(tmp_path: Path) -> None:
    graph = (write_artefact(tmp_path, bias=0.0) / "model.onnx").read_bytes()
    assert isinstance(onnx.load_from_string(graph), onnx.ModelProto)
    expected = Buckets if choice.has_gpu() else CpuRuntime
    assert type(choice.runtime(graph, PREPROCESSING, 1, gpu=True)) is expected
    assert type(choice.runtime(graph, PREPROCESSING, 1, gpu=False)) is CpuRuntime


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(GraphUnusable):
        choice.runtime(b"no graph", PREPROCESSING, 1, gpu=True)
