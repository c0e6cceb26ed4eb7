"""What the registry knows: versions, champions then and now, and the audit log."""

from datetime import datetime

import sqlalchemy as sa

from resources.registry import audit, history, versions
from resources.registry.database import Database
from resources.registry.records import AuditEntry, Stage, Version
from resources.registry.tables import audit_log, utc
from resources.registry.tables import versions as version_table


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

    def versions(self, model: str) -> list[Version]:
        """The model's versions by number; none for a model that never registered one."""
        with self.database.reading() as connection:
            return versions.select(connection, version_table.c.model == model)

    def models(self) -> list[str]:
        """The models that have a version, by name."""
        query = sa.select(version_table.c.model).distinct().order_by(version_table.c.model)
        with self.database.reading() as connection:
            return list(connection.scalars(query))

    def champion(self, model: str) -> Version | None:
        """The model's production version now."""
        with self.database.reading() as connection:
            return versions.champion(connection, model)

    def champion_at(self, model: str, at: datetime) -> Version | None:
        """The version that was in production at the moment; its `stage` is the one it has now."""
        with self.database.reading() as connection:
            number = history.champion(self._until(connection, model, at))
            return None if number is None else versions.find(connection, model, number)

    def stage_at(self, model: str, number: int, at: datetime) -> Stage | None:
        """The stage the version was in at the moment; None before it was registered."""
        with self.database.reading() as connection:
            return history.stage(self._until(connection, model, at), number)

    def approver_of(self, model: str, number: int, at: datetime) -> str | None:
        """Who had approved the version for production at the moment; None when nobody had."""
        with self.database.reading() as connection:
            return history.approver(self._until(connection, model, at), number)

    def audit(self, model: str | None = None) -> list[AuditEntry]:
        """The log, oldest first, of one model or of all."""
        conditions = [] if model is None else [audit_log.c.model == model]
        with self.database.reading() as connection:
            return audit.read(connection, *conditions)

    def audit_since(self, entry_id: int) -> list[AuditEntry]:
        """The entries after one, oldest first; 0 gives all."""
        with self.database.reading() as connection:
            return audit.read(connection, audit_log.c.id > entry_id)

    def verify_audit(self) -> int:
        """Check the whole log and the versions against it.

        Returns:
            The number of entries.

        Raises:
            AuditBroken: Naming the first entry that does not hold.
        """
        with self.database.reading() as connection:
            return audit.verify(connection)

    def _until(self, connection: sa.Connection, model: str, at: datetime) -> list[AuditEntry]:
        return audit.read(connection, audit_log.c.model == model, audit_log.c.at <= utc(at))
