"""The peers' network as an MLflow model of its ONNX flavour."""

from pathlib import Path


def save_for_mlflow(network: Path, folder: Path) -> None:
    """Write the model that `mlflow models serve` loads."""
    import mlflow.onnx as flavour
    import onnx

    flavour.save_model(
        onnx.load(network),
        folder,
        pip_requirements=["onnxruntime"],
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        save_as_external_data=False,
    )
