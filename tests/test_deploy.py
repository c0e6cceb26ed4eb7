"""The image's recipe, the manifests and the compose file, checked by their own tools, offline."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.utils import canonicalize_name

from bentos.container import FolderTaken, deployment_name, pinned, write_recipe
from bentos.packaging import REQUIREMENTS, bento_folder, build_bento
from bentos.start_up import BentoDoesNotStart, start_up_seconds
from resources.alerts.routes import routes_of
from resources.settings import REPOSITORY
from tests.bentos.artefacts import MODEL, write_artefact
from tests.services import unavailable

KUBERNETES = "1.37"
HADOLINT = Path(sys.executable).with_name("hadolint")
SECRETS = {
    "POSTGRES_PASSWORD": "of-postgres", "REDIS_PASSWORD": "of-redis",
    "S3_USER": "of-user", "S3_PASSWORD": "of-s3",
    "MODEL_PACKAGE": str(REPOSITORY / "deploy"), "SERVING_TOKENS": "/tokens",
    "ALERTS": "/of-alerts",
}  # fmt: skip
# Authenticated by a password or a token: the others are on the loopback only.
PUBLISHED = {"postgres", "redis", "s3", "model-service"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's own build


def program(name: str) -> str:
    found = shutil.which(name)
    return found or unavailable(f"{name} is not on the PATH: apt-get install {name}")


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bentoml")
    artefact = write_artefact(home / "artefact", bias=0.0)
    return bento_folder(home, build_bento(artefact, model=MODEL, version=3, bentoml_home=home))


@pytest.fixture(scope="module")
def recipe(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    write_recipe(bento, folder)
    return folder


@pytest.fixture(scope="module")
def manifests(recipe: Path) -> dict[str, dict[str, Any]]:
    """What kubectl makes of the folder, by kind."""
    command = [program("kubectl"), "kustomize", str(recipe / "kubernetes")]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return {document["kind"]: document for document in yaml.safe_load_all(made.stdout)}


def test_a_dockerfile_has_no_finding(recipe: Path) -> None:
    for file in (recipe / "Dockerfile", REPOSITORY / "deploy" / "Dockerfile"):
        found = subprocess.run(
            [HADOLINT, "--format", "json", file], capture_output=True, text=True, check=False
        )
        assert json.loads(found.stdout) == [], file


def test_an_image_runs_as_nobody_and_holds_no_secret(recipe: Path) -> None:
    text = (recipe / "Dockerfile").read_text()
    final = text[text.rindex("FROM ") :]
    assert "USER 10001:10001" in final
    assert "HEALTHCHECK" in final
    assert not re.search(r"(?i)(ARG|ENV)\s+\S*(TOKEN|PASSWORD|SECRET|KEY)", text)
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", text, re.M))
    assert copied == {"requirements.txt", "bento"}
    assert not re.search(r"@[A-Z]+@", text)
    assert f"python:{sys.version_info.major}.{sys.version_info.minor}-" in text


def test_a_recipe_brings_the_bento_and_exact_requirements(recipe: Path, bento: Path) -> None:
    lines = (recipe / "requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in lines}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^+ ]*", line) for line in lines)
    assert {*REQUIREMENTS, "bentoml", "starlette", "uvicorn"} <= names
    assert not {"dagster", "torch", "polars", "duckdb", "mlflow", "dbt-core", "ray"} & names
    for name in ("bento.yaml", "src/bento.json", "src/artefact/model.onnx"):
        assert (recipe / "bento" / name).read_bytes() == (bento / name).read_bytes()


def test_everything_that_the_code_imports_is_required(recipe: Path) -> None:
    lines = (recipe / "requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in lines}
    providers = packages_distributions()
    ours = {"bentos", "resources", "mlplat_assets", *sys.stdlib_module_names}
    source = recipe / "bento" / "src"
    missing = {
        (file.relative_to(source).as_posix(), top)
        for file in source.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for top in imported(node) - ours
        if not {canonicalize_name(name) for name in providers.get(top, ())} & names
    }
    # Migrating is the platform's, types are a checker's, onnx and torch a GPU machine's.
    assert {top for _, top in missing} == {"alembic", "onnx", "torch", "polars", "_typeshed"}
    assert {file for file, top in missing if top == "polars"} == {"mlplat_assets/spec.py"}
    assert {file for file, top in missing if top == "torch"} <= {
        f"bentos/model_server/runtime/{name}.py"
        for name in ("buckets", "choice", "gpu", "operators", "translated")
    }


def imported(node: ast.AST) -> set[str]:
    """The top-level names that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def test_the_lock_is_closed_under_what_its_packages_require() -> None:
    locked = pinned(["httpx-ws", "redis"])
    names = {line.partition("==")[0] for line in locked}
    assert {"httpx", "httpcore", "h11", "anyio", "wsproto", "idna"} <= names
    assert pinned(names) == locked


def test_a_recipe_replaces_a_recipe_and_nothing_else(bento: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_recipe(bento, folder)
    (folder / "bento" / "left").touch()
    write_recipe(bento, folder)
    assert not (folder / "bento" / "left").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(FolderTaken, match="choose another folder"):
        write_recipe(bento, other)
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]


