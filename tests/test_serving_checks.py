"""A declaration that no service could follow is refused when it is read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.references import resolve_features, resolve_label
from mlplat_assets.serving_checks import check_serving
from mlplat_assets.serving_spec import Journal, Serving

MODEL = "flights.arrival_delay"


def check(**serving: Any) -> None:
    declared = catalogue()
    model = declared.models[MODEL]
    changed = replace(model, spec=replace(model.spec, serving=Serving(**serving)))
    check_serving(changed, resolve_features(changed, declared), resolve_label(changed, declared))


def test_every_policy_of_fields_views_and_columns_that_exist_may_be_declared() -> None:
    check(
        on_missing="refuse",
        on_unavailable="defaults",
        defaults={"weather__temp": 50, "weather__visib": 10.0, "aircraft__jet": True},
        cache={"flights.weather": timedelta(hours=1)},
        out_of_range={"distance": "clip", "carrier": "flag", "weekday": "reject"},
        unknown_fields="ignore",
        journal=Journal(share=0.1, redact=("tailnum", "distance"), required=False),
    )


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        ({"on_missing": "guess"}, "serving.on_missing: 'guess' is unknown. Use predict or refuse"),
        ({"on_unavailable": "wait"}, "serving.on_unavailable: 'wait' is unknown"),
        ({"unknown_fields": "keep"}, "serving.unknown_fields: 'keep' is unknown"),
        ({"out_of_range": {"distnce": "clip"}}, "'distnce' is not a field of a request. Use one"),
        ({"out_of_range": {"distance": "cut"}}, "'cut' is unknown. Use reject or clip or flag"),
        ({"out_of_range": {"weather__temp": "clip"}}, "'weather__temp' is not a field"),
        ({"defaults": {"weather__temp": 1.0}}, "defaults: are never taken"),
        ({"defaults": {"weather__tmp": 1.0}}, "'weather__tmp' is not a stored feature"),
        ({"defaults": {"weather__temp": "warm"}}, "'warm' is no float"),
        ({"defaults": {"weather__temp": True}}, "True is no float"),
        ({"defaults": {"weather__temp": float("nan")}}, "nan is no float"),
        ({"defaults": {"aircraft__jet": 1}}, "1 is no bool"),
        ({"cache": {"flights.planes": timedelta(1)}}, "'flights.planes' is not a view that"),
        ({"cache": {"flights.weather": timedelta(0)}}, "0:00:00 is no time"),
        ({"cache": {"flights.weather": timedelta(days=999)}}, "is beyond the view's ttl"),
        ({"journal": Journal(share=1.5)}, "serving.journal.share: 1.5 is no share"),
        ({"journal": Journal(share=float("nan"))}, "nan is no share"),
        ({"journal": Journal(redact=("passenger",))}, "journal.redact: 'passenger' is not a field"),
    ],
)
def test_what_no_service_could_follow_names_the_place_and_the_remedy(
    serving: dict[str, Any], message: str
) -> None:
    if "defaults" in serving and "never" not in message:
        serving = {"on_unavailable": "defaults", **serving}
    with pytest.raises(DeclarationError) as refused:
        check(**serving)
    assert message in str(refused.value)
