"""Bentos built from artefacts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bentos.packaging import BentoConflict, bento_tag, build_bento
from tests.bentos.artefacts import MODEL, write_artefact


def build(artefact: Path, home: Path) -> Path:
    tag = build_bento(artefact, model=MODEL, version=1, bentoml_home=home)
    assert tag == bento_tag(MODEL, 1) == "flights__arrival_delay:v1"
    return home / "bentos" / "flights__arrival_delay" / "v1"


def test_a_bento_holds_the_artefact_and_the_serving_code_only(tmp_path: Path) -> None:
    bento = build(write_artefact(tmp_path / "artefact", bias=0.0), tmp_path / "bentoml")
    source = bento / "src"
    assert {path.name for path in source.iterdir()} == {
        "artefact", "bento.json", "bentofile.yaml", "bentos", "mlplat_assets", "resources",
    }  # fmt: skip
    code = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert "bentos/model_server/service.py" in code
    assert "resources/registry/registry.py" in code
    # What the sources of on-demand views import.
    spec = {"mlplat_assets/__init__.py", "mlplat_assets/spec.py"}
    assert {path for path in code if path.startswith("mlplat_assets/")} == spec
    for path in code - spec:
        imported = re.findall(r"^\s*(?:import|from) (\w+)", (source / path).read_text(), re.M)
        assert not {"dagster", "duckdb", "mlplat_assets"} & set(imported), path
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "onnxruntime==" in requirements
    assert "dagster" not in requirements


def test_the_spec_in_a_bento_needs_the_standard_library_only(tmp_path: Path) -> None:
    bento = build(write_artefact(tmp_path / "artefact", bias=0.0), tmp_path / "bentoml")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import mlplat_assets.spec as spec; "
        "assert spec.__file__.startswith(sys.argv[1]), spec.__file__"
    )
    # Isolated and without site-packages: neither this checkout nor a library is to be found.
    command = [sys.executable, "-I", "-S", "-c", program, str(bento / "src")]
    subprocess.run(command, check=True, cwd=tmp_path)


def test_building_again_changes_nothing_and_another_artefact_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "bentoml"
    artefact = write_artefact(tmp_path / "artefact", bias=0.0)
    written = (build(artefact, home) / "bento.yaml").stat().st_mtime_ns
    assert (build(artefact, home) / "bento.yaml").stat().st_mtime_ns == written
    with pytest.raises(BentoConflict, match="bentoml delete"):
        build(write_artefact(tmp_path / "other", bias=1.0), home)


def test_a_half_built_or_outdated_bento_is_built_again(tmp_path: Path) -> None:
    home = tmp_path / "bentoml"
    artefact = write_artefact(tmp_path / "artefact", bias=0.0)
    bento = build(artefact, home)
    (bento / "bento.yaml").unlink()
    assert (build(artefact, home) / "bento.yaml").is_file()
    service = bento / "src" / "bentos" / "model_server" / "service.py"
    service.write_text("outdated = True\n")
    assert "ModelServer" in (build(artefact, home) / service.relative_to(bento)).read_text()


def test_the_service_is_imported_without_what_a_start_does_not_need() -> None:
    """BentoML imports it twice, in the supervisor and in the worker, and both make a start wait."""
    program = (
        "import sys, bentos.model_server.service; "
        "print(*sorted({'sqlalchemy', 'psycopg', 'alembic', 'redis', 'boto3', 'onnxruntime', "
        "'torch', 'onnx', 'polars', 'dagster', 'mlplat_assets'} & sys.modules.keys()))"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.check_output([sys.executable, "-c", program], cwd=root, text=True)
    assert found.split() == []
