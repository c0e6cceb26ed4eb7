"""The definitions behind a training set have one digest, which every file of theirs moves."""

from pathlib import Path

import pytest

from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.models.training_sets import definitions
from mlplat_assets.references import ModelFeature
from mlplat_assets.spec import FeatureView, Field, Label
from resources.digests import digest

MODEL = "mlplat_assets/models/catalog/flights/delays.py"
VIEW = "mlplat_assets/features/catalog/flights/delays.py"
LABEL = "dbt_project/models/labels/flights/lbl_flights__delays.yml"
FILES = (MODEL, VIEW, LABEL, LABEL.replace(".yml", ".sql"))


def write(repository: Path) -> None:
    """A model, a view and a label, all called delays."""
    for name in FILES:
        file = repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"what {name} says")


def digest_of(repository: Path) -> str:
    score = Field(name="score", dtype="float")
    label = Label(unit="unit", entities=(), columns=(score,), description="Some.")
    view = FeatureView(entities=(), features=(score,), description="Some.")
    model = ModelSpec(task="binary", label="", features=(), gates=(), approvers=())

    def declared(spec, file: str) -> Declared:
        return Declared(team="flights", name="delays", file=repository / file, spec=spec)

    inputs = ModelInputs(
        label_table=declared(label, LABEL),
        label="score",
        features=[ModelFeature(view=declared(view, VIEW), feature=score)],
        entities=[],
        numeric=[],
        categorical=[],
        auxiliary=[],
    )
    return digest(definitions(declared(model, MODEL), inputs))


@pytest.mark.parametrize("changed", FILES)
def test_every_file_moves_the_digest_even_one_named_like_another(
    changed: str, tmp_path: Path
) -> None:
    write(tmp_path)
    before = digest_of(tmp_path)
    (tmp_path / changed).write_text("something else")
    assert digest_of(tmp_path) != before


def test_the_same_definitions_have_the_same_digest_wherever_they_lie(tmp_path: Path) -> None:
    for place in ("here", "there/and/deeper"):
        write(tmp_path / place)
    assert digest_of(tmp_path / "here") == digest_of(tmp_path / "there/and/deeper")
