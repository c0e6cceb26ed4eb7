"""Whether what a module serves has the form that its task asks for, before hours are spent."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import export_graph
from mlplat_assets.models.trainers.contract import Problem, TrainerUnusable

# What the exporters of torch raise; those of its own hierarchy are RuntimeErrors.
_EXPORT_ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError)


def check_served_form(module: nn.Module, problem: Problem, path: str) -> None:
    """Refuses a module whose `forward` serves no such task, or does not export to ONNX.

    It is asked for the first three training rows and for one of missing values. Modes of the
    module and random numbers are as before afterwards.

    Raises:
        TrainerUnusable: The output has another shape or type, is not finite, is no probability,
            or the export fails.
    """
    was_training = module.training
    numeric, categorical = problem.train.numeric[:3], problem.train.categorical[:3]
    numeric = torch.cat([numeric, torch.full_like(numeric[:1], torch.nan)])
    categorical = torch.cat([categorical, torch.zeros_like(categorical[:1])])
    with torch.random.fork_rng(), torch.no_grad():
        output = module.eval()(numeric, categorical)
        refuse_output(output, len(numeric), problem, path)
        _refuse_without_export(module, problem, path)
    module.train(was_training)


def refuse_output(output: object, rows: int, problem: Problem, path: str) -> None:
    """Raises where the output of `forward` for `rows` rows is not what the task serves."""
    wanted = (rows, len(problem.classes)) if problem.classes else (rows,)
    if not isinstance(output, Tensor) or tuple(output.shape) != wanted:
        found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise TrainerUnusable(
            path,
            f"forward gives {found} for {rows} rows of a {problem.task} model",
            f"Return a tensor of shape {list(wanted)}: {_SERVES[problem.task]}.",
        )
    if not bool(torch.isfinite(output).all()):
        raise TrainerUnusable(
            path,
            f"forward gives {output.flatten().tolist()[:4]}, the last row being all missing",
            "NaN in numeric and 0 in categorical are missing values: replace them in forward.",
        )
    if problem.task != "regression" and not bool(((output >= 0) & (output <= 1)).all()):
        raise TrainerUnusable(
            path,
            f"forward gives {output.flatten().tolist()[:4]}, which are no probabilities",
            "Apply a sigmoid or a softmax in forward.",
        )
    if problem.classes and not torch.allclose(output.sum(1), torch.ones(rows), atol=1e-3):
        raise TrainerUnusable(
            path,
            f"the probabilities of a row add up to {output.sum(1).tolist()[:4]}",
            "Apply a softmax over the classes in forward.",
        )


def _refuse_without_export(module: nn.Module, problem: Problem, path: str) -> None:
    columns = len(problem.numeric), len(problem.categories)
    with tempfile.TemporaryDirectory(prefix="mlplat-") as scratch:
        try:
            export_graph(module, *columns, path=Path(scratch) / "model.onnx")
        except _EXPORT_ERRORS as error:
            raise TrainerUnusable(
                path,
                f"forward does not export to ONNX: {str(error).splitlines()[0][:300]}",
                "Use operators of ONNX opset 17 and no branch on values in forward.",
            ) from error


_SERVES: dict[Task, str] = {
    "binary": "the probability of 1 for each row",
    "multiclass": "the probability of each class for each row",
    "regression": "the value in units of the label for each row",
}
