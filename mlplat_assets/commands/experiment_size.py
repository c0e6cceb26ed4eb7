"""`mlplat experiments size`: how many units an experiment needs before it begins."""

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.experiments import declared_experiment
from mlplat_assets.commands.output import add, facts, heading, table
from mlplat_assets.commands.stores import opened_lake
from mlplat_assets.discovery import Declared
from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.planning import BASELINE_DAYS, Baseline, design_of, plan_of
from resources.settings import Settings


def size_experiment(
    settings: Settings,
    console: Console,
    name: str,
    *,
    mean: float | None,
    sd: float | None,
    share: float | None,
) -> None:
    """Print the units and days that an experiment needs.

    Raises:
        LookupError: It is not declared, or the journal has nothing of the days before.
    """
    one = declared_experiment(name)
    spec, arms = one.spec, len(one.spec.arms)
    found = None if mean is not None else _measured(settings, one)
    correlation = found.primary.correlation if found and spec.covariate else 0.0
    if found is not None:
        mean, sd = found.primary.y.mean, found.primary.y.variance**0.5
    assert mean is not None  # measured, or given
    share = 100 / (arms + 1) if share is None else share
    design = design_of(spec, mean, sd, correlation=correlation, share=share)
    plan = plan_of(design, arms, found and found.units_per_day)
    console.print(Text(name, style="bold") + Text(f"  {spec.effect:g} {spec.primary.measure}"))
    console.print(
        facts(
            {
                "mean": mean,
                "deviation": sd if sd is not None else "of a share",
                "covariate": f"correlation {correlation:.3g}" if correlation else None,
                "from": f"{found.primary.y.n:,} units of the {BASELINE_DAYS} days before"
                if found
                else "given",
                "arms": f"{arms} of {share:.4g}% each",
                "promise": f"alpha {spec.alpha:g}, power {spec.power:g}",
            }
        )
    )
    console.print(heading("Units"))
    made = table("LOOKS", "CONTROL", "EACH ARM", "DAYS", right=("CONTROL", "EACH ARM", "DAYS"))
    add(made, "one, at the end", *(f"{units:,}" for units in plan.one_look), None)
    days = f"{plan.days:.1f}" if plan.days else None
    add(made, "any number", *(f"{units:,}" for units in plan.any_look), days)
    console.print(made)


def _measured(settings: Settings, one: Declared[Experiment]) -> Baseline:
    from mlplat_assets.catalogue import catalogue
    from mlplat_assets.experiments.asset import journal_of
    from mlplat_assets.experiments.planning import baseline_of

    with opened_lake(settings) as lake:
        return baseline_of(journal_of(one, catalogue(), lake))
