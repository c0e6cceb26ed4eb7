"""`mlplat serve`: several models at once, each where its endpoint asset finds it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest
from typer.testing import CliRunner

from bentos.packaging import build_bento
from mlplat_assets.cli import app
from mlplat_assets.commands.serve import assigned_ports, require_tokens, served_models
from resources.artifacts import artifact_store
from resources.service_addresses import ServiceAddress, announced, service_url
from resources.settings import REPOSITORY
from tests.bentos.artefacts import MODEL, card
from tests.bentos.servers import Server, call, free_port
from tests.bentos.versions import promote
from tests.small_home import settings_at

OTHER = "shop.returns"


def packaged(home: Path, model: str) -> None:
    """A champion of the model, and its Bento."""
    version = promote(home, bias=float(len(model)), document=card() | {"model": model}, model=model)
    settings = settings_at(home)
    artefact = artifact_store(settings.artifacts_url).get_folder(version.artifact_digest)
    build_bento(artefact, model=model, version=1, bentoml_home=settings.bentoml_home)


def two_free_ports() -> int:
    """A port that is free, the next one too."""
    while True:
        first = free_port()
        listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.laddr}
        if first < 65535 and first + 1 not in listening:
            return first


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's own, when it builds
def test_every_model_is_served_on_a_port_of_its_own(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for model in (MODEL, OTHER):
        packaged(home, model)
    settings = settings_at(home)
    assert served_models(settings) == [MODEL, OTHER]
    port = two_free_ports()
    command = [sys.executable, "-m", "mlplat_assets.cli", "serve", "--all", "--port", str(port)]
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "2"],
            cwd=REPOSITORY,
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    servers = [Server(process, number, home / "serve.log") for number in (port, port + 1)]
    try:
        for server, model in zip(servers, (MODEL, OTHER), strict=True):
            server.wait_until_ready()
            assert call(server.port, "GET", "/v1/model")[1]["model"] == model
            assert service_url(home, model) == f"http://127.0.0.1:{server.port}"
        family = psutil.Process(process.pid).children(recursive=True)
        workers = [p for p in family if "_bentoml_impl.worker.service" in p.cmdline()]
        assert len(workers) == 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, servers[0].log.read_text()
        assert psutil.wait_procs(family, timeout=5)[1] == []
        assert [service_url(home, model) for model in (MODEL, OTHER)] == [None, None]
        assert list((home / "services").glob("*.json")) == []
    finally:
        servers[0].kill()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's own, when it builds
def test_package_writes_the_folder_of_the_production_version(tmp_path: Path) -> None:
    packaged(tmp_path, MODEL)
    environment = settings_at(tmp_path).environment()
    folder = tmp_path / "packages" / "flights__arrival_delay" / "v1"
    result = CliRunner().invoke(app, ["package", MODEL], env=environment)
    assert result.exit_code == 0, result.output
    assert f"docker build --tag flights__arrival_delay:v1 {folder}" in result.output
    assert (folder / "bento" / "src" / "bento.json").is_file()
    assert not re.search("@[A-Z]+@", "".join(f.read_text() for f in folder.glob("*/*.yaml")))
    taken = CliRunner().invoke(app, ["package", MODEL, "--output", "tests"], env=environment)
    assert taken.exit_code == 1
    assert "choose another folder" in taken.output


def test_a_file_that_a_killed_process_left_is_not_believed(tmp_path: Path) -> None:
    with announced(tmp_path, {MODEL: "http://127.0.0.1:3000"}):
        assert service_url(tmp_path, MODEL) == "http://127.0.0.1:3000"
        assert service_url(tmp_path, OTHER) is None
        file = tmp_path / "services" / f"{MODEL}.json"
        address = msgspec.json.decode(file.read_bytes(), type=ServiceAddress)
    assert service_url(tmp_path, MODEL) is None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for change in (
        {"process": ended.pid},
        {"process_started": address.process_started - 60},  # the number was given again
        {"model": OTHER},
    ):
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(address, **change)))
        assert service_url(tmp_path, MODEL) is None
    file.write_bytes(b"{")
    assert service_url(tmp_path, MODEL) is None


def test_who_was_started_later_keeps_its_announcement(tmp_path: Path) -> None:
    with announced(tmp_path, {MODEL: "http://127.0.0.1:3000"}):
        with announced(tmp_path, {MODEL: "http://127.0.0.1:3005"}):
            assert service_url(tmp_path, MODEL) == "http://127.0.0.1:3005"
        later = announced(tmp_path, {MODEL: "http://127.0.0.1:3010"})
        later.__enter__()
    assert service_url(tmp_path, MODEL) == "http://127.0.0.1:3010"
    later.__exit__(None, None, None)
    assert service_url(tmp_path, MODEL) is None


@pytest.mark.parametrize(
    ("host", "tokens", "refused"),
    [
        ("127.0.0.1", False, ""),
        ("::1", False, ""),
        ("0.0.0.0", False, "would answer everybody"),
        ("10.1.2.3", False, "would answer everybody"),
        ("10.1.2.3", True, ""),
        ("example.org", True, "is not an IP address"),
    ],
)
def test_beyond_the_loopback_a_service_needs_tokens(
    host: str, tokens: bool, refused: str, tmp_path: Path
) -> None:
    settings = replace(
        settings_at(tmp_path), serving_tokens=tmp_path / "tokens" if tokens else None
    )
    expected = pytest.raises(ValueError, match=refused) if refused else nullcontext()
    with expected:
        require_tokens(settings, host)


def test_ports_count_up_and_a_model_is_named_once() -> None:
    assert assigned_ports([MODEL, OTHER], 3000) == {MODEL: 3000, OTHER: 3001}
    with pytest.raises(ValueError, match="named twice"):
        assigned_ports([MODEL, MODEL], 3000)
    with pytest.raises(ValueError, match="leaves no port"):
        assigned_ports([MODEL, OTHER], 65535)
