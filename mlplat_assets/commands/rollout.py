"""`mlplat rollout`: where a rollout stands, and a person's hand on it."""

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.output import add, facts, heading, moment, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.registry.registry import Registry
from resources.registry.rollout_record import RolloutRecord, RolloutState
from resources.settings import Settings


def show(settings: Settings, console: Console, name: str) -> None:
    """The last rollout."""
    with opened_registry(settings) as registry:
        record = _last(registry, name)
        history = [each for each in registry.rollouts.history(name) if each.number == record.number]
    _show(console, record)
    steps = table("AT UTC", "STATE", "SHARE", "REASON", right=("SHARE",))
    for each in history:
        state = f"{each.state}{', frozen' if each.frozen else ''}"
        add(steps, moment(each.at), state, _share(each), each.reason)
    console.print(heading("Steps"))
    console.print(steps)
    if record.evidence:
        console.print(heading("Evidence of the last one"))
        console.print(_evidence(record))


def start(settings: Settings, console: Console, name: str, number: int, reason: str) -> None:
    """Begin one by hand."""
    declared = catalogue().models.get(name)
    if declared is None or declared.spec.rollout is None:
        raise LookupError(
            f"{name} declares no rollout; add rollout=Rollout() to its ModelSpec, or use "
            f"`mlplat traffic canary {name} {number} PERCENT`"
        )
    shares = declared.spec.rollout.steps
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        made = registry.rollouts.begin(name, number, shares, reason=reason, actor=settings.actor)
    _tell(console, made)


def freeze(settings: Settings, console: Console, name: str, on: bool, reason: str) -> None:
    """Freeze or resume."""
    with opened_registry(settings) as registry:
        before = _last(registry, name)
        made = registry.rollouts.freeze(before, on, reason=reason, actor=settings.actor)
    _tell(console, made)


def advance(settings: Settings, console: Console, name: str, reason: str) -> None:
    """One step on by hand."""
    with opened_registry(settings) as registry:
        before = _last(registry, name)
        told = f"by hand: {reason}"
        made = registry.rollouts.advance(before, reason=told, actor=settings.actor)
    _tell(console, made)


def abort(settings: Settings, console: Console, name: str, reason: str) -> None:
    """End it."""
    with opened_registry(settings) as registry:
        before, aborted = _last(registry, name), RolloutState.ABORTED
        made = registry.rollouts.end(before, aborted, reason=reason, actor=settings.actor)
    _tell(console, made)


def _last(registry: Registry, name: str) -> RolloutRecord:
    require_registered(registry, name)
    record = registry.rollouts.last(name)
    if record is None:
        raise LookupError(
            f"no version of {name} was rolled out yet; "
            f"begin with `mlplat rollout start {name} VERSION --reason WHY`"
        )
    return record


def _tell(console: Console, record: RolloutRecord) -> None:
    name = Text(record.model, style="bold")
    told = f": version {record.version} is {record.state}, {_share(record)}"
    console.print(Text("✓ ", style="green") + name + Text(f"{told}.\n"))
    _show(console, record)


def _show(console: Console, record: RolloutRecord) -> None:
    shares = ", ".join(f"{share:g}%" for share in record.shares)
    console.print(
        facts(
            {
                "rollout": f"{record.number} of {record.model}",
                "version": record.version,
                "against": f"version {record.champion}",
                "state": f"{record.state}{', frozen' if record.frozen else ''}",
                "share": _share(record),
                "steps": f"shadow, {shares}",
                "since UTC": moment(record.leg.since),
                "because": record.reason,
            }
        )
    )


def _share(record: RolloutRecord) -> str:
    if record.leg.until is not None:
        return "none"
    return "shadow" if record.leg.share == 0 else f"{record.leg.share:g}%"


def _evidence(record: RolloutRecord) -> object:
    made = table(
        "GUARDRAIL", "VERDICT", "MEASURED", "LOW", "HIGH", "EXPECTED", "BOUND", "UNITS",
        right=("MEASURED", "LOW", "HIGH", "EXPECTED", "BOUND", "UNITS"),
    )  # fmt: skip
    for each in record.evidence.get("findings", ()):
        # A step from before expectations were recorded has none.
        expected = (each.get("expected") or {}).get("estimate")
        numbers = (each["estimate"], each["low"], each["high"], expected, each["bound"])
        add(made, each["name"], each["verdict"], *numbers, each["units"])
    return made
