"""The gateways as Dagster resources: each is made once a run, from the environment."""

import dagster as dg

from resources.artifacts import ArtifactStore, artifact_store
from resources.lake import Lake, lake_from
from resources.online_store import OnlineStore, online_store
from resources.registry.registry import Registry, registry
from resources.settings import Settings, from_environment


class SettingsResource(dg.ConfigurableResource[Settings]):
    """Where the stores are, as the environment says."""

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Read the environment."""
        return from_environment()


class LakeResource(dg.ConfigurableResource[Lake]):
    """DuckLake: features, labels, training sets, predictions."""

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """The lake of this environment."""
        return lake_from(from_environment())


class OnlineStoreResource(dg.ConfigurableResource[OnlineStore]):
    """The latest feature values by key: SQLite or Redis."""

    def create_resource(self, context: dg.InitResourceContext) -> OnlineStore:
        """The online store of this environment."""
        settings = from_environment()
        return online_store(settings.online_url, settings.online_timeout)


class RegistryResource(dg.ConfigurableResource[Registry]):
    """Model versions, stages and the audit log, migrated to the newest schema."""

    def create_resource(self, context: dg.InitResourceContext) -> Registry:
        """The registry of this environment, acted on by the holder of its token."""
        settings = from_environment()
        opened = registry(settings.registry_url, token=settings.token)
        opened.migrate()
        return opened


class ArtifactsResource(dg.ConfigurableResource[ArtifactStore]):
    """Content-addressed files: training sets, model artefacts, evidence."""

    def create_resource(self, context: dg.InitResourceContext) -> ArtifactStore:
        """The artifact store of this environment."""
        settings = from_environment()
        return artifact_store(settings.artifacts_url, settings.home / "cache")


RESOURCES = {
    "settings": SettingsResource(),
    "lake": LakeResource(),
    "online_store": OnlineStoreResource(),
    "registry": RegistryResource(),
    "artifacts": ArtifactsResource(),
}
