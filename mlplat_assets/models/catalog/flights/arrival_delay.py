"""Probability, two hours before departure, that a flight arrives more than 15 minutes late."""

from mlplat_assets.model_spec import Budget, Gate, ModelSpec, Slice, TimeSplit
from mlplat_assets.monitoring_spec import Monitoring, Objectives
from mlplat_assets.spec import Field

MODEL = ModelSpec(
    task="binary",
    label="flights.arrival_delay:is_late",
    auxiliary=("arrival_delay_minutes",),
    features=(
        "flights.weather",
        "flights.carrier_recent",
        "flights.origin_recent",
        "flights.carrier_origin_recent",
        "flights.route_recent",
        "flights.aircraft_last_leg",
        "flights.aircraft",
    ),
    entity_features=("carrier", "origin", "dest"),
    context=(
        Field(name="distance", dtype="int", description="Miles", minimum=1, maximum=6000),
        Field(
            name="scheduled_minutes", dtype="int", description="Minutes", minimum=20, maximum=1000
        ),
        Field(
            name="local_hour", dtype="int", description="Hour of departure", minimum=0, maximum=23
        ),
        Field(name="weekday", dtype="int", description="Monday 1", minimum=1, maximum=7),
    ),
    hyperparameters={"epochs": 6},
    split=TimeSplit(train_days=180, validation_days=21, holdout_days=21),
    # 21 days tell two versions' AUC apart to 0.02, three airports' to 0.035: margins allow that.
    gates=(Gate(metric="auc", floor=0.62, margin=0.03), Gate(metric="ece", floor=0.12)),
    slices=(Slice(column="origin", margin=0.06), Slice(column="carrier", minimum_rows=1000)),
    budget=Budget(latency_ms=10, megabytes=50),
    monitoring=Monitoring(objectives=Objectives(p99_ms=50, error_share=0.01)),
    approvers=("dana@flights.example.com", "lee@flights.example.com"),
)
