"""Training side by side: speed against a bare loop and a per-row DataLoader, AUC against trees.

    MLPLAT_HOME=... python -m bench.training

Needs a home with the year of flights (`make demo`). Everything trains on January to August 2013,
stops by September and October, and is judged on November and December; each on one thread, three
seeds. Prints tables and writes bench/results/training.json.
"""

import json
import logging
import math
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.machine import machine
from bench.training_contenders import CONTENDERS, Encoded
from bench.training_data import LABEL, MINUTES, MODEL, Flights, flights
from bench.training_speed import ratio, speeds
from mlplat_assets.catalogue import catalogue
from mlplat_assets.metrics import score
from mlplat_assets.models.artefact import learn_preprocessing
from mlplat_assets.models.trainers.contract import Batch, Problem
from mlplat_assets.models.trainers.feeding import predict, tensors
from mlplat_assets.models.trainers.fitting import fit

_RESULTS = Path(__file__).resolve().parent / "results" / "training.json"
_SEEDS = (1, 2, 3)
_BATCH = 2048
_LIBRARIES = ("torch", "pytorch-lightning", "lightgbm", "scikit-learn", "numpy")
_METRICS = ("auc", "log_loss")
Result = dict[str, float]
Parts = tuple[Encoded, Encoded, Encoded]


def network(data: Flights, seed: int, folder: Path) -> np.ndarray:
    """The network as the platform trains it for the declared model, on the test rows."""
    spec = catalogue().models[MODEL].spec
    fitted = fit(
        data.train,
        data.validation,
        trainer=spec.trainer,
        label=LABEL,
        task="binary",
        numeric=data.inputs.numeric,
        categorical=data.inputs.categorical,
        auxiliary=[MINUTES],
        hyperparameters=spec.hyperparameters,
        seed=seed,
        folder=folder,
    )
    held = tensors(data.test, fitted.preprocessing, LABEL, "binary")
    return predict(fitted.module, held, 8192).numpy()


def encoded(data: Flights) -> tuple[Parts, Problem]:
    """The three parts as matrices, and the training rows as the network gets them."""
    inputs = data.inputs
    preprocessing = learn_preprocessing(data.train, inputs.numeric, inputs.categorical)
    parts = [
        tensors(part, preprocessing, LABEL, "binary", auxiliary=[MINUTES])
        for part in (data.train, data.validation, data.test)
    ]
    problem = Problem(
        task="binary",
        numeric=tuple(inputs.numeric),
        categories={name: len(known) for name, known in preprocessing["categorical"].items()},
        classes=(),
        auxiliary=(MINUTES,),
        train=parts[0],
    )
    train, validation, test = (_matrix(part) for part in parts)
    return (train, validation, test), problem


def _matrix(part: Batch) -> Encoded:
    columns = np.column_stack([part.numeric.numpy(), part.categorical.numpy()])
    return Encoded(
        columns=columns.astype(np.float32),
        target=part.target.numpy(),
        numeric=part.numeric.shape[1],
    )


def judged(run: Callable[[], np.ndarray], truth: np.ndarray) -> Result:
    """Metrics on the test rows, seconds by the wall and processor seconds of one training."""
    wall, busy = time.perf_counter(), time.process_time()
    predictions = run()
    seconds = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - busy,
    }
    found = score("binary", truth, predictions)
    return {**{name: found[name] for name in _METRICS}, **seconds}


def quality(data: Flights, parts: Parts, folder: Path) -> dict[str, list[Result]]:
    """Every model's results by seed; the models of one seed take turns."""
    truth = data.test[LABEL].to_numpy()
    found: dict[str, list[Result]] = {name: [] for name in ("network", *CONTENDERS)}
    for seed in _SEEDS:
        found["network"].append(judged(lambda s=seed: network(data, s, folder), truth))
        for name, contender in CONTENDERS.items():
            if name == "logistic" and found[name]:
                continue  # no chance in it: every seed gives the same
            found[name].append(judged(lambda s=seed, c=contender: c(*parts, s), truth))
    return found


def spread(results: list[Result]) -> dict[str, float]:
    """Means over seeds, the standard error of the AUC's, and the medians of the seconds."""
    aucs = [result["auc"] for result in results]
    deviation = statistics.stdev(aucs) if len(aucs) > 1 else 0.0
    return {
        "auc": round(statistics.mean(aucs), 4),
        "auc_standard_error": round(deviation / math.sqrt(len(aucs)), 5),
        "log_loss": round(statistics.mean(result["log_loss"] for result in results), 4),
        "seconds": round(statistics.median(result["seconds"] for result in results), 1),
        "cpu_seconds": round(statistics.median(result["cpu_seconds"] for result in results), 1),
    }


def document(
    data: Flights, rates: dict[str, list[float]], found: dict[str, list[Result]]
) -> dict[str, object]:
    """What goes into the file of results."""
    models = {name: spread(results) for name, results in found.items()}
    auc = {name: statistics.mean(r["auc"] for r in results) for name, results in found.items()}
    return {
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "workload": {
            "rows": {
                "train": data.train.height,
                "validation": data.validation.height,
                "test": data.test.height,
            },
            "numeric": len(data.inputs.numeric),
            "categorical": len(data.inputs.categorical),
            "batch_size": _BATCH,
            "seeds": list(_SEEDS),
            "clock_of_rows_per_s": "processor seconds of the process, one thread",
        },
        "rows_per_s": {name: round(statistics.median(rate)) for name, rate in rates.items()},
        "models": models,
        "auc_by_seed": {name: [round(r["auc"], 4) for r in rs] for name, rs in found.items()},
        "ratios": {
            "bare_loop": round(ratio(rates, "ours", "bare_loop"), 3),
            "row_dataloader": round(ratio(rates, "ours", "row_dataloader"), 2),
            "feeding": round(ratio(rates, "feeding_ours", "feeding_rows")),
            "auc_minus_lightgbm": round(auc["network"] - auc["lightgbm"], 4),
            "auc_minus_histgb": round(auc["network"] - auc["histgb"], 4),
            "auc_minus_logistic": round(auc["network"] - auc["logistic"], 4),
        },
    }


def printed(result: dict[str, object]) -> str:
    """The tables."""
    models: dict[str, Result] = result["models"]  # pyright: ignore[reportAssignmentType]
    rates: dict[str, int] = result["rows_per_s"]  # pyright: ignore[reportAssignmentType]
    ratios: dict[str, float] = result["ratios"]  # pyright: ignore[reportAssignmentType]
    lines = [f"{'test rows':<18}{'AUC':>8}{'s.e.':>9}{'log loss':>10}{'s':>8}{'CPU s':>8}"]
    lines += [
        f"{name:<18}{m['auc']:>8.4f}{m['auc_standard_error']:>9.5f}{m['log_loss']:>10.4f}"
        f"{m['seconds']:>8.1f}{m['cpu_seconds']:>8.1f}"
        for name, m in models.items()
    ]
    lines += ["", "rows/s"] + [f"{name:<18}{rate:>14,}" for name, rate in rates.items()]
    lines += ["", "ratios"] + [f"{name:<22}{value:>10}" for name, value in ratios.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints, and writes the file."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    # Lightning advises worker processes for the DataLoader that it is compared with.
    warnings.filterwarnings("ignore", ".*does not have many workers")
    data = flights()
    parts, problem = encoded(data)
    with TemporaryDirectory() as folder:
        rates = speeds(problem, _BATCH, Path(folder))
        found = quality(data, parts, Path(folder))
    result = document(data, rates, found)
    _RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(printed(result))


if __name__ == "__main__":
    main()
