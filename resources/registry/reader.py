"""What the registry knows: versions, champions then and now, and the audit log."""

from datetime import datetime

import sqlalchemy as sa

from resources.registry import (
    approvals,
    audit,
    history,
    survey,
    traffic,
    verification,
    versions,
    waiting,
)
from resources.registry.database import Database
from resources.registry.records import Approval, AuditEntry, Stage, Version
from resources.registry.survey import Surveyed
from resources.registry.tables import audit_log, utc
from resources.registry.tables import versions as version_table
from resources.registry.traffic_table import Traffic, TrafficTable
from resources.registry.waiting import Waiting


class RegistryReader:
    """The questions the registry answers. Moments are UTC-aware; a naive one raises ValueError."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def version(self, model: str, number: int) -> Version:
        """One version as it stands now.

        Raises:
            UnknownVersion: There is no such version.
        """
        with self.database.reading() as connection:
            return versions.find(connection, model, number)

    def versions(
        self, model: str, *, limit: int | None = None, before: int | None = None
    ) -> list[Version]:
        """The model's versions by number; none for a model that never registered one.

        Args:
            model: `team.name`.
            limit: Only the newest so many.
            before: Only those with a smaller number.
        """
        with self.database.reading() as connection:
            return versions.newest(connection, model, limit=limit, before=before)

    def count(self, model: str) -> int:
        """How many versions the model has."""
        with self.database.reading() as connection:
            return versions.highest(connection, model)

    def models(self) -> list[str]:
        """The models that have a version, by name."""
        # Each has a version 1, so that the answer takes a row per model, not per version.
        query = sa.select(version_table.c.model).where(version_table.c.number == 1)
        with self.database.reading() as connection:
            return list(connection.scalars(query.order_by(version_table.c.model)))

    def champion(self, model: str) -> Version | None:
        """The model's production version now."""
        with self.database.reading() as connection:
            return versions.champion(connection, model)

    def champion_at(self, model: str, at: datetime) -> Version | None:
        """The version that was in production at the moment; its `stage` is the one it has now."""
        with self.database.reading() as connection:
            crowned = history.coronation(connection, model, utc(at))
            if crowned is None or crowned.version is None:
                return None
            return versions.find(connection, model, crowned.version)

    def stage_at(self, model: str, number: int, at: datetime) -> Stage | None:
        """The stage the version was in at the moment; None before it was registered."""
        with self.database.reading() as connection:
            return history.stage(connection, model, number, utc(at))

    def decision(self, model: str, at: datetime | None = None) -> AuditEntry | None:
        """The entry that made the champion of the moment, or of now; None without a champion."""
        with self.database.reading() as connection:
            return history.coronation(connection, model, at and utc(at))

    def coronations(self) -> dict[str, int]:
        """The id of the entry that made each model's champion of now, by model."""
        with self.database.reading() as connection:
            return history.coronations(connection)

    def promotion_of(self, model: str, number: int, at: datetime) -> AuditEntry | None:
        """The entry that had put the version into production by the moment; None without one."""
        with self.database.reading() as connection:
            return history.promotion(connection, model, number, utc(at))

    def approver_of(self, model: str, number: int, at: datetime) -> str | None:
        """Who had approved the version for production by the moment; None when nobody had."""
        promoted = self.promotion_of(model, number, at)
        return promoted and promoted.approver

    def approvals_of(self, model: str, number: int, at: datetime) -> list[Approval]:
        """The approvals that the version's promotion rested on at the moment, oldest first.

        None for a version that was promoted by break glass, or before approvals were recorded:
        `promotion_of` names the approver then.
        """
        with self.database.reading() as connection:
            promoted = history.promotion(connection, model, number, utc(at))
            if promoted is None:
                return []
            given = approvals.of(connection, model, number)
            return approvals.behind(promoted, given)

    def approvals(self, model: str, number: int) -> list[Approval]:
        """Every verdict on the version, oldest first, whether it stands or not."""
        with self.database.reading() as connection:
            return approvals.of(connection, model, number)

    def waiting(self, now: datetime, model: str | None = None) -> list[Waiting]:
        """The newest versions in staging and canary of all models, or of one, oldest first.

        Args:
            now: The moment that approvals must stand at.
            model: `team.name`.
        """
        with self.database.reading() as connection:
            return waiting.of(connection, utc(now), model)

    def lapsed_approvals(self, since: datetime, until: datetime) -> list[Approval]:
        """Approvals of any model whose time ended in the span, its end included."""
        with self.database.reading() as connection:
            return waiting.lapsed(connection, utc(since), utc(until))

    def traffic(self, model: str) -> TrafficTable:
        """Who answers the model's units now: table, champion and artefacts, all of one moment.

        Raises:
            TrafficInvalid: The table contradicts itself, or there are two champions.
        """
        with self.database.reading() as connection:
            return traffic.current(connection, model)

    def traffic_at(self, model: str, revision: int) -> Traffic:
        """The model's traffic table in one revision.

        Raises:
            LookupError: There is no such revision.
            TrafficInvalid: It contradicts itself.
        """
        with self.database.reading() as connection:
            return traffic.at_revision(connection, model, revision)

    def survey(self) -> list[Surveyed]:
        """Every model that has a version, at a glance."""
        with self.database.reading() as connection:
            return survey.survey(connection)

    def audit(
        self,
        model: str | None = None,
        *,
        version: int | None = None,
        newest: int | None = None,
        before: int | None = None,
    ) -> list[AuditEntry]:
        """The log, oldest first.

        Args:
            model: Only the entries of one model.
            version: Only those of one version of it.
            newest: Only the newest so many.
            before: Only those with a smaller id.
        """
        conditions = [] if model is None else [audit_log.c.model == model]
        conditions += [] if before is None else [audit_log.c.id < before]
        conditions += [] if version is None else [audit_log.c.version == version]
        with self.database.reading() as connection:
            return audit.read(connection, *conditions, newest=newest)

    def audit_since(self, entry_id: int) -> list[AuditEntry]:
        """The entries after one, oldest first; 0 gives all."""
        with self.database.reading() as connection:
            return audit.read(connection, audit_log.c.id > entry_id)

    def verify_audit(self) -> int:
        """Check the whole log, and versions, approvals, tokens and traffic tables against it.

        Returns:
            The number of entries.

        Raises:
            AuditBroken: Naming the first entry that does not hold.
        """
        with self.database.reading() as connection:
            return verification.verify(connection)
