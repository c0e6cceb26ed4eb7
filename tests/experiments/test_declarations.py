"""What an experiment may declare: a wrong one names file, field and remedy."""

import shutil
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from mlplat_assets.catalogue import catalogue, read_catalogue
from mlplat_assets.definitions import assemble
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.experiment_checks import check_experiment
from mlplat_assets.experiment_spec import Experiment, Guardrail, Input, Metric, PrePeriod
from mlplat_assets.keys import key
from tests.declarations import copied_declarations
from tests.experiments.journal import a_spec, catalogue_with, declared

LOSS = Metric(measure="log_loss", better="lower")

TEXT = '''"""Whether the second version knows late flights better."""

from datetime import date

from mlplat_assets.experiment_spec import Experiment, Metric

EXPERIMENT = Experiment(
    model="flights.arrival_delay",
    hypothesis="A month more of training tells late flights better.",
    arms=("canary",),
    first_day=date(2013, 11, 1),
    last_day=date(2013, 11, 30),
    primary=Metric(measure="log_loss", better="lower"),
    effect=0.01,
)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the declarations with one experiment."""
    copied_declarations(tmp_path)
    file = tmp_path / "mlplat_assets" / "experiments" / "catalog" / "flights" / "more_months.py"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    return tmp_path


def test_a_file_below_the_catalogue_is_an_experiment(folder: Path) -> None:
    found = read_catalogue(folder / "mlplat_assets", folder / "dbt_project")
    (experiment,) = found.experiments.values()
    assert experiment.full_name == "flights.more_months"
    assert experiment.docstring.startswith("Whether the second version")
    assert found.owner(experiment) == "flights@example.com"


def test_a_misspelt_field_stops_the_load_and_names_the_file(folder: Path) -> None:
    file = next(folder.rglob("more_months.py"))
    file.write_text(TEXT.replace("effect=", "efect="))
    with pytest.raises(DeclarationError, match=r"more_months\.py: module: TypeError.*efect"):
        read_catalogue(folder / "mlplat_assets", folder / "dbt_project")
    shutil.rmtree(file.parent)
    assert not read_catalogue(folder / "mlplat_assets", folder / "dbt_project").experiments


def refusal(spec: Experiment, **redact: tuple[str, ...]) -> str:
    found = catalogue()
    if redact:
        model = found.models[spec.model]
        serving = model.spec.serving
        journal = replace(serving.journal, **redact)
        changed = replace(model.spec, serving=replace(serving, journal=journal))
        models = {**found.models, spec.model: replace(model, spec=changed)}
        found = replace(found, models=models)
    with pytest.raises(DeclarationError) as refused:
        check_experiment(declared(spec), found)
    return str(refused.value)


def test_the_experiment_of_these_tests_is_accepted() -> None:
    check_experiment(declared(a_spec()), catalogue())
    check_experiment(declared(a_spec(covariate=Input(column="local_hour"))), catalogue())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "flights.arrivals"}, "model: 'flights.arrivals' is not declared. Write team"),
        ({"hypothesis": " "}, "hypothesis: is empty"),
        ({"arms": ()}, "arms: is empty"),
        ({"arms": ("Canary",)}, "arms: 'Canary' is no variant"),
        ({"arms": ("champion",)}, "arms: 'champion' is compared with itself"),
        ({"first_day": datetime(2013, 3, 1)}, "is no day"),  # noqa: DTZ001
        ({"last_day": date(2013, 2, 1)}, "last_day: 2013-02-01 is before 2013-03-01"),
        ({"effect": 0.0}, "effect: 0.0 is nothing to find"),
        ({"effect": float("nan")}, "effect: nan is nothing to find"),
        ({"alpha": 0.5}, "alpha: 0.5 is no chance"),
        ({"power": 0.3}, "power: 0.3 is no power"),
        ({"holdout": 100.0}, "holdout: 100.0 is no share"),
        ({"holdout": 0.005}, "holdout: 0.005 is no share"),
        ({"primary": Metric(measure="auc", better="higher")}, "primary.measure: 'auc' is unknown"),
        (
            {"primary": Metric(measure="log_loss", better="higher")},
            "primary.better: 'higher' is not the better end of log_loss. Write 'lower'",
        ),
        (
            {"primary": Metric(measure="label:carrier", better="lower")},
            "primary.measure: 'carrier' is no number or flag of label flights.arrival_delay",
        ),
        ({"secondary": (LOSS, LOSS)}, "secondary[1].measure: 'log_loss' is a metric already"),
        (
            {"guardrails": (Guardrail(metric=LOSS, margin=0.0),)},
            "guardrails[0].margin: 0.0 can never be shown",
        ),
        ({"covariate": PrePeriod(days=0)}, "covariate.days: 0 is no period"),
        ({"covariate": Input(column="carrier")}, "covariate.column: 'carrier' is no numeric"),
    ],
)
def test_what_could_never_be_decided_is_refused(changes: dict[str, Any], told: str) -> None:
    message = refusal(a_spec(**changes))
    assert message.startswith("second.py: ") and told in message


def test_a_measure_of_another_task_is_refused() -> None:
    spec = a_spec(model="flights.departure_delay", primary=LOSS, guardrails=(), secondary=())
    assert "a regression model has no log_loss. Use one of absolute_error" in refusal(spec)


def test_what_the_journal_does_not_keep_is_refused() -> None:
    assert "keeps no 'flight_id'" in refusal(a_spec(), redact=("flight_id",))
    spec = a_spec(covariate=Input(column="local_hour"))
    assert "that the journal keeps" in refusal(spec, redact=("local_hour",))


def test_a_declared_experiment_is_an_asset_that_follows_its_predictions() -> None:
    found = catalogue_with(a_spec())
    definitions = assemble(found)
    node = definitions.resolve_asset_graph().get(key("experiments", "flights", "second"))
    assert node.parent_keys == {
        key("predictions", "flights", "arrival_delay"),
        key("labels", "flights", "arrival_delay"),
    }
    assert node.automation_condition is not None and node.group_name == "flights/experiments"
    assert {check.name for check in node.check_keys} == {"ratio_is_as_declared"}
