"""`mlplat features ...`: thin commands, each importing what it needs when it runs."""

from typing import Annotated

import typer

from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

View = Annotated[str, typer.Argument(metavar="VIEW", help="As team.name.", show_default=False)]

features_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@features_app.command("list")
def features_list() -> None:
    """Every feature view and service, who uses it, and how far the lake holds it."""
    from mlplat_assets.commands.features import list_features

    list_features(from_environment(), console())


@features_app.command("show")
def features_show(view: View) -> None:
    """One feature view or service: owner, limits, features, users, freshness, definition."""
    from mlplat_assets.commands.feature_pages import show

    show(from_environment(), console(), view)


@features_app.command("search")
def features_search(
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS", help="All must occur.", show_default=False)
    ],
) -> None:
    """Find views and services by name, feature, tag, owner or description."""
    from mlplat_assets.commands.feature_search import search_features

    search_features(console(), words)


@features_app.command("lineage")
def features_lineage(
    of: Annotated[
        str,
        typer.Argument(
            metavar="VIEW[:FEATURE]", help="As team.name or team.name:feature.", show_default=False
        ),
    ],
) -> None:
    """Where a view or feature comes from, and everything that uses it."""
    from mlplat_assets.commands.feature_lineage import show_lineage

    show_lineage(from_environment(), console(), of)


@features_app.command("stream")
def features_stream(
    views: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIEW]...", help="Default: all streamed.", show_default=False),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Of the past: rows move time, the clock does not.")
    ] = False,
) -> None:
    """Feed streamed views from their sources' events, online and in the lake."""
    from mlplat_assets.commands.stream import stream

    stream(from_environment(), console(), views or [], replay=replay)


@features_app.command("serve")
def features_serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine only.")] = 6566,
) -> None:
    """Take pushed events and answer online features, over HTTP."""
    from mlplat_assets.commands.feature_server import serve

    serve(from_environment(), port)


@features_app.command("audit")
def features_audit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As team.name.")],
    sample: Annotated[
        int, typer.Option("--sample", min=1, help="At most so many logged predictions.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """How often each feature was served exactly as the lake has it, over logged predictions."""
    from mlplat_assets.commands.skew import audit_model

    audit_model(from_environment(), console(), model, sample=sample, as_json=as_json)


@features_app.command("sync")
def features_sync(
    views: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIEW]...", help="Default: all online ones.", show_default=False),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Forget what is online first.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every entity with the lake afterwards.")
    ] = False,
) -> None:
    """Bring the online store in step with the lake."""
    from mlplat_assets.commands.sync import sync_views, verify_views

    sync_views(from_environment(), console(), views or [], rebuild=rebuild)
    if verify and not verify_views(from_environment(), console(), views or []):
        raise typer.Exit(1)
