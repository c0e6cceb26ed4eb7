"""What is wrong with the rollout of a model's declaration."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.rollout_spec import Guardrails, Rollout

# Where, what is wrong, and what to do.
Problem = tuple[str, str, str]


def check_rollout(model: Declared[ModelSpec]) -> None:
    """Refuse a rollout that no traffic table could follow, or that nothing could hold back.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    if model.spec.rollout is None:
        return
    for where, fact, remedy in _problems(model.spec.rollout):
        raise DeclarationError(model.file, f"rollout.{where}", fact, remedy)


def _problems(plan: Rollout) -> Iterator[Problem]:
    yield from _of_steps(plan.steps)
    for name in ("shadow_time", "step_time", "reopened"):
        if getattr(plan, name) < timedelta(0):
            yield (
                name,
                f"{getattr(plan, name)} is below zero",
                "Give a span, as timedelta(hours=1).",
            )
    for name in ("shadow_pairs", "step_units"):
        if getattr(plan, name) < 1:
            yield name, f"{getattr(plan, name)} units decide nothing", "Give 1 or more."
    yield from _of_guardrails(plan.guardrails)


def _of_steps(steps: tuple[float, ...]) -> Iterator[Problem]:
    for share in steps:
        if not 0 < share <= 100 or round(share * 100) != share * 100:
            remedy = "Give percents above 0 and up to 100, by 0.01."
            yield "steps", f"{share:g}% is no share of the units", remedy
    if any(later <= share for share, later in pairwise(steps)):
        yield "steps", f"{steps} does not rise", "Give each share once, the smallest first."


def _of_guardrails(limits: Guardrails) -> Iterator[Problem]:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if not 0 <= value < float("inf"):
            remedy = "Give a number from 0."
            yield f"guardrails.{field.name}", f"{value:g} is no limit", remedy
    if limits.latency < 1:
        fact = f"{limits.latency:g} times the champion's p99 is below the champion's own"
        yield "guardrails.latency", fact, "Give a ratio from 1."
    if not 0 < limits.alpha < 0.5:
        fact = f"{limits.alpha:g} is no chance of being wrong"
        yield "guardrails.alpha", fact, "Give one above 0 and below 0.5, as 0.05."
