"""One look at a model's rollout: take in, measure, decide, move."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts import samples
from mlplat_assets.rollouts.decision import Decision, Move, Standing, decide
from mlplat_assets.rollouts.evidence import Evidence, of_canary, of_shadow, paired_quality
from mlplat_assets.rollouts.expectation import expected_of
from mlplat_assets.rollouts.first_requests import arrived
from mlplat_assets.rollouts.tables import Tables, tables_of, take_in
from resources.lake import Lake
from resources.registry.errors import PromotionRefused
from resources.registry.records import Stage, Version
from resources.registry.registry import Registry
from resources.registry.rollout_record import RolloutRecord, RolloutState
from resources.registry.traffic_table import CANARY, TrafficTable
from resources.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look found and did.

    Attributes:
        record: The rollout as it stands after it; None where there never was one.
        reason: Why, in numbers.
        evidence: What was measured; None where nothing is rolled out.
        moved: Whether something was done.
    """

    record: RolloutRecord | None
    reason: str
    evidence: Evidence | None = None
    moved: bool = False


@dataclass(frozen=True, kw_only=True)
class Controller:
    """Rolls out the versions of one model. All it knows is in the registry and the lake.

    So it can be killed at any moment, and two of them move a rollout once.
    """

    model: Declared[ModelSpec]
    catalogue: Catalogue
    plan: Rollout
    registry: Registry
    lake: Lake
    settings: Settings
    clock: Callable[[], datetime]

    @property
    def name(self) -> str:
        """`team.name`."""
        return self.model.full_name

    def look(self) -> Look:
        """Begin a rollout, or take the one there is a step on or back.

        Raises:
            RolloutMoved: Somebody else moved it meanwhile; look again.
            AccessRefused: MLPLAT_TOKEN is not an approver's.
        """
        record = self.registry.rollouts.last(self.name)
        newest = newest_staged(self.registry, self.name)
        if newest is not None and is_to_begin(record, newest):
            return self._begin(record, newest)
        if record is None or is_settled(record, self.plan, self.clock()):
            return Look(record=record, reason="nothing is rolled out")
        champion = self.registry.champion(self.name)
        if not record.is_open and (champion is None or champion.number != record.version):
            return Look(record=record, reason="another champion followed")
        take_in(self.lake, self.settings.journal, self.name, self._tables)
        evidence = self._measured(record)
        standing = standing_of(self.registry, record)
        decision = decide(record, standing, evidence, self.clock(), self.plan)
        return self._act(record, decision, evidence)

    @property
    def _tables(self) -> Tables:
        return tables_of(self.model, self.catalogue)

    def _begin(self, record: RolloutRecord | None, newest: Version) -> Look:
        readiness = self.registry.obstacles(self.name, newest.number).readiness
        if readiness:
            return Look(record=record, reason=f"not begun: {readiness}")
        desk, actor = self.registry.rollouts, self.settings.actor
        reason = f"version {newest.number} was registered"
        if record is not None and record.is_open:
            desk.end(record, RolloutState.REPLACED, reason=reason, actor=actor)
        begun = desk.begin(self.name, newest.number, self.plan.steps, reason=reason, actor=actor)
        return Look(record=begun, reason=reason, moved=True)

    def _measured(self, record: RolloutRecord) -> Evidence:
        limits, now = self.plan.guardrails, self.clock()
        version = self.registry.version(record.model, record.version)
        expected = expected_of(version.evidence, record.champion)
        shadow = samples.shadowed(self.lake, self._tables, record, now)
        if record.state is RolloutState.SHADOW:
            return of_shadow(shadow, limits, expected)
        served = samples.served(self.lake, self._tables, record, now, limits.latency)
        found = of_canary(served, limits, len(record.shares), expected)
        # Labels of a shadow's pairs land while it is a canary, and later.
        late = (*found.findings, paired_quality(shadow, limits))
        if not record.is_open:
            late = tuple(each for each in late if each.name.startswith("quality"))
            return Evidence(units=found.units, findings=late)
        arrivals = arrived(
            self.lake, self._tables, record, now, partial(self.registry.traffic_at, self.name)
        )
        return Evidence(units=found.units, findings=late, arrivals=arrivals)

    def _act(self, record: RolloutRecord, decision: Decision, evidence: Evidence) -> Look:
        if decision.move is Move.HOLD:
            return Look(record=record, reason=decision.reason, evidence=evidence)
        desk, reason, actor = self.registry.rollouts, decision.reason, self.settings.actor
        measured = evidence.document()
        match decision.move:
            case Move.ADVANCE | Move.COMPLETE:
                after, reason = self._advance(record, reason, evidence)
            case Move.WAIT:
                after = desk.wait(record, reason=reason, evidence=measured, actor=actor)
            case Move.ROLL_BACK:
                back = RolloutState.ROLLED_BACK
                after = desk.end(record, back, reason=reason, evidence=measured, actor=actor)
            case Move.FOLLOW:
                after = desk.follow(record, reason=reason, actor=actor)
        return Look(record=after, reason=reason, evidence=evidence, moved=True)

    def _advance(
        self, record: RolloutRecord, reason: str, evidence: Evidence
    ) -> tuple[RolloutRecord, str]:
        """One step on; a step that the registry refuses freezes it, for a person to look at."""
        desk, actor = self.registry.rollouts, self.settings.actor
        try:
            measured = evidence.document()
            return desk.advance(record, reason=reason, evidence=measured, actor=actor), reason
        except PromotionRefused as refused:
            told = f"refused: {refused}"
            return desk.freeze(record, True, reason=told, actor=actor), told


def newest_staged(registry: Registry, model: str) -> Version | None:
    """The model's newest version, if it is in staging and there is a champion beside it."""
    newest = registry.versions(model, limit=1)
    if not newest or newest[0].stage is not Stage.STAGING or registry.champion(model) is None:
        return None
    return newest[0]


def is_to_begin(record: RolloutRecord | None, newest: Version) -> bool:
    """Whether a version takes the place of the last rollout, which may still be a shadow."""
    if record is None:
        return True
    gives_way = not record.is_open or (record.state is RolloutState.SHADOW and not record.frozen)
    return newest.number > record.version and gives_way


def is_settled(record: RolloutRecord, plan: Rollout, now: datetime) -> bool:
    """Whether no label can change the verdict any more."""
    if record.state is RolloutState.COMPLETE:
        return now - record.leg.since > plan.reopened
    return not record.is_open


def standing_of(registry: Registry, record: RolloutRecord) -> Standing:
    """What the registry says beside the record."""
    found = registry.traffic(record.model)
    return Standing(
        champion=found.champion and found.champion.version,
        in_place=is_in_place(record, found),
        obstacles=registry.obstacles(record.model, record.version),
    )


def is_in_place(record: RolloutRecord, found: TrafficTable) -> bool:
    """Whether the version has the traffic that the record says."""
    arms = {arm.variant: arm for arm in found.traffic.arms if arm.version == record.version}
    if record.state is RolloutState.SHADOW:
        return record.version in found.traffic.shadows and not arms
    return CANARY in arms and arms[CANARY].share == record.leg.share
