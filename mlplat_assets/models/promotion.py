"""From a decision in the registry to a running service: champion, Bento, endpoint."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.handoff import latest
from resources.artifacts import ArtifactStore
from resources.registry.registry import Registry
from resources.service_addresses import service_url
from resources.settings import Settings

_SERVICE_SECONDS = 20.0


def champion(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The version in production, as the registry says; made by people's decisions, not by runs."""

    @dg.asset(
        key=key("champions", model.team, model.name),
        description="The version in production. Approve one with `mlplat models approve`.",
        deps=[key(stage, model.team, model.name) for stage in ("versions", "approvals")],
        group_name=group("champions", model.team),
        owners=[catalogue.owner(model)],
        kinds={"sqlalchemy"},
    )
    def in_production(registry: dg.ResourceParam[Registry]) -> dg.MaterializeResult:
        decided = registry.decision(model.full_name)
        if decided is None or decided.version is None:
            raise dg.Failure(
                f"{model.full_name} has no version in production; "
                f"promote one with `mlplat models promote {model.full_name} VERSION`"
            )
        number, at = decided.version, decided.at
        return dg.MaterializeResult(
            metadata={
                "version": number,
                "artifact_digest": decided.artifact_digest,
                "decision": decided.action.value,
                "actor": decided.actor,
                "approver": registry.approver_of(model.full_name, number, at) or "",
                "reason": decided.reason,
            }
        )

    return in_production


def bento(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The champion as a Bento that `bentoml serve` runs alone."""
    upstream = key("champions", model.team, model.name)

    @dg.asset(
        key=key("bentos", model.team, model.name),
        description="One Bento per promoted version: artefact and serving code, no Dagster. "
        "It is started once, on the loopback, until it is ready.",
        deps=[upstream],
        group_name=group("bentos", model.team),
        owners=[catalogue.owner(model)],
        kinds={"bentoml"},
    )
    def built(
        context: dg.AssetExecutionContext,
        artifacts: dg.ResourceParam[ArtifactStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        from bentos.packaging import bento_folder, build_bento, folder_bytes
        from bentos.start_up import start_up_seconds

        handed = latest(context.instance, upstream)
        tag = build_bento(
            artifacts.get_folder(handed["artifact_digest"]),
            model=model.full_name,
            version=handed["version"],
            bentoml_home=settings.bentoml_home,
        )
        folder = bento_folder(settings.bentoml_home, tag)
        return dg.MaterializeResult(
            metadata={
                "bento": tag,
                "version": handed["version"],
                "size_bytes": folder_bytes(folder),
                "start_up_seconds": round(start_up_seconds(folder), 2),
                "to_serve": f"mlplat serve {model.full_name}",
            }
        )

    return built


def endpoint(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The service of a model, as seen from outside after a promotion."""
    asset_key = key("endpoints", model.team, model.name)
    upstream = key("bentos", model.team, model.name)

    @dg.asset(
        key=asset_key,
        description="POST /v1/predict. Follows the registry's champion within seconds.",
        deps=[upstream],
        group_name=group("endpoints", model.team),
        owners=[catalogue.owner(model)],
        kinds={"bentoml"},
        check_specs=[
            dg.AssetCheckSpec(
                "serves_the_champion",
                asset=asset_key,
                description="The running service answers with the version in production.",
            )
        ],
    )
    def served(
        context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        version = latest(context.instance, upstream)["version"]
        # Each model that `mlplat serve` runs here has a port of its own.
        url = service_url(settings.home, model.full_name) or settings.serving_url
        answer = _wait_for(url, model.full_name, version)
        right = answer.get("model") == model.full_name and answer.get("version") == version
        state = f"serves version {version}" if right else _problem(answer, model.full_name)
        return dg.MaterializeResult(
            metadata={"url": url, "state": state, "version": version},
            check_results=[
                dg.AssetCheckResult(
                    check_name="serves_the_champion",
                    passed=right,
                    description=state,
                    # A service that nobody started, or that is silent, is no fault of it.
                    severity=dg.AssetCheckSeverity.ERROR
                    if "model" in answer
                    else dg.AssetCheckSeverity.WARN,
                )
            ],
        )

    return served


def _wait_for(url: str, model: str, version: int) -> dict[str, Any]:
    """What the service says it serves, waiting while it still has another version."""
    deadline = time.monotonic() + _SERVICE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/v1/model", timeout=2) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return {"refused": error.code}
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return {}
        ready = answer.get("model") != model or answer.get("version") == version
        if ready or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


def _problem(answer: dict[str, Any], model: str) -> str:
    if not answer:
        return f"nothing listens; start it with `mlplat serve {model}`"
    if "refused" in answer:
        return f"the service answers GET /v1/model with {answer['refused']}; ask it with a token"
    return f"the service has {answer.get('model')} version {answer.get('version')}"
