"""The checks `served_as_trained`: a sample of each model's newest day replayed against the lake."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import dagster as dg
import pyarrow as pa

from mlplat_assets.automation import measured_daily
from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.keys import key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.skew import Reason, SkewReport, audit
from resources.lake import Lake

# Replaying 300 predictions of the flights takes 1 s.
SAMPLE = 300
# What the online store did wrong; the other reasons are the data's.
_SERVED_WRONG = frozenset({Reason.STALE, Reason.EARLY})
SCHEMA = pa.schema(
    [
        ("audited_on", pa.date32()),
        ("served_since", pa.date32()),
        ("lake_snapshot", pa.int64()),
        ("predictions", pa.int64()),
        ("feature", pa.string()),
        ("compared", pa.int64()),
        ("matches", pa.int64()),
        ("reasons", pa.string()),
    ]
)


def skew_checks(
    team: Team,
    declared: Catalogue,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.AssetChecksDefinition | None:
    """The checks of a team's models, in one step; findings are in `predictions.TEAM__MODEL__skew`.

    They do not block: what was served was served.
    """
    models = {
        key("predictions", model.team, model.name): model
        for _, model in sorted(declared.models.items())
        if model.team == team.name
    }
    if not models:
        return None

    @dg.multi_asset_check(
        name=f"skew_{team.name}",
        specs=[
            dg.AssetCheckSpec(
                "served_as_trained",
                asset=asset_key,
                description=f"What {SAMPLE} predictions of the newest day read online is, to the "
                "bit, what the lake knew at their moments.",
                automation_condition=measured_daily(team),
            )
            for asset_key in models
        ],
        can_subset=True,
    )
    def served_as_trained(
        context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult]:
        for check in sorted(context.selected_asset_check_keys):
            model = models[check.asset_key]
            since = newest_day(lake, table("predictions", model.team, model.name))
            if since is None:
                yield _result(check, True, "no prediction was logged yet")
                continue
            report = audit(lake, model, declared, SAMPLE, since)
            record(lake, model, report, since, clock().astimezone(UTC).date())
            yield judged(check, report, since)

    return served_as_trained


def newest_day(lake: Lake, predictions: str) -> date | None:
    """The newest UTC day that has predictions in the lake."""
    if not lake.has(predictions):
        return None
    return lake.read(f"select max(partition_day) as day from {predictions}")["day"][0].as_py()


def record(
    lake: Lake, model: Declared[ModelSpec], report: SkewReport, since: date, today: date
) -> None:
    """Make the day's audit of a model hold exactly this report, a row for each feature."""
    rows = [
        {
            "audited_on": today,
            "served_since": since,
            "lake_snapshot": report.lake_snapshot,
            "predictions": report.predictions,
            "feature": one.feature,
            "compared": one.compared,
            "matches": one.matches,
            "reasons": json.dumps(one.reasons, sort_keys=True),
        }
        for one in report.features
    ]
    made = pa.Table.from_pylist(rows, schema=SCHEMA)
    name = f"{table('predictions', model.team, model.name)}__skew"
    lake.replace_days(name, made, today, today, day="audited_on")


def judged(check: dg.AssetCheckKey, report: SkewReport, since: date) -> dg.AssetCheckResult:
    """Fails by any value; a warning where the data changed later and the service did no wrong."""
    wrong = [one for one in report.features if one.matches < one.compared]
    compared = sum(one.compared for one in report.features)
    matches = sum(one.matches for one in report.features)
    told = f"{matches:,} of {compared:,} values of {report.predictions} predictions of {since}"
    if wrong:
        names = ", ".join(
            f"{one.feature} ({', '.join(f'{n} {why}' for why, n in sorted(one.reasons.items()))})"
            for one in wrong
        )
        told = f"{told}; not {names}: see `mlplat features audit {report.model}`"
    reasons = {reason for one in wrong for reason in one.reasons}
    return _result(check, not wrong, told, fault=bool(reasons & {r.value for r in _SERVED_WRONG}))


def _result(
    check: dg.AssetCheckKey, passed: bool, told: str, *, fault: bool = False
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=check.asset_key,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if fault else dg.AssetCheckSeverity.WARN,
        description=told,
    )
