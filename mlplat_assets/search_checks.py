"""What is wrong with the search of a model's declaration."""

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.search_spec import Choice, IntRange, Uniform


def check_search(model: Declared[ModelSpec]) -> None:
    """Refuse a search that could not run, or that would begin outside of its own space.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    search = model.spec.search
    if search is None:
        return
    if not search.space:
        raise DeclarationError(model.file, "search.space", "is empty", "Name a hyperparameter.")
    if search.trials < 1:
        fact = f"{search.trials} is no number of trials"
        raise DeclarationError(model.file, "search.trials", fact, "Give 1 or more.")
    metrics = METRICS[model.spec.task]
    if search.metric is not None and search.metric not in metrics:
        fact = f"{search.metric!r} is no metric of {model.spec.task}"
        remedy = f"Use one of {', '.join(metrics)}."
        raise DeclarationError(model.file, "search.metric", fact, remedy)
    for name, part in search.space.items():
        problem = _of_part(part)
        declared = model.spec.hyperparameters.get(name)
        if problem is None and declared is not None and not _holds(part, declared):
            problem = (
                f"the declared {declared!r} is not in {part}",
                "Widen the space, or declare a value in it: the search begins there.",
            )
        if problem is not None:
            raise DeclarationError(model.file, f"search.space.{name}", *problem)


def _of_part(part: Uniform | IntRange | Choice) -> tuple[str, str] | None:
    """What is wrong with the range of one hyperparameter: the fact, the remedy."""
    if isinstance(part, Choice):
        if len(set(part.options)) < 2 or len(set(part.options)) < len(part.options):
            return f"{part.options} is no choice", "Give two different values or more."
        return None
    if not part.low < part.high:
        return f"{part.low} is not below {part.high}", "Swap or correct them."
    if part.log and part.low <= 0:
        return f"{part.low} has no logarithm", "Begin above zero, or leave log out."
    return None


def _holds(part: Uniform | IntRange | Choice, value: float | int | str | bool) -> bool:
    if isinstance(part, Choice):
        return value in part.options
    if isinstance(value, (str, bool)) or (isinstance(part, IntRange) and value != int(value)):
        return False
    return part.low <= value <= part.high
