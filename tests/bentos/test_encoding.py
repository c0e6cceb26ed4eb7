"""Columns to arrays, and predictions from them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.model_server.artefact.encoding import Encoder, RowEncoder, encode
from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from tests.bentos.artefacts import PREPROCESSING, expected_prediction, write_artefact

COLUMNS: dict[str, Any] = {
    "distance": [1, 2.5, None],
    "weather__temp": [None, math.nan, -3.0],
    "carrier": ["AA", "ZZ", None],
    "is_holiday": [True, False, None],
}


def test_missing_is_nan_and_missing_or_unseen_categories_are_zero() -> None:
    numeric, categorical = encode(COLUMNS, PREPROCESSING)
    assert numeric.dtype == np.float32
    assert categorical.dtype == np.int64
    np.testing.assert_array_equal(numeric, [[1, np.nan], [2.5, np.nan], [np.nan, -3]])
    np.testing.assert_array_equal(categorical, [[1, 2], [0, 1], [0, 0]])


@pytest.mark.parametrize("make", [pl.Series, pa.array, np.array], ids=["polars", "arrow", "numpy"])
def test_frames_encode_like_lists(make: Any) -> None:
    plain: dict[str, Any] = {
        "distance": [1.0, 2.5, math.nan],
        "weather__temp": [0.0, 0.0, -3.0],
        "carrier": ["AA", "ZZ", "UA"],
        "is_holiday": [True, False, True],
    }
    columns = {name: make(values) for name, values in plain.items()}
    for made, listed in zip(
        encode(columns, PREPROCESSING), encode(plain, PREPROCESSING), strict=True
    ):
        np.testing.assert_array_equal(made, listed)


def test_nulls_of_a_frame_are_missing() -> None:
    columns = {name: pl.Series(values, strict=False) for name, values in COLUMNS.items()}
    numeric, categorical = encode(columns, PREPROCESSING)
    assert np.isnan(numeric[0, 1])
    assert categorical[2].tolist() == [0, 0]


numeric_values = st.one_of(
    st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([1e39, -1e300, 2**53])
)
rows_of_all = st.lists(
    st.tuples(
        st.one_of(st.none(), st.booleans(), st.just("true")),
        numeric_values,
        st.text(max_size=2),
        st.one_of(st.none(), st.sampled_from(["AA", "B6", "UA", "ZZ", ""])),
        numeric_values,
    ),
    min_size=1,
    max_size=5,
)


@given(rows=rows_of_all)
@settings(max_examples=300, deadline=None)
def test_rows_encode_bit_for_bit_like_their_columns(rows: list[tuple[Any, ...]]) -> None:
    names = ("is_holiday", "weather__temp", "not in the model", "carrier", "distance")
    columns = {
        name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    expected = Encoder(PREPROCESSING)(columns)
    for made, wanted in zip(RowEncoder(PREPROCESSING, names)(rows), expected, strict=True):
        assert made.dtype == wanted.dtype
        np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize(
    "preprocessing",
    [
        {"numeric": ["a"], "categorical": {}},
        {"numeric": [], "categorical": {"b": ["x"]}},
        {"numeric": ["a"], "categorical": {"b": ["x"]}},
    ],
)
def test_rows_of_one_column_of_a_kind_or_none_encode_too(preprocessing: dict[str, Any]) -> None:
    rows = [(1.5, "x"), (None, "y")]
    columns = {"a": [1.5, None], "b": ["x", "y"]}
    made = RowEncoder(preprocessing, ("a", "b"))(rows)
    for found, wanted in zip(made, Encoder(preprocessing)(columns), strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)


def test_no_rows_encode_to_no_rows() -> None:
    numeric, categorical = encode({name: [] for name in COLUMNS}, PREPROCESSING)
    assert (numeric.shape, categorical.shape) == ((0, 2), (0, 2))


def test_a_missing_or_short_column_is_named() -> None:
    with pytest.raises(KeyError, match="carrier"):
        encode({"distance": [1], "weather__temp": [1], "is_holiday": [True]}, PREPROCESSING)
    with pytest.raises(ValueError, match="carrier"):
        encode(COLUMNS | {"carrier": ["AA"]}, PREPROCESSING)


def test_the_predictor_gives_what_the_graph_computes(tmp_path: Path) -> None:
    predictor = Predictor.load(write_artefact(tmp_path, bias=-1.0))
    columns = {**COLUMNS, "distance": [0.0, 500.0, 1000.0]}
    found = predictor.predict(columns)
    expected = [
        expected_prediction(bias=-1.0, distance=0, temp=None, carrier="AA"),
        expected_prediction(bias=-1.0, distance=500, temp=None, carrier="ZZ"),
        expected_prediction(bias=-1.0, distance=1000, temp=-3.0, carrier=None),
    ]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert predictor.columns == ("distance", "weather__temp", "carrier", "is_holiday")


def test_one_row_predicts_like_the_same_row_of_many(tmp_path: Path) -> None:
    predictor = Predictor.load(write_artefact(tmp_path, bias=0.3))
    columns = {
        "distance": [float(n) for n in range(50)],
        "weather__temp": [n / 10 for n in range(50)],
        "carrier": ["AA", "UA"] * 25,
        "is_holiday": [False] * 50,
    }
    together = predictor.predict(columns)
    for number in (0, 17, 49):
        alone = predictor.predict({name: [values[number]] for name, values in columns.items()})
        np.testing.assert_allclose(alone[0], together[number], rtol=1e-6)


@pytest.mark.parametrize("name", ["preprocessing.json", "model.onnx", "card.json"])
def test_a_broken_file_makes_the_artefact_unusable(tmp_path: Path, name: str) -> None:
    folder = write_artefact(tmp_path, bias=0.0)
    (folder / name).write_bytes(b"broken")
    with pytest.raises(ArtifactUnusable):
        Predictor.load(folder)


def test_a_missing_file_makes_the_artefact_unusable(tmp_path: Path) -> None:
    folder = write_artefact(tmp_path, bias=0.0)
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtifactUnusable, match=r"model\.onnx"):
        Predictor.load(folder)


def test_a_model_that_cannot_predict_missing_values_fails_its_warm_up(tmp_path: Path) -> None:
    predictor = Predictor.load(write_artefact(tmp_path, bias=math.nan))
    with pytest.raises(ArtifactUnusable, match="missing values"):
        predictor.warm_up()


def test_a_folder_without_a_card_still_predicts_for_training(tmp_path: Path) -> None:
    folder = write_artefact(tmp_path, bias=0.0)
    (folder / "card.json").unlink()
    assert Predictor.load(folder).card == {}
    assert json.loads((folder / "preprocessing.json").read_text()) == PREPROCESSING
