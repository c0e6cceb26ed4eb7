"""A recipe gives back the model as it was declared, from the document alone."""

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import model_inputs
from mlplat_assets.models.lineage.recipe import BESIDE, Recipe, catalogue_of, read_recipe, recipe_of
from mlplat_assets.spec import OnDemandView
from resources.digests import digest_of_bytes

ARRIVAL = "flights.arrival_delay"


@pytest.fixture(scope="module")
def declared() -> Catalogue:
    """The catalogue, its arrival model with features computed on demand and an auxiliary."""
    found = catalogue()
    model = found.models[ARRIVAL]
    computed = next(iter(found.on_demand))
    spec = replace(
        model.spec, features=(*model.spec.features, computed), auxiliary=("arrival_delay",), seed=3
    )
    return replace(found, models={**found.models, ARRIVAL: replace(model, spec=spec)})


def recorded(declared: Catalogue, name: str = ARRIVAL) -> Recipe:
    model = declared.models[name]
    made = recipe_of(model, model_inputs(model, declared))
    return read_recipe(made.document())


def sources(declared: Catalogue) -> dict[str, Path]:
    return {digest_of_bytes(v.file.read_bytes()): v.file for v in declared.on_demand.values()}


def test_every_field_that_shapes_a_model_comes_back(declared: Catalogue) -> None:
    for name, model in declared.models.items():
        recipe = recorded(declared, name)
        then = catalogue_of(recipe, sources(declared).__getitem__).models[name]
        for field in fields(ModelSpec):
            if field.name in BESIDE:
                assert field.name not in recipe.spec
            elif field.name != "features":
                assert getattr(then.spec, field.name) == getattr(model.spec, field.name), field.name


def test_the_columns_are_those_of_the_declaration(declared: Catalogue) -> None:
    model = declared.models[ARRIVAL]
    now = model_inputs(model, declared)
    then = catalogue_of(recorded(declared), sources(declared).__getitem__)
    inputs = model_inputs(then.models[ARRIVAL], then)
    for name in ("numeric", "categorical", "entities", "auxiliary", "label"):
        assert getattr(inputs, name) == getattr(now, name)
    assert [f.column for f in inputs.features] == [f.column for f in now.features]
    for name, (view, features) in now.views().items():
        again, same = inputs.views()[name]
        assert same == features
        for field in ("entities", "features", "ttl", "landing_delay"):
            assert getattr(again.spec, field) == getattr(view.spec, field)


def test_an_on_demand_view_is_computed_by_its_recorded_source(declared: Catalogue) -> None:
    then = catalogue_of(recorded(declared), sources(declared).__getitem__)
    (view,) = then.on_demand.values()
    assert isinstance(view.spec, OnDemandView)
    assert view.file == declared.on_demand[view.full_name].file
    with pytest.raises(NotImplementedError):
        view.spec.compute({})


def test_the_document_says_what_changed_in_the_declaration(declared: Catalogue) -> None:
    before = recorded(declared).document()
    assert before == recorded(declared).document()
    view = declared.views["flights.weather"]
    later = replace(view, spec=replace(view.spec, ttl=timedelta(seconds=1)))
    after = recorded(replace(declared, views={**declared.views, view.full_name: later}))
    assert after.document() != before
    assert after.views["flights.weather"].ttl == 1.0


def test_what_is_only_promised_or_approved_is_no_part_of_it(declared: Catalogue) -> None:
    model = declared.models[ARRIVAL]
    other = replace(model, spec=replace(model.spec, gates=(), approvers=("someone",), owner="x"))
    inputs = model_inputs(model, declared)
    assert recipe_of(other, inputs).document() == recipe_of(model, inputs).document()
