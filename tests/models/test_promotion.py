"""From a promoted version to its Bento and to the service that answers with it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.keys import Stage, key
from mlplat_assets.models import promotion
from resources.artifacts import artifact_store
from resources.service_addresses import announced
from resources.settings import Settings
from tests.bentos.artefacts import MODEL, write_artefact
from tests.bentos.servers import free_port
from tests.small_home import settings_at


@contextmanager
def answering(status: int, document: dict[str, Any]) -> Iterator[str]:
    """The URL of a server that gives this answer to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(settings_at(tmp_path), serving_url=f"http://127.0.0.1:{free_port()}")


def materialised(
    asset: dg.AssetsDefinition, stage: Stage, upstream: dict[str, Any], settings: Settings
) -> dg.ExecuteInProcessResult:
    """The asset, made after the one before it in the chain had left this metadata."""
    before = dg.AssetMaterialization(key(stage, *MODEL.split(".")), metadata=upstream)
    store = artifact_store(settings.artifacts_url)
    resources = {"settings": settings, "artifacts": store}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(before)
        return dg.materialize([asset], instance=instance, resources=resources)


def seen(settings: Settings) -> tuple[str, str, bool, dg.AssetCheckSeverity]:
    """What the endpoint asset finds: the URL it asked, what it says, and its check."""
    asset = promotion.endpoint(catalogue().models[MODEL], catalogue())
    result = materialised(asset, "bentos", {"version": 2}, settings)
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    (check,) = result.get_asset_check_evaluations()
    found = event.metadata
    return str(found["url"].value), str(found["state"].value), check.passed, check.severity


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's own, when it builds
def test_a_bento_tells_its_size_and_how_long_it_takes_to_start(settings: Settings) -> None:
    folder = write_artefact(settings.home / "made", bias=0.0)
    stored = artifact_store(settings.artifacts_url).put_folder(folder)
    asset = promotion.bento(catalogue().models[MODEL], catalogue())
    handed = {"artifact_digest": stored, "version": 2}
    result = materialised(asset, "champions", handed, settings)
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    found = {name: value.value for name, value in event.metadata.items()}
    assert found["bento"] == "flights__arrival_delay:v2"
    size, seconds = found["size_bytes"], found["start_up_seconds"]
    assert isinstance(size, int) and isinstance(seconds, float)
    assert 10_000 < size < 5_000_000
    assert 0.5 < seconds < 60
    # The start was on stores of its own.
    assert not settings.journal.exists()


def test_an_endpoint_is_asked_where_its_own_model_is_served(settings: Settings) -> None:
    with (
        answering(200, {"model": "shop.returns", "version": 2}) as other,
        answering(200, {"model": MODEL, "version": 2}) as own,
    ):
        at_other = replace(settings, serving_url=other)
        assert seen(at_other)[2:] == (False, dg.AssetCheckSeverity.ERROR)
        with announced(settings.home, {MODEL: own, "shop.returns": other}):
            url, state, passed, _ = seen(at_other)
    assert (url, state, passed) == (own, "serves version 2", True)


def test_a_service_that_is_away_or_silent_is_no_fault_of_the_version(settings: Settings) -> None:
    _, state, passed, severity = seen(settings)
    assert f"start it with `mlplat serve {MODEL}`" in state
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
    with answering(401, {"error": "no valid token"}) as url:
        _, state, passed, severity = seen(replace(settings, serving_url=url))
    assert "401" in state
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
