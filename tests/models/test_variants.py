"""Forms of a network: measured beside PyTorch, kept or refused, and served as the card says."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from mlplat_assets.model_spec import Gate, Int8
from mlplat_assets.models.artefact import export_graph
from mlplat_assets.models.variants import (
    GraphDiffers,
    Rows,
    build_variants,
    quantise,
)
from mlplat_assets.statistics.intervals import days_of
from resources.digests import digest_of_file
from tests.models.search.problem import searching

COUNT = 3000


class Scorer(nn.Module):
    """Two layers over two numbers and a category."""

    def __init__(self, width: int = 64, factor: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.embed = nn.Embedding(4, 3)
        self.layers = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 1))
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.factor = factor

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        known = torch.nan_to_num(numeric)
        joined = torch.cat([known, self.embed(categorical[:, 0])], dim=1)
        return torch.sigmoid(self.layers(joined).squeeze(1) * self.factor)


def exported(folder: Path, network: nn.Module) -> Path:
    folder.mkdir(exist_ok=True)
    export_graph(network, 2, 1, folder / "model.onnx")
    return folder


def rows_of(network: nn.Module) -> Rows:
    generator = np.random.default_rng(3)
    numeric = generator.normal(size=(COUNT, 2)).astype(np.float32)
    numeric[::7, 0] = np.nan
    categorical = generator.integers(0, 4, (COUNT, 1))
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(numeric), torch.from_numpy(categorical)).numpy()
    first = date(2013, 1, 1)
    return Rows(
        inputs={"numeric": numeric, "categorical": categorical},
        truth=(generator.random(COUNT) < found).astype(np.float64),
        reference=found,
        units=days_of([first + timedelta(days=i * 20 // COUNT) for i in range(COUNT)]),
    )


def declaring(tolerance: float, serves: bool = False) -> Any:
    int8 = Int8(tolerance=tolerance, serves=serves)
    return replace(searching(), gates=(Gate(metric="auc"),), int8=int8)


def test_the_exported_graph_is_the_network_and_int8_is_close_small_and_kept(
    tmp_path: Path,
) -> None:
    network = Scorer(width=512, factor=0.05)
    folder = exported(tmp_path / "artefact", network)
    floats, integers = build_variants(folder, declaring(0.02), rows_of(network)).reports
    assert (floats.name, floats.usable) == ("fp32", True)
    assert floats.difference <= 1e-5
    assert floats.batch_difference <= 1e-6
    assert abs(floats.loss[0]) < 1e-6
    assert (integers.name, integers.usable) == ("int8", True)
    assert 0 < integers.difference < 0.2
    assert integers.loss[1] <= integers.loss[0] <= integers.loss[2] <= 0.02
    assert integers.digest == digest_of_file(folder / "model.int8.onnx")
    assert integers.size == (folder / "model.int8.onnx").stat().st_size
    kinds = {node.op_type for node in onnx.load(folder / "model.int8.onnx").graph.node}
    assert kinds & {"MatMulInteger", "DynamicQuantizeMatMul"}
    assert all(r.microseconds > 0 and r.rows_per_second > 0 for r in (floats, integers))
    json.dumps([report.json() for report in (floats, integers)], allow_nan=False)


def test_int8_depends_on_who_shares_the_batch_and_says_so(tmp_path: Path) -> None:
    """Its scale is that of the greatest activation of a batch: no property of 32-bit floats."""
    network = Scorer()
    folder = exported(tmp_path / "artefact", network)
    _, integers = build_variants(folder, declaring(1.0), rows_of(network)).reports
    assert integers.batch_difference > 1e-4


def test_int8_that_loses_too_much_is_recorded_with_the_reason_and_removed(tmp_path: Path) -> None:
    """One weight a thousand times the others leaves them no step of the 8-bit scale."""
    network = Scorer()
    network.layers[0].weight.data[0, 0] = 1000.0  # pyright: ignore
    network.layers[2].weight.data[0, 0] = 0.0  # pyright: ignore
    folder = exported(tmp_path / "artefact", network)
    _, refused = build_variants(folder, declaring(0.002), rows_of(network)).reports
    assert not refused.usable
    assert refused.loss[0] > 0.002
    assert refused.reason.startswith("auc loses 0.")
    assert refused.reason.endswith("tolerated is 0.002")
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


def test_what_is_not_proven_is_not_kept(tmp_path: Path) -> None:
    """The loss is within the tolerance, its interval is not."""
    network = Scorer()
    folder = exported(tmp_path / "artefact", network)
    rows = rows_of(network)
    _, probed = build_variants(folder, declaring(1.0), rows).reports
    assert probed.loss[0] < probed.loss[2]
    between = (probed.loss[0] + probed.loss[2]) / 2
    _, refused = build_variants(folder, declaring(between), rows).reports
    assert not refused.usable


def test_a_graph_that_is_another_function_is_refused(tmp_path: Path) -> None:
    network = Scorer()
    folder = exported(tmp_path / "artefact", Scorer(factor=1.01))
    with pytest.raises(GraphDiffers, match=r"model\.onnx: .* from PyTorch's predictions"):
        build_variants(folder, declaring(1.0), rows_of(network))


@pytest.mark.parametrize(("tolerance", "served"), [(1.0, "int8"), (-1.0, "fp32")])
def test_what_is_declared_to_serve_serves_unless_it_was_refused(
    tolerance: float, served: str, tmp_path: Path
) -> None:
    network = Scorer()
    folder = exported(tmp_path / "artefact", network)
    forms = build_variants(folder, declaring(tolerance, serves=True), rows_of(network))
    assert forms.card()["variant"] == served
    assert [entry["name"] for entry in forms.card()["variants"]] == ["fp32", "int8"]
    assert set(forms.files(folder)) == ({"model.int8.onnx"} if served == "int8" else set())


def test_no_variant_is_made_unasked(tmp_path: Path) -> None:
    network = Scorer()
    folder = exported(tmp_path / "artefact", network)
    forms = build_variants(folder, replace(declaring(1.0), int8=None), rows_of(network))
    assert [report.name for report in forms.reports] == ["fp32"]
    assert forms.files(folder) == {}
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("variant", [None, "fp32", "int8"])
def test_the_form_that_the_card_names_is_the_one_that_predicts(
    variant: str | None, tmp_path: Path
) -> None:
    network = Scorer()
    folder = exported(tmp_path / "artefact", network)
    quantise(folder / "model.onnx", folder / "model.int8.onnx")
    inputs = {"numeric": ["a", "b"], "categorical": {"c": ["x", "y", "z"]}}
    (folder / "preprocessing.json").write_text(json.dumps(inputs))
    row = {"a": [0.3], "b": [-1.0], "c": ["y"]}
    expected = Predictor.load(folder, variant=variant or "fp32").predict(row)
    (folder / "card.json").write_text(json.dumps({"variant": variant} if variant else {}))
    assert Predictor.load(folder).predict(row) == expected
    other = "int8" if variant != "int8" else "fp32"
    assert Predictor.load(folder, variant=other).predict(row) != expected


@pytest.mark.parametrize("named", ["../model", "int4"])
def test_a_card_cannot_name_another_file(named: str, tmp_path: Path) -> None:
    folder = exported(tmp_path / "artefact", Scorer())
    (folder / "preprocessing.json").write_text('{"numeric": ["a"], "categorical": {}}')
    (folder / "card.json").write_text(json.dumps({"variant": named}))
    with pytest.raises(ArtifactUnusable, match=named):
        Predictor.load(folder)
