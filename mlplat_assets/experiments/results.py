"""The lake table of an experiment's results: one row for each day, arm and metric."""

import pyarrow as pa

from mlplat_assets.experiments.analysis import Analysis

SCHEMA = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("arm", pa.string()),
        ("role", pa.string()),
        ("measure", pa.string()),
        ("better", pa.string()),
        ("control_units", pa.int64()),
        ("arm_units", pa.int64()),
        ("control_mean", pa.float64()),
        ("arm_mean", pa.float64()),
        ("effect", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("ratio_p_value", pa.float64()),
        ("verdict", pa.string()),
        ("verdict_arm", pa.string()),
        ("reasons", pa.string()),
        ("rows", pa.int64()),
        ("rows_digest", pa.string()),
        ("lake_snapshot", pa.int64()),
    ]
)


def results(found: Analysis) -> pa.Table:
    """All looks; the verdict and the rows it rests on, of the analysis as a whole, on each row."""
    ratios = {look.day: look.p_value for look in found.ratios}
    whole = {
        "verdict": found.judgement.verdict,
        "verdict_arm": found.judgement.arm,
        "reasons": "; ".join(found.judgement.reasons),
        "rows": found.rows.rows,
        "rows_digest": found.rows.digest,
        "lake_snapshot": found.rows.snapshot,
    }
    rows = [
        {
            "partition_day": look.day,
            "arm": look.arm,
            "role": look.role,
            "measure": look.metric.measure,
            "better": look.metric.better,
            "control_units": look.control.n,
            "arm_units": look.treated.n,
            "control_mean": look.control.mean,
            "arm_mean": look.treated.mean,
            "effect": look.effect.estimate,
            "low": look.effect.low,
            "high": look.effect.high,
            "p_value": look.effect.p_value,
            "ratio_p_value": ratios[look.day],
            **whole,
        }
        for look in found.looks
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
