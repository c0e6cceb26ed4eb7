"""What the asset of an experiment shows: verdict, numbers, plot, the rows used."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.analysis import Analysis
from mlplat_assets.experiments.looks import Look
from mlplat_assets.experiments.plots import experiment_plot
from mlplat_assets.pictures import picture
from mlplat_assets.statistics.fixed_horizon import welch
from mlplat_assets.statistics.sample_size import Design, units_at_any_look, units_at_one_look
from mlplat_assets.statistics.thompson import LEAST_UNITS, top_two_shares

_HEADINGS = (
    "arm", "role", "metric", "control", "arm units", "control mean", "arm mean", "effect", "low",
    "high", "p (always valid)", "p (BH)",
)  # fmt: skip


def metadata_of(spec: Experiment, found: Analysis, title: str) -> dict[str, Any]:
    """The metadata of a materialisation, by name."""
    told: dict[str, Any] = {
        "verdict": found.judgement.verdict,
        "arm": found.judgement.arm or "",
        "reasons": dg.MetadataValue.md("\n".join(f"- {each}" for each in found.judgement.reasons)),
        "prediction_rows": found.rows.rows,
        "prediction_rows_digest": found.rows.digest,
        "lake_snapshot": found.rows.snapshot,
        "buckets": dict(found.shares),
        "versions": [
            f"{arm}: {n:,} predictions of version {version} as {variant}"
            for (arm, variant, version), n in sorted(found.rows.versions.items())
        ],
        "misrouted": dict(found.misrouted),
    }
    if not found.looks:
        return told
    last = [look for look in found.looks if look.day == found.looks[-1].day]
    told["last_look"] = dg.MetadataValue.md(_table(last))
    told["ratio_p_value"] = found.ratios[-1].p_value
    told["plot"] = picture(
        experiment_plot(spec, found.looks, found.ratios, found.shares, title=title)
    )
    return told | _planning(spec, last, found)


def secondary_p_values(looks: Sequence[Look]) -> list[float]:
    """Of the secondary metrics, adjusted for how many there are (Benjamini and Hochberg)."""
    from scipy.stats import false_discovery_control

    found = [look.effect.p_value for look in looks if look.role == "secondary"]
    return [float(p) for p in false_discovery_control(found)] if found else []


def _planning(spec: Experiment, last: Sequence[Look], found: Analysis) -> dict[str, Any]:
    """Welch's test for one planned look, the units needed by what was seen, suggested shares."""
    told: dict[str, Any] = {}
    primary = [look for look in last if look.role == "primary"]
    for look in primary:
        test = welch(look.control, look.treated, alpha=spec.alpha / len(spec.arms))
        if test is None:
            continue
        told[f"welch_p_value_{look.arm}"] = test.p_value
        design = Design(
            variance_a=look.control.variance or look.treated.variance,
            variance_b=look.treated.variance or look.control.variance,
            effect=spec.effect,
            alpha=spec.alpha / len(spec.arms),
            power=spec.power,
            ratio=found.shares[look.arm] / found.shares[spec.control],
        )
        told[f"control_units_needed_{look.arm}"] = (
            f"{units_at_one_look(design)[0]:,} for one look, "
            f"{units_at_any_look(design)[0]:,} for any number"
        )
    if spec.thompson:
        arms = [primary[0].control, *(look.treated for look in primary)]
        shares = top_two_shares(arms, better=spec.primary.better)
        if min(arm.n for arm in arms) >= LEAST_UNITS:
            names = (spec.control, *spec.arms)
            told["suggested_shares"] = {n: round(s, 4) for n, s in zip(names, shares, strict=True)}
    return told


def _table(looks: Sequence[Look]) -> str:
    adjusted = iter(secondary_p_values(looks))
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---" * len(_HEADINGS) + "|"]
    for look in looks:
        effect = look.effect
        numbers = (
            look.control.mean, look.treated.mean, effect.estimate, effect.low, effect.high,
            effect.p_value,
        )  # fmt: skip
        units = f"{look.control.n:,} | {look.treated.n:,}"
        known = " | ".join(f"{number:.4g}" for number in numbers)
        fdr = f"{next(adjusted):.4g}" if look.role == "secondary" else ""
        lines.append(
            f"| {look.arm} | {look.role} | {look.metric.measure} | {units} | {known} | {fdr} |"
        )
    return "\n".join(lines)
