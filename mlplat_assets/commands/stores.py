"""The stores as commands open them: never created by looking, and away in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.lake import Lake
from resources.registry.errors import RegistryNotMigrated
from resources.registry.registry import Registry
from resources.settings import Settings


class NotThereYet(LookupError):
    """The store was never written."""

    def __init__(self, what: str, where: str) -> None:
        """Compose the one-line message."""
        super().__init__(
            f"there is no {what} at {where} yet; run `mlplat demo`, or materialise a model's assets"
        )


class StoreAway(ValueError):
    """The store cannot be reached now."""

    def __init__(self, what: str, where: str, error: BaseException) -> None:
        """Compose the one-line message."""
        super().__init__(
            f"{what} {where} cannot be read: {first_line(error)}; "
            "`mlplat doctor` tells what is reachable"
        )


@contextmanager
def opened_registry(settings: Settings) -> Iterator[Registry]:
    """The registry for the length of the block.

    Raises:
        NotThereYet: It has no tables.
        StoreAway: Its database does not answer.
    """
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError, DBAPIError

    from resources.registry.registry import registry

    try:
        url = sa.make_url(settings.registry_url)
    except ArgumentError as error:
        raise StoreAway("registry", settings.registry_url, error) from error
    where = url.render_as_string()
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise NotThereYet("registry", where)
    try:
        yield registry(settings.registry_url, token=settings.token)
    except RegistryNotMigrated as error:
        raise NotThereYet("registry", where) from error
    except DBAPIError as error:
        raise StoreAway("registry", where, error.orig or error) from error


@contextmanager
def opened_lake(settings: Settings) -> Iterator[Lake]:
    """The lake for the length of the block.

    Raises:
        NotThereYet: Its catalog does not exist.
        StoreAway: Its catalog or files cannot be read.
    """
    import duckdb

    from resources.lake import lake_from

    if not lake_file_exists(settings):
        raise NotThereYet("lake", settings.lake_catalog)
    try:
        yield lake_from(settings)
    except duckdb.Error as error:
        raise StoreAway("lake", settings.lake_catalog, error) from error


def lake_file_exists(settings: Settings) -> bool:
    """Whether an embedded lake was created; a server's is taken to be there."""
    kind, _, path = settings.lake_catalog.partition(":")
    return kind != "sqlite" or Path(path).exists()


def first_line(error: BaseException) -> str:
    """What an error says, without the pages that some drivers add."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" ;.")
