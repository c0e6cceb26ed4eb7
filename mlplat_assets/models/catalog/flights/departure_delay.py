"""Minutes, two hours before departure, by which a flight will leave late."""

from datetime import timedelta

from mlplat_assets.model_spec import Gate, ModelSpec, Slice, TimeSplit
from mlplat_assets.monitoring_spec import Monitoring
from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.spec import Field

MODEL = ModelSpec(
    task="regression",
    label="flights.departure_delay:departure_delay_minutes",
    features=(
        "flights.weather",
        "flights.origin_recent",
        "flights.carrier_origin_recent",
        "flights.aircraft_last_leg:arrival_delay",
        "flights.aircraft_last_leg:departure_delay",
    ),
    entity_features=("carrier", "origin"),
    context=(
        Field(name="distance", dtype="int", description="Miles", minimum=1, maximum=6000),
        Field(
            name="local_hour", dtype="int", description="Hour of departure", minimum=0, maximum=23
        ),
        Field(name="weekday", dtype="int", description="Monday 1", minimum=1, maximum=7),
    ),
    hyperparameters={"epochs": 6},
    split=TimeSplit(train_days=180, validation_days=21, holdout_days=21),
    # In minutes; a version of a week ago is told apart to 0.2, one of six weeks ago to 0.7.
    gates=(Gate(metric="rmse", margin=1.0),),
    slices=(Slice(column="origin"), Slice(column="local_hour", edges=(10, 16))),
    monitoring=Monitoring(
        tolerance=2.0,  # minutes: what a storm week adds
        feature_age={"flights.weather": timedelta(hours=6)},
        version_age=timedelta(days=30),
    ),
    approvers=("dana@flights.example.com",),
    retrain=Retrain(cron="0 3 * * 1"),
)
