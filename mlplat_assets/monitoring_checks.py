"""What is wrong with what a model declares to be watched, found when it is read."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring_spec import Monitoring
from mlplat_assets.references import AnyFeature, stored_features

# Where, what is wrong, and what to do.
Problem = tuple[str, str, str]


def check_monitoring(model: Declared[ModelSpec], features: Sequence[AnyFeature]) -> None:
    """Refuse promises that are always or never kept, and ages of views that are not read.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    views = sorted({feature.view.full_name for feature in stored_features(features)})
    for where, problem, remedy in _problems(model.spec.monitoring, views):
        raise DeclarationError(model.file, f"monitoring.{where}", problem, remedy)


def _problems(watched: Monitoring, views: Sequence[str]) -> Iterable[Problem]:
    if watched.label_delay < timedelta(0):
        yield "label_delay", f"{watched.label_delay} is before the decision", "Give zero or more."
    if watched.days < 1:
        yield "days", f"{watched.days} is no number of days", "Give 1 or more."
    if not watched.tolerance >= 0:
        yield "tolerance", f"{watched.tolerance} is no allowance", "Give zero or more."
    objectives = watched.objectives
    if objectives.p99_ms is not None and not objectives.p99_ms > 0:
        yield "objectives.p99_ms", f"{objectives.p99_ms} is met by nothing", "Give one above 0."
    if objectives.error_share is not None and not 0 <= objectives.error_share < 1:
        yield (
            "objectives.error_share",
            f"{objectives.error_share} is no share of requests",
            "Give one from 0 to below 1, such as 0.01.",
        )
    for view in watched.feature_age:
        if view not in views:
            yield "feature_age", f"{view!r} is not read", f"Use one of {', '.join(views)}."
