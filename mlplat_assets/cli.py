"""`mlplat`: the platform from a terminal.

Thin: each command is a function of `mlplat_assets.commands`, imported when it runs, so that
`mlplat --help` needs no library but its own.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlplat_assets.commands.alert_commands import alerts_app
from mlplat_assets.commands.experiment_commands import experiments_app
from mlplat_assets.commands.feature_commands import features_app
from mlplat_assets.commands.governance_commands import audit_app, decisions_app, tokens_app
from mlplat_assets.commands.lineage_commands import lineage_app, model_lineage_app
from mlplat_assets.commands.model_commands import Model, models_app
from mlplat_assets.commands.output import HELP, console, fail
from mlplat_assets.commands.retrain_commands import retrain_app
from mlplat_assets.commands.rollout_commands import rollout_app
from mlplat_assets.commands.traffic_commands import traffic_app
from resources.registry.errors import RegistryError
from resources.settings import from_environment


class Commands(TyperGroup):
    """Commands whose expected errors are one red line and status 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as Typer's own
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (KeyError, IndexError):
            raise  # a defect of ours, not a thing that was looked up and is not there
        except (RegistryError, LookupError, ValueError) as error:
            fail(error)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    help="Every model, from raw data to a service that retrains itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
models_app.add_typer(decisions_app)
models_app.add_typer(model_lineage_app)
app.add_typer(lineage_app)
app.add_typer(
    models_app,
    name="models",
    help="Versions: list, show, diff, reproduce, approve, promote, roll back.",
)
app.add_typer(
    features_app,
    name="features",
    help="Feature views: list, show, search, lineage, sync, audit, stream, serve.",
)
app.add_typer(
    traffic_app,
    name="traffic",
    help="Who answers whom: canary, A/B arms, shadows, overrides, audit.",
)
app.add_typer(
    experiments_app, name="experiments", help="What versions are compared: list, show, size."
)
app.add_typer(
    rollout_app,
    name="rollout",
    help="Versions on their way to all units: show, start, freeze, resume, advance, abort.",
)
app.add_typer(
    retrain_app,
    name="retrain",
    help="Retrainings: what asked, what became of it; request, approve, reject.",
)
app.add_typer(
    alerts_app,
    name="alerts",
    help="What is wrong: list, show, ack, silence, test, rules.",
)
app.add_typer(audit_app, name="audit", help="Every decision: the log, and whether it is whole.")
app.add_typer(tokens_app, name="tokens", help="Who may decide: create, list, revoke.")


@app.command()
def demo() -> None:
    """Run the whole loop on a year of real flights; takes a few minutes."""
    from mlplat_assets.demo.run import run_demo

    try:
        run_demo(from_environment(), console())
    except (FileExistsError, RuntimeError, TimeoutError) as error:
        fail(error)
        raise typer.Exit(1) from error


@app.command()
def explain(
    prediction_id: Annotated[
        str, typer.Argument(help="From the service's answer.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Trace a prediction to its version, approver, code and data."""
    from mlplat_assets.commands.explain import explain_prediction

    explain_prediction(from_environment(), console(), prediction_id, as_json=as_json)


@app.command()
def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="As team.name.", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every model with a production version.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Of the first; the next ones count up. Default: that of MLPLAT_SERVING_URL.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to bind; beyond the loopback with tokens only.")
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, help="Processes for each, one core each.")] = 1,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until there is a production version and its Bento.")
    ] = False,
) -> None:
    """Serve models' production versions on this machine, one port each."""
    from mlplat_assets.commands.serve import Listening, served_models
    from mlplat_assets.commands.serve import serve as run

    settings = from_environment()
    if every == bool(models):
        raise typer.BadParameter("name the models to serve, or pass --all")
    named = models or served_models(settings)
    listening = Listening(port=port, host=host, workers=workers)
    raise typer.Exit(run(settings, console(), named, listening, wait=wait))


@app.command()
def package(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option(help="Default: packages/ below MLPLAT_HOME.", show_default=False),
    ] = None,
) -> None:
    """Write the folder that the image of a model's production version is built from."""
    from mlplat_assets.commands.package import package as run

    run(from_environment(), console(), model, output)


@app.command()
def score(
    model: Model,
    first: Annotated[
        datetime, typer.Option("--from", metavar="DAY", formats=["%Y-%m-%d"], help="Of decisions.")
    ],
    last: Annotated[
        datetime, typer.Option("--to", metavar="DAY", formats=["%Y-%m-%d"], help="Inclusive.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="Any registered one; default: the champion.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster; `local` starts one here."),
    ] = None,
) -> None:
    """Score past decisions in the lake with a version, as its service would have."""
    from mlplat_assets.commands.score import score_days
    from mlplat_assets.scoring.asset import ScoreRequest

    request = ScoreRequest(version=version, ray=ray)
    score_days(console(), model, request, first.date(), last.date())


@app.command("score-stream")
def score_stream(
    model: Model,
    source: Annotated[
        str | None,
        typer.Option(metavar="TEAM.SOURCE", help="Default: the streamed one that has its fields."),
    ] = None,
) -> None:
    """Score each event of a stream with a model's production version."""
    from mlplat_assets.commands.score_stream import score_stream as run

    run(from_environment(), console(), model, source)


@app.command()
def dev(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="The one to serve; default: the first."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of Dagster's webserver.")] = 3001,
) -> None:
    """Run Dagster's webserver and daemon, MLflow's UI, and serve a model."""
    from mlplat_assets.commands.dev import dev as run

    raise typer.Exit(run(from_environment(), console(), model, port=port))


@app.command("console")
def web_console(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On the loopback.")] = 3002,
) -> None:
    """Serve the web console: models, drift, approvals, audit, on this machine."""
    from mlplat_assets.commands.console import serve_console

    serve_console(from_environment(), console(), port)


@app.command()
def doctor() -> None:
    """Tell what is configured, what is reachable, and how to fix what is not."""
    from mlplat_assets.commands.doctor import examine

    raise typer.Exit(0 if examine(from_environment(), console()) else 1)


def main() -> None:
    """Run the command line on this process's arguments."""
    from mlplat_assets.commands.processes import child_environment

    # For Dagster in this process, and for every child that is given no environment of its own.
    os.environ.update(child_environment(from_environment()))
    app(prog_name="mlplat")


if __name__ == "__main__":
    main()
