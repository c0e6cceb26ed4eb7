"""`mlplat package`: the folder that a model's image is built from."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.serve import production_tag
from resources.settings import Settings


def package(settings: Settings, console: Console, model: str, output: Path | None) -> None:
    """Write the recipe of the image of a model's production version.

    Raises:
        LookupError: The model has no production version, or its Bento is not built.
        ValueError: The folder holds something else.
    """
    from bentos.container import write_recipe
    from bentos.packaging import bento_folder, folder_bytes

    tag = production_tag(settings, model)
    folder = output or settings.home / "packages" / tag.replace(":", "/")
    write_recipe(bento_folder(settings.bentoml_home, tag), folder)
    console.print(
        Text("✓ ", style="green")
        + Text(tag, style="bold")
        + Text(f": {folder_bytes(folder):,} bytes in {folder}")
    )
    console.print(f"docker build --tag {tag} {folder}", soft_wrap=True)
    console.print(f"kubectl apply --kustomize {folder / 'kubernetes'}", soft_wrap=True)
