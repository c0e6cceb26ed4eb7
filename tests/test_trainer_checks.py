"""A declared trainer is an import path, and what it learns beside the label can be learnt."""

from pathlib import Path

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.discovery import DeclarationError
from tests.declarations import copied_declarations

MODEL = "mlplat_assets/models/catalog/flights/arrival_delay.py"


def load_with(folder: Path, line: str) -> None:
    """Reads a copy of the declarations whose model says so."""
    copy = copied_declarations(folder)
    lines = (copy / MODEL).read_text().splitlines()
    field = line.partition("=")[0]
    kept = [known for known in lines if not known.startswith(f"    {field}=")]
    start = kept.index("MODEL = ModelSpec(")
    (copy / MODEL).write_text("\n".join([*kept[: start + 1], f"    {line}", *kept[start + 1 :]]))
    read_catalogue(copy / "mlplat_assets", copy / "dbt_project")


@pytest.mark.parametrize(
    "line",
    ['trainer="tests.models.own_trainers:OwnModule",', 'auxiliary=("arrival_delay_minutes",),'],
)
def test_a_trainer_of_a_team_and_a_further_outcome_are_taken(line: str, tmp_path: Path) -> None:
    load_with(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('trainer="mlplat_assets.trainers:Mlp",', "is not 'package.module:Class'"),
        ('trainer="no_such_package.trainers:Mlp",', "install the package"),
        ('trainer="mlplat_assets.keys",', "is not 'package.module:Class'"),
        ('trainer="mlplat assets:Mlp",', "is not 'package.module:Class'"),
        ('calibration="platt",', "'platt' is unknown. Use one of temperature, isotonic, none"),
        ('auxiliary=("minutes",),', "'minutes' is no column of label flights.arrival_delay"),
        ('auxiliary=("carrier",),', "'carrier' is string, and only a number"),
        ('auxiliary=("is_late",),', "'is_late' is learnt twice"),
        ('auxiliary=("distance",),', "'distance' is an input as well"),
    ],
)
def test_a_wrong_trainer_or_outcome_names_file_field_and_remedy(
    line: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DeclarationError, match=message) as refused:
        load_with(tmp_path, line)
    assert MODEL in str(refused.value)
    assert line.partition("=")[0] in str(refused.value)
