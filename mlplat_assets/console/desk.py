"""What every route of the console has at hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from mlplat_assets.commands.stores import NotThereYet
from mlplat_assets.console.audit_check import AuditCheck
from mlplat_assets.console.pages import Interfaces, Pages, interfaces
from mlplat_assets.console.refusals import not_found
from mlplat_assets.console.sessions import Session, Sessions
from mlplat_assets.console.stores import Stores
from mlplat_assets.console.verdict_board import VerdictBoard
from mlplat_assets.discovery import Catalogue
from resources.settings import Settings

COOKIE = "mlplat_console"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The stores, the templates and the logins; times come from the clock."""

    stores: Stores
    pages: Pages
    links: Interfaces
    sessions: Sessions
    audit_check: AuditCheck
    verdicts: VerdictBoard
    declared: Catalogue
    clock: Callable[[], datetime]

    def session(self, request: Request) -> Session | None:
        """Who looks at the page; None for a reader."""
        return self.sessions.find(request.cookies.get(COOKIE, ""))

    def page(self, request: Request, template: str, status: int = 200, **told: object) -> Response:
        """A page for whoever asked."""
        return self.pages.html(template, self.session(request), status, **told)

    def locked(self) -> bool:
        """Whether nobody can write here, because the registry has no tokens yet."""
        try:
            with self.stores.registry() as registry:
                return not registry.tokens.all()
        except NotThereYet:
            return True

    def require_known(self, model: str, registered: Sequence[object]) -> None:
        """Refuse a model that is neither declared nor registered.

        Raises:
            Refused: Status 404.
        """
        if model not in self.declared.models and not registered:
            raise not_found(f"there is no model {model!r}; the first page lists them all")


def desk(settings: Settings, declared: Catalogue, clock: Callable[[], datetime]) -> Desk:
    """A desk on the stores of the settings; nothing is opened yet."""
    links = interfaces(settings)
    return Desk(
        stores=Stores(settings),
        pages=Pages(links),
        links=links,
        sessions=Sessions(clock),
        audit_check=AuditCheck(clock),
        verdicts=VerdictBoard(),
        declared=declared,
        clock=clock,
    )
