"""Features are named by view, by feature or by service, and a wrong name is refused with a hint."""

from pathlib import Path

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.discovery import Catalogue, DeclarationError
from mlplat_assets.references import UnknownReference, expand, resolve_features
from tests.declarations import copied_declarations

SERVICE = """
from mlplat_assets.spec import FeatureService
SERVICE = FeatureService(features={features!r}, description="What the models of arrivals read.")
"""
LISTED = ("flights.weather:temp", "flights.aircraft_last_leg", "flights.weather:visib")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of every declaration of this repository, for one more to be added."""
    return copied_declarations(tmp_path)


def with_service(project: Path, *features: str, name: str = "arrivals_v1") -> Catalogue:
    folder = project / "mlplat_assets" / "features" / "catalog" / "flights"
    (folder / f"{name}.py").write_text(SERVICE.format(features=features))
    return read_catalogue(project / "mlplat_assets", project / "dbt_project")


def columns(declared: Catalogue, *references: str) -> list[str]:
    return [found.column for found in expand(references, declared)]


def test_a_service_stands_for_the_features_it_lists_in_their_order(project: Path) -> None:
    declared = with_service(project, *LISTED)
    leg = ["arrival_delay", "departure_delay", "air_time", "dest"]
    expected = ["weather__temp", *(f"aircraft_last_leg__{name}" for name in leg), "weather__visib"]
    assert columns(declared, "flights.arrivals_v1") == expected
    assert columns(declared, "flights.weather:dewp", "flights.arrivals_v1") == [
        "weather__dewp",
        *expected,
    ]


def test_a_model_takes_its_features_from_a_service(project: Path) -> None:
    file = project / "mlplat_assets/models/catalog/flights/arrival_delay.py"
    before, _, rest = file.read_text().partition("    features=(")
    _, _, after = rest.partition("    ),\n")
    file.write_text(f'{before}    features=("flights.arrivals_v1",),\n{after}')
    declared = with_service(project, *LISTED)
    model = declared.models["flights.arrival_delay"]
    assert [f.column for f in resolve_features(model, declared)] == columns(declared, *LISTED)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("flights.arrivals_v2", "'flights.arrivals_v2' is not declared. Did you mean "
         "'flights.arrivals_v1'?"),
        ("flights.arrivals_v1:temp", "Did you mean 'flights.arrivals_v1'?"),
        ("flights.wether:temp", "'flights.wether' is not declared. Did you mean "
         "'flights.weather'?"),
        ("flights.weather:tmp", "Did you mean 'flights.weather:temp'?"),
        ("elsewhere", "Declared are: "),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_says_what_may_be_meant(
    project: Path, reference: str, message: str
) -> None:
    declared = with_service(project, *LISTED)
    with pytest.raises(UnknownReference) as refused:
        columns(declared, reference)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (("flights.wether",), "Did you mean 'flights.weather'?"),
        (("flights.arrivals_v1",), "a service names views and features only"),
        ((), "List at least one feature."),
    ],
)
def test_a_service_that_does_not_resolve_stops_the_load(
    project: Path, features: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        with_service(project, *features)
    assert str(refused.value).startswith(
        f"{project / 'mlplat_assets/features/catalog/flights/arrivals_v1.py'}: features: "
    )
    assert message in str(refused.value)


def test_a_service_may_not_have_the_name_of_a_view(project: Path) -> None:
    with pytest.raises(DeclarationError) as refused:
        with_service(project, *LISTED, name="weather")
    assert "'flights.weather' is declared by" in str(refused.value)
    assert "Rename one of the files." in str(refused.value)