def test_every_manifest_fits_the_schema_of_its_kind(manifests: dict[str, Any]) -> None:
    assert set(manifests) == {
        "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy",
    }  # fmt: skip
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    wrong = {**manifests["Service"], "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_the_claim_of_the_journals_fits_its_schema(recipe: Path) -> None:
    claim = yaml.safe_load((recipe / "kubernetes" / "journal.yaml").read_text())
    kubernetes_validate.validate(claim, KUBERNETES, strict=True)


def test_the_manifests_speak_of_the_same_pods(manifests: dict[str, Any]) -> None:
    name = deployment_name(MODEL)
    assert {manifest["metadata"]["name"] for manifest in manifests.values()} == {name}
    pods = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector["app.kubernetes.io/name"] == name
        assert selector.items() <= pods.items()
    scaled = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", name)
    clients = manifests["NetworkPolicy"]["spec"]["ingress"][0]["from"][0]["podSelector"]
    assert clients == {"matchLabels": {"mlplat.io/client": "true"}}


def test_a_pod_is_probed_drained_and_confined(manifests: dict[str, Any]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "flights__arrival_delay:v3"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    paused = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert (
        pod["terminationGracePeriodSeconds"] >= paused + 2 + 30
    )  # drain, and answers on their way
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]) == {"requests", "limits"}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["MLPLAT_SERVING_TOKENS"].startswith(mounts["tokens"])
    assert environment["MLPLAT_JOURNAL"] == mounts["journal"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["tokens"]["secret"]["defaultMode"] == 0o440
    metrics = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Pods", "Resource"]
    assert metrics[0]["pods"]["metric"]["name"] == "mlplat_queue_rows"


def compose(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`docker-compose config`: resolved and checked against its schema."""
    file = REPOSITORY / "deploy" / "compose.yaml"
    command = [program("docker-compose"), "--file", str(file), "config"]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        command, env=path | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def platform() -> Iterator[dict[str, Any]]:
    made = compose(SECRETS)
    assert made.returncode == 0, made.stderr
    yield yaml.safe_load(made.stdout)["services"]


def test_the_compose_file_is_the_whole_platform(platform: dict[str, Any]) -> None:
    assert set(platform) == PUBLISHED | {
        "mlflow", "dagster-webserver", "dagster-daemon", "feature-server",
    }  # fmt: skip
    for name, service in platform.items():
        assert service["healthcheck"]["test"], name
        for needed, when in service.get("depends_on", {}).items():
            assert when == {"condition": "service_healthy"}, (name, needed)


def test_only_the_loopback_is_listened_on(platform: dict[str, Any]) -> None:
    for name, service in platform.items():
        ports = [str(port) for port in service.get("ports", ())]
        assert all(port.startswith("127.0.0.1:") for port in ports), name
        assert bool(ports) == (name in PUBLISHED)
        # Without authentication: on the host's loopback, never in a network of containers.
        assert (service.get("network_mode") == "host") == (name not in PUBLISHED)
        words = " ".join(service.get("command", ()))
        assert name in PUBLISHED or "0.0.0.0" not in words
    assert "--host 127.0.0.1" in " ".join(platform["dagster-webserver"]["command"])
    assert "--host=127.0.0.1" in platform["mlflow"]["command"]


def test_the_daemon_alone_has_the_file_of_alerts_and_its_secrets(platform: dict[str, Any]) -> None:
    mounted = {name: " ".join(map(str, each.get("volumes", ()))) for name, each in platform.items()}
    assert [name for name, text in mounted.items() if "/of-alerts" in text] == ["dagster-daemon"]
    assert "/of-alerts:/etc/mlplat/alerts:ro" in mounted["dagster-daemon"]
    set_in = {name: (each.get("environment") or {}) for name, each in platform.items()}
    told = {name: env["MLPLAT_ALERTS"] for name, env in set_in.items() if "MLPLAT_ALERTS" in env}
    assert told == {"dagster-daemon": "/etc/mlplat/alerts/alerts.toml"}
    # What the daemon sets itself does not take the place of what all have.
    assert set_in["dagster-webserver"].items() <= set_in["dagster-daemon"].items()
    assert "home:/var/lib/mlplat" in mounted["dagster-daemon"]


def test_the_example_s_file_of_alerts_is_right(tmp_path: Path) -> None:
    lines = (REPOSITORY / "deploy" / "compose.env.example").read_text().splitlines()
    file = tmp_path / "alerts.toml"
    file.write_text("\n".join(line[4:] for line in lines if line.startswith("#   ")))
    assert list(routes_of(file).sinks) == ["log"]


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_no_secret_has_a_default(missing: str) -> None:
    refused = compose({name: value for name, value in SECRETS.items() if name != missing})
    assert refused.returncode != 0
    assert f"set {missing}" in refused.stderr


def test_the_example_names_every_secret_and_gives_none() -> None:
    lines = (REPOSITORY / "deploy" / "compose.env.example").read_text().splitlines()
    entries = [line.partition("=") for line in lines if not line.startswith("#")]
    assert {name for name, _, _ in entries} == set(SECRETS)
    assert {value for _, _, value in entries} == {""}


def test_a_bento_is_started_once_and_leaves_nothing_behind(bento: Path, tmp_path: Path) -> None:
    before = sorted(bento.rglob("*.json"))
    assert 0 < start_up_seconds(bento) < 60
    assert sorted(bento.rglob("*.json")) == before
    broken = tmp_path / "broken"
    shutil.copytree(bento, broken)
    (broken / "src" / "artefact" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BentoDoesNotStart, match="artefact"):
        start_up_seconds(broken)


def test_onnxruntime_reports_nothing(bento: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from bentos.model_server.artefact.predictor import Predictor; "
        "Predictor.load(Path(sys.argv[1])).warm_up()"
    )
    command = [sys.executable, "-c", program, str(bento / "src" / "artefact")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
