"""What is wrong with what a declaration says of retraining."""

from datetime import timedelta

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import parse_cron


def check_retrain(model: Declared[ModelSpec]) -> None:
    """Refuse a schedule that is none, and bounds that let nothing or everything through.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    retrain = model.spec.retrain

    def refuse(field: str, fact: str, remedy: str) -> None:
        raise DeclarationError(model.file, f"retrain.{field}", fact, remedy)

    if retrain.cron is not None and not parse_cron(retrain.cron):
        fact = f"{retrain.cron!r} is no cron expression"
        refuse("cron", fact, "Write five fields, for example '0 3 * * 1'.")
    if retrain.max_age is not None and retrain.max_age <= timedelta(0):
        refuse("max_age", f"{retrain.max_age} is no age", "Give one such as timedelta(days=30).")
    if retrain.cooldown < timedelta(0):
        refuse("cooldown", f"{retrain.cooldown} is negative", "Give timedelta(0) for none.")
    if retrain.budget < 1:
        remedy = "Give 1 or more; on_drift=False and no cron never retrains."
        refuse("budget", f"{retrain.budget} lets nothing through", remedy)
