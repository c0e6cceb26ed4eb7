"""HTML from templates. Everything that comes from data is escaped; there is no script."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from mlplat_assets.commands.output import moment, short
from mlplat_assets.console.sessions import Session
from resources.settings import Settings

FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Interfaces:
    """Where people open the other interfaces."""

    dagster: str
    mlflow: str

    def asset(self, stage: str, model: str) -> str:
        """The page of one of a model's assets in Dagster."""
        return f"{self.dagster}/assets/{stage}/{model.replace('.', '/')}"

    def run(self, run_id: str) -> str:
        """The page of a run in Dagster."""
        return f"{self.dagster}/runs/{run_id}"


def interfaces(settings: Settings) -> Interfaces:
    """Those of the settings; what is no web address is linked nowhere."""
    return Interfaces(dagster=_web(settings.dagster_url), mlflow=_web(settings.tracking_ui))


class Pages:
    """Renders one template into a page."""

    def __init__(self, links: Interfaces) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters |= {
            "cell": cell,
            "moment": lambda at: f"{moment(at)}" if at else "-",
            "short": lambda digest: short(digest) or "-",
            "signed": lambda value: "-" if value is None else f"{value:+.4f}",
            "words": lambda text: str(text).replace("_", " "),
        }
        self._templates.globals["links"] = links

    def html(
        self, template: str, session: Session | None, status: int = 200, **told: object
    ) -> HTMLResponse:
        """The page for whoever looks at it; a session's notices are told once."""
        notices = [] if session is None else session.notices.copy()
        if session is not None:
            session.notices.clear()
        shared: Mapping[str, Any] = {"session": session, "notices": notices, "here": template}
        text = self._templates.get_template(template).render(shared | told)
        return HTMLResponse(text, status)


def cell(value: object) -> str:
    """A value in a table: numbers to four significant digits, nothing as a dash."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{moment(value)}"
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _web(url: str) -> str:
    return url.rstrip("/") if url.startswith(("http://", "https://")) else ""
