"""What is wrong with the variants of a model's declaration."""

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec


def check_variants(model: Declared[ModelSpec]) -> None:
    """Refuse a variant that is declared twice, or one to serve that is not declared.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    names = [variant.name for variant in model.spec.variants]
    for name in names:
        if names.count(name) > 1 or name == "fp32":
            fact = f"{name!r} is declared twice" if name != "fp32" else "'fp32' is always there"
            raise DeclarationError(model.file, "variants", fact, "Leave it out.")
    served = model.spec.serving.variant
    if served not in ("fp32", *names):
        raise DeclarationError(
            model.file,
            "serving.variant",
            f"{served!r} is not among the model's variants",
            f"Add Variant(name={served!r}) to variants, or leave it out.",
        )
