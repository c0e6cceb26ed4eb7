"""What is wrong with the trainer of a model's declaration and what it is asked to learn."""

import importlib.util
from typing import get_args

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import Calibration, ModelSpec
from mlplat_assets.references import LabelColumn
from mlplat_assets.spec import NUMERIC


def check_trainer(model: Declared[ModelSpec], label: LabelColumn) -> None:
    """Refuse a trainer that is no import path, or auxiliary outcomes that cannot be learnt.

    The module is looked for, not imported: that would load torch for every declaration.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    path = model.spec.trainer
    module, _, attribute = path.partition(":")
    if not attribute.isidentifier() or not _exists(module):
        raise DeclarationError(
            model.file,
            "trainer",
            f"{path!r} is not 'package.module:Class' of an importable module",
            "Correct it, or install the package.",
        )
    kinds = get_args(Calibration)
    if model.spec.calibration not in kinds:
        raise DeclarationError(
            model.file,
            "calibration",
            f"{model.spec.calibration!r} is unknown",
            f"Use one of {', '.join(kinds)}.",
        )
    if model.spec.calibration == "isotonic" and model.spec.task != "binary":
        raise DeclarationError(
            model.file,
            "calibration",
            f"isotonic calibrates one probability, and this model is {model.spec.task}",
            "Use temperature, or none.",
        )
    _check_auxiliary(model, label)


def _check_auxiliary(model: Declared[ModelSpec], label: LabelColumn) -> None:
    outcomes = {column.name: column for column in label.table.spec.columns}
    inputs = {*(field.name for field in model.spec.context), *model.spec.entity_features}
    for name in model.spec.auxiliary:
        fact = None
        if name not in outcomes:
            fact = f"{name!r} is no column of label {label.table.full_name}"
        elif outcomes[name].dtype not in (*NUMERIC, "bool"):
            fact = f"{name!r} is {outcomes[name].dtype}, and only a number can be learnt beside"
        elif name == label.column or model.spec.auxiliary.count(name) > 1:
            fact = f"{name!r} is learnt twice"
        elif name in inputs:
            fact = f"{name!r} is an input as well, and would give itself away"
        if fact is not None:
            raise DeclarationError(
                model.file, "auxiliary", fact, "Name further outcomes of the label table, or none."
            )


def _exists(module: str) -> bool:
    """Whether a dotted name leads to a module; finding it imports its parents only."""
    names = module.split(".")
    if not all(name.isidentifier() for name in names):
        return False
    parents = (".".join(names[:end]) for end in range(1, len(names) + 1))
    return all(importlib.util.find_spec(name) is not None for name in parents)
