"""Declared types as Arrow's."""

from collections.abc import Mapping

import pyarrow as pa

from mlplat_assets.spec import DType

UTC_TIME = pa.timestamp("us", "UTC")
ARROW_TYPES: Mapping[DType, pa.DataType] = {
    "float": pa.float64(),
    "float32": pa.float32(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "timestamp": UTC_TIME,
    "list[float]": pa.list_(pa.float64()),
    "list[int]": pa.list_(pa.int64()),
    "list[string]": pa.list_(pa.string()),
}
