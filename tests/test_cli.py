"""The command line, on a temporary home, in a terminal of 100 columns."""

import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bentos.packaging import build_bento
from mlplat_assets.catalogue import catalogue
from mlplat_assets.cli import app
from mlplat_assets.commands import doctor, probes
from mlplat_assets.commands.dev import children
from mlplat_assets.commands.findings import Finding
from mlplat_assets.commands.output import masked, short
from mlplat_assets.commands.processes import Child, run_together
from mlplat_assets.commands.serve import production_tag
from mlplat_assets.features.view_versions import view_digest
from resources.artifacts import artifact_store
from resources.registry.records import Stage
from resources.settings import REPOSITORY, Settings
from tests.bentos.servers import Server, call, free_port
from tests.bentos.versions import promote as promote_artefact
from tests.small_home import (
    APPROVER,
    AUTHOR,
    LINEAGE,
    MODEL,
    OLDER,
    PREDICTION,
    crown,
    furnish,
    open_lake,
    open_registry,
    register,
    settings_at,
    write_prediction,
)

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A furnished home that no test changes, and the digest of the partition in it."""
    home = tmp_path_factory.mktemp("furnished")
    return home, furnish(home)


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat ARGUMENTS`; the environment names nothing but the home."""
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str, **variables: str) -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol", **variables}
        return CliRunner().invoke(app, list(arguments), env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    """Everything printed, as one line of words; the status is checked."""
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def test_help_shows_every_command_within_a_second() -> None:
    command = [sys.executable, "-m", "mlplat_assets.cli", "--help"]
    environment = {**os.environ, "COLUMNS": "100"}

    def timed() -> tuple[float, str]:
        # Of the processor: what other processes take is not ours.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.check_output(command, text=True, env=environment, cwd=REPOSITORY)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, shown

    seconds, shown = min(timed() for _ in range(3))
    assert seconds < 1.0
    commands = "demo dev serve models features audit tokens explain doctor"
    for name in commands.split():
        assert f"│ {name} " in shown


def test_help_imports_no_library_of_a_store() -> None:
    program = (
        "import sys, mlplat_assets.cli\n"
        "heavy = {'dagster', 'duckdb', 'sqlalchemy', 'polars', 'torch', 'bentoml', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_declared_models_are_listed_before_anything_was_registered(run: Run, home: Path) -> None:
    shown = told(run("models", "list"))
    assert "flights.arrival_delay - - 0 - flights@example.com" in shown
    assert "No version is registered yet" in shown
    assert not home.exists(), "looking created something"


def test_models_list_tells_what_serves_and_what_is_newest(run: Run, home: Path) -> None:
    crown(home, "first")
    register(home, "second")
    shown = told(run("models", "list"))
    assert f"{MODEL} version 1 auc 0.7312 2 2, staging flights@example.com" in shown


def test_a_model_is_shown_with_its_gates_and_versions(run: Run, home: Path) -> None:
    crown(home, "first")
    shown = told(run("models", "show", MODEL))
    auc = "auc at least 0.62, not behind the champion by more than 0.03"
    assert f"{auc}; ece at most 0.12" in shown
    assert "1 production" in shown
    assert AUTHOR in shown


def test_a_version_is_shown_with_its_origin_evidence_and_history(run: Run, home: Path) -> None:
    crown(home, "first")
    crown(home, "second")
    shown = told(run("models", "show", MODEL, "v2"))
    assert LINEAGE["training_set_digest"] in shown
    assert f"{LINEAGE['code_commit']} + uncommitted changes" in shown
    assert "features.flights__weather 2013-01-01 2013-06-30 181" in shown
    assert "VERSION 2 VERSION 1 THEN BASELINE" in shown
    assert "✓ auc 0.7312 is at least 0.62" in shown
    assert "version 2 promoted" in shown
    assert "Traceback" not in shown


def test_promotion_is_made_and_told(run: Run, home: Path) -> None:
    crown(home, "first")
    register(home, "second")
    arguments = (
        "models",
        "promote",
        MODEL,
        "2",
        "--approver",
        APPROVER,
        "--reason",
        "June is better",
    )
    shown = told(run(*arguments))
    assert f"{MODEL} version 2 is in production, approved by {APPROVER}" in shown
    assert "Version 1 is archived" in shown
    assert open_registry(home).audit(MODEL)[-1].actor == "carol"
    assert "in production already; nothing changed" in told(run(*arguments))


@pytest.mark.parametrize(
    ("number", "approver", "fact"),
    [
        ("3", AUTHOR, f"is not an approver of {MODEL} version 3; ask one of: {APPROVER}"),
        ("3", APPROVER, "was evaluated against version 2, champion is now version 1; re-run"),
        ("7", APPROVER, f"{MODEL} has no version 7; it has 1, 2, 3"),
    ],
)
def test_a_refused_promotion_is_one_line_with_the_remedy(
    run: Run, home: Path, number: str, approver: str, fact: str
) -> None:
    crown(home, "first")
    crown(home, "second")
    register(home, "third")
    if approver == APPROVER:
        open_registry(home).rollback(MODEL, actor="carol", reason="to make version 3 stale")
    result = run("models", "promote", MODEL, number, "--approver", approver, "--reason", "why not")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error ")
    assert result.stderr.count("\n") == 1
    assert fact in result.stderr


@pytest.mark.parametrize("command", [("rollback",), ("promote", "1", "--approver", "x")])
def test_a_decision_on_a_misspelt_model_names_the_right_one(
    run: Run, home: Path, command: tuple[str, ...]
) -> None:
    crown(home, "first")
    name, *rest = command
    result = run("models", name, "flights.arival_delay", *rest, "--reason", "x")
    assert "did you mean flights.arrival_delay?" in told(result, 1)


def test_a_rollback_returns_to_the_champion_before(run: Run, home: Path) -> None:
    crown(home, "first")
    crown(home, "second")
    shown = told(run("models", "rollback", MODEL, "--reason", "errors at night"))
    assert f"{MODEL} version 1 is in production, rolled back" in shown
    assert open_registry(home).version(MODEL, 2).stage is Stage.ARCHIVED
    log = told(run("audit", "log", MODEL))
    assert "rolled back to version 1 carol errors at night" in log
    assert "has no champion before version 1" in told(
        run("models", "rollback", MODEL, "--reason", "again"), 1
    )


def test_the_audit_log_is_shown_and_verified(run: Run, home: Path) -> None:
    crown(home, "first")
    shown = told(run("audit", "log"))
    assert f"version 1 promoted ✓ {APPROVER}" in shown
    assert "✓ 3 entries verified" in told(run("audit", "verify"))


def test_a_tampered_audit_log_is_one_line_and_status_one(run: Run, home: Path) -> None:
    import sqlite3

    crown(home, "first")
    with sqlite3.connect(home / "registry.sqlite") as connection:
        for (trigger,) in connection.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            connection.execute(f'drop trigger "{trigger}"')
        connection.execute("update audit_log set reason = 'nothing to see' where id = 2")
    connection.close()
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert "audit entry 2: was edited" in result.stderr
    assert "registry" in told(run("doctor"), 1)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("models", "show", "flights.arival_delay"), "did you mean flights.arrival_delay?"),
        (("audit", "log"), "there is no registry at sqlite:///"),
        (("features", "show", "flights.wether"), "did you mean flights.weather?"),
        (("features", "lineage", "flights.wether"), "did you mean flights.weather?"),
        (("features", "lineage", "flights.weather:tmp"), "did you mean temp?"),
        (("features", "search", "delay", "zebra"), "nothing declared matches 'delay zebra'"),
        (("explain", "abc"), "run `mlplat demo`"),
        (("serve", MODEL), "there is no registry at sqlite:///"),
    ],
)
def test_what_is_not_there_is_one_red_line(run: Run, arguments: tuple[str, ...], fact: str) -> None:
    result = run(*arguments, MLPLAT_SERVING_URL=f"http://127.0.0.1:{free_port()}")
    assert fact in told(result, 1)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "promote", MODEL, "two", "--approver", "x", "--reason", "y"),
        ("models", "promote", MODEL, "2", "--approver", "x"),
        ("models", "rollback", MODEL),
        ("models", "moan"),
        ("serve", MODEL, "--port", "70000"),
        ("explain",),
    ],
)
def test_wrong_usage_has_status_two(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:hunter2@db/x", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x"]
)
def test_a_registry_that_is_away_is_one_line_without_its_password(run: Run, url: str) -> None:
    result = run("audit", "log", MLPLAT_REGISTRY_URL=url)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.output


def test_feature_views_are_listed_with_what_the_lake_holds(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    shown = told(run("features", "list", MLPLAT_HOME=str(home)))
    assert "flights owned by flights@example.com" in shown
    assert "flights.weather origin 8 6 hours 2 1 2013-01-05 11:00" in shown
    assert "flights.carrier_recent carrier 5 12 hours 1 0 -" in shown


def test_a_feature_view_is_shown_with_owner_limits_users_and_partitions(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    shown = told(run("features", "show", "flights.weather", MLPLAT_HOME=str(home), COLUMNS="140"))
    for fact in (
        "owner flights@example.com",
        "keyed by origin (string)",
        "ttl 6 hours",
        "landing delay 1 hour",
        "freshness nothing promised",
        "in the lake 1 day, 2013-01-05 to 2013-01-05, 1 row",
        "newest event 2013-01-05 11:00 UTC",
        "temp float Degrees Fahrenheit [-40 to 130; at most 10% null a day] "
        "flights.arrival_delay, flights.departure_delay",
    ):
        assert fact in shown


def test_a_champion_on_an_older_definition_is_listed_and_an_archived_version_is_not(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    current = short(view_digest(catalogue().views["flights.weather"]))
    shown = told(run("features", "show", "flights.weather", MLPLAT_HOME=str(home), COLUMNS="140"))
    assert f"On another definition: current is {current}" in shown
    assert f"{MODEL} 2 production {short(OLDER)}" in shown
    assert f"{MODEL} 1 " not in shown
    other = told(run("features", "show", "flights.aircraft", MLPLAT_HOME=str(home)))
    assert "On another definition" not in other


def test_lineage_names_the_champion_and_the_definition_it_learnt_from(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    shown = told(run("features", "lineage", "flights.weather", MLPLAT_HOME=str(home)))
    assert "comes from │ └── raw.flights.weather" in shown
    assert f"model {MODEL}" in shown
    assert f"version 2 production on definition {short(OLDER)}, current is" in shown
    assert "Columns are known once the view has been built in this lake" in shown


def test_lineage_of_a_feature_is_of_its_columns(run: Run, home: Path) -> None:
    lake = open_lake(home)
    said = {"columns": {"temp": ["raw.flights.weather:temp"]}, "unresolved": {}}
    with lake.write() as connection:
        connection.execute("create schema lineage")
        connection.execute(
            "create table lineage.columns as select 'features.flights__weather' as table_name, "
            "'x' as digest, ? as lineage",
            [json.dumps(said)],
        )
    shown = told(run("features", "lineage", "flights.weather:temp"))
    assert "comes from │ └── raw.flights.weather:temp" in shown
    assert "model flights.departure_delay" in shown
    unused = told(run("features", "lineage", "flights.aircraft_last_leg:dest"))
    assert "comes from │ └── raw.flights.arrivals" in unused
    assert "flights.departure_delay" not in unused


def test_search_finds_views_by_feature_and_description_the_name_first(run: Run) -> None:
    shown = told(run("features", "search", "DELAY", "airport"))
    assert "flights.origin_recent view departure_delay_mean_1h" in shown
    assert "flights.aircraft_last_leg" not in shown
    named = told(run("features", "search", "weather"))
    assert named.index("flights.weather view") > 0


def test_a_prediction_is_explained_for_people(run: Run, furnished: tuple[Path, str]) -> None:
    home, partition = furnished
    shown = told(run("explain", PREDICTION, MLPLAT_HOME=str(home)))
    for fact in (
        f"0.2371 by {MODEL} version 2",
        "stage then production",
        f"approver {APPROVER}",
        f"training set {LINEAGE['training_set_digest']}",
        "lake snapshot 41",
        f"code commit {LINEAGE['code_commit']} + uncommitted changes",
        f"flights.weather 2013-01-05 11:00 2013-01-05 {partition}",
        "weather__temp 37.94 flights.weather",
        "weather_alert__is_active - flights.weather_alert NOT_FOUND",
        "distance 1400 request",
    ):
        assert fact in shown


def test_a_prediction_is_explained_for_programs(run: Run, furnished: tuple[Path, str]) -> None:
    home, partition = furnished
    result = run("explain", PREDICTION, "--json", MLPLAT_HOME=str(home))
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["approver"] == APPROVER
    assert document["event_timestamp"] == "2013-01-05T12:15:00+00:00"
    assert document["views"][0]["digest"] == partition
    assert document["views"][0]["partition"] == "2013-01-05"


def test_a_prediction_still_in_the_journal_is_one_line(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    write_prediction(home, open_registry(home).version(MODEL, 2), prediction_id="late")
    assert "is in the journal but not in the lake yet" in told(
        run("explain", "late", MLPLAT_HOME=str(home)), 1
    )


def test_the_doctor_of_a_fresh_home_finds_nothing_broken_and_creates_nothing(
    run: Run, home: Path
) -> None:
    shown = told(run("doctor", MLPLAT_SERVING_URL=f"http://127.0.0.1:{free_port()}"))
    assert "lake · sqlite:$MLPLAT_HOME/lake/catalog.sqlite not created yet" in shown
    assert "event stream · sqlite:///$MLPLAT_HOME/stream.sqlite not created yet" in shown
    assert "`mlplat demo` creates what is not there yet. Nothing is broken." in shown
    assert "not running (Connection refused) `mlplat serve MODEL` starts it." in shown
    assert "alerts ✓ not set alerts go to the daemon's log" in shown
    assert not home.exists()


def test_the_doctor_of_a_furnished_home_tells_what_each_store_holds(
    run: Run, furnished: tuple[Path, str]
) -> None:
    home, _ = furnished
    shown = told(
        run("doctor", MLPLAT_HOME=str(home), MLPLAT_SERVING_URL=f"http://127.0.0.1:{free_port()}")
    )
    assert "2 versions, audit log of 7 verified" in shown
    assert "4 tables at snapshot" in shown
    assert " segment" in shown
    assert "stream.sqlite 2 messages" in shown


def test_the_doctor_names_what_is_broken_how_to_fix_it_and_no_password(run: Run) -> None:
    shown = told(
        run(
            "doctor",
            MLPLAT_REGISTRY_URL="postgresql+psycopg://u:hunter2@127.0.0.1:1/x",
            MLPLAT_ONLINE_URL="redis://:hunter2@127.0.0.1:1/0",
            MLPLAT_STREAM_URL="redis://:hunter2@127.0.0.1:1/1",
            MLPLAT_LAKE_CATALOG="postgres:host=127.0.0.1 port=1 dbname=x password=hunter2",
            MLPLAT_TRACKING_URL="http://127.0.0.1:1",
            MLPLAT_JOURNAL=str(Path(__file__)),
            MLPLAT_ALERTS="/nowhere/alerts.toml",
            DAGSTER_HOME="/nowhere",
        ),
        1,
    )
    assert "hunter2" not in shown
    broken = "lake, online store, event stream, registry, tracking, journal, alerts, Dagster home"
    assert f"To fix: {broken}." in shown
    assert "Start Redis, or correct MLPLAT_ONLINE_URL." in shown
    assert "Start Redis, or correct MLPLAT_STREAM_URL." in shown
    assert "Unset DAGSTER_HOME" in shown


def test_the_doctor_reads_the_file_of_alerts_with_its_secrets_and_tells_none(home: Path) -> None:
    home.mkdir()
    file, secret = home / "alerts.toml", home / "hook.secret"
    file.write_text(
        '[sinks.ops]\nkind = "webhook"\nurl = "https://hooks.example.com/x"\n'
        'secret_file = "hook.secret"\n[sinks.log]\nkind = "log"\n[[routes]]\nsinks = ["ops"]\n'
    )
    settings = replace(settings_at(home), alerts=file)
    secret.write_text("hunter2")
    broken = probes.alerts(settings)
    assert (broken.state, broken.variable) == ("broken", "MLPLAT_ALERTS")
    assert "sinks.ops: secret_file: 7 bytes are too few" in broken.fact
    assert "hunter2" not in broken.fact + broken.remedy
    gone = probes.alerts(replace(settings, alerts=home / "gone.toml"))
    assert gone.state == "broken" and "gone.toml: No such file or directory" in gone.fact
    secret.write_text("0" * 32)
    right = probes.alerts(settings)
    assert (right.state, right.where) == ("ok", str(file))
    assert right.fact == "2 sinks, 1 route; `mlplat alerts test` sends to each"


def test_a_probe_that_never_answers_is_broken_after_its_deadline(home: Path) -> None:
    def hang(settings: Settings) -> Finding:
        time.sleep(5)
        raise AssertionError(settings)

    started = time.perf_counter()
    found = doctor.answer(hang, settings_at(home), deadline_seconds=0.2)
    assert time.perf_counter() - started < 2
    assert (found.state, found.fact) == ("broken", "no answer within 0.2 s")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("redis://:p@ss@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql+psycopg://ana:pw@db/x", "postgresql+psycopg://ana:***@db/x"),
        ("postgres:host=db password='a b' user=u", "postgres:host=db password=*** user=u"),
        ("postgresql://db/x?user=u&password=pw&a=b", "postgresql://db/x?user=u&password=***&a=b"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("sqlite:////home/ana/x.sqlite", "sqlite:////home/ana/x.sqlite"),
    ],
)
def test_passwords_are_masked_and_nothing_else(text: str, safe: str) -> None:
    assert masked(text) == safe


def test_serving_needs_a_production_version_and_its_bento(home: Path) -> None:
    register(home, "first")
    settings = settings_at(home)
    with pytest.raises(LookupError, match=f"mlplat models promote {MODEL} VERSION"):
        production_tag(settings, MODEL)
    crown(home, "second")
    with pytest.raises(LookupError, match="materialise bentos/flights/arrival_delay"):
        production_tag(settings, MODEL)
    bento = settings.bentoml_home / "bentos" / "flights__arrival_delay" / "v2" / "bento.yaml"
    bento.parent.mkdir(parents=True)
    bento.touch()
    assert production_tag(settings, MODEL) == "flights__arrival_delay:v2"
    with pytest.raises(ValueError, match="MLPLAT_SERVING_URL 'http://h:x'"):
        from mlplat_assets.commands.serve import serving_port

        serving_port(replace(settings, serving_url="http://h:x"))


def test_a_taken_port_is_one_red_line(run: Run) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        shown = told(run("serve", MODEL, "--port", str(port)), 1)
    assert f"port {port} on 127.0.0.1 is taken (Address already in use)" in shown


def test_everything_that_dev_starts_listens_on_this_machine_only() -> None:
    web, daemon, serving = (
        child.command for child in children(MODEL, webserver_port=3001, serving_port=3000)
    )
    assert web[3:7] == ("-h", "127.0.0.1", "-p", "3001")
    assert list(daemon[1:4]) == ["-m", "dagster._daemon", "run"]
    assert list(serving[3:5]) == ["serve", MODEL]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's own, when it builds
def test_serve_answers_until_a_signal_and_leaves_no_process(home: Path) -> None:
    version = promote_artefact(home, bias=0.0)
    settings = settings_at(home)
    artefact = artifact_store(settings.artifacts_url).get_folder(version.artifact_digest)
    build_bento(artefact, model=MODEL, version=1, bentoml_home=settings.bentoml_home)
    port = free_port()
    command = [sys.executable, "-m", "mlplat_assets.cli", "serve", MODEL, "--port", str(port)]
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, home / "serve.log")
    try:
        server.wait_until_ready()
        assert call(port, "GET", "/v1/model")[1]["bento"] == "flights__arrival_delay:v1"
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, server.log.read_text()
        assert psutil.wait_procs(family, timeout=5)[1] == []
        assert "Serving flights__arrival_delay:v1" in server.log.read_text()
    finally:
        server.kill()


def script(name: str, program: str) -> Child:
    return Child(name=name, command=(sys.executable, "-c", program))


def recorded() -> Console:
    return Console(record=True, width=100, file=io.StringIO())


def test_lines_of_children_are_prefixed_and_one_that_fails_ends_the_others() -> None:
    console = recorded()
    forever = "import time; print('up'); time.sleep(60)"
    started = time.monotonic()
    status = run_together(
        [
            script("web", forever),
            script("worker", "import time; time.sleep(1); raise SystemExit(3)"),
        ],
        environment=os.environ,
        console=console,
    )
    assert status == 3
    assert time.monotonic() - started < 15
    shown = console.export_text()
    assert "web       │ up" in shown
    assert "worker ended with status 3; stopping the others" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_no_process_is_left(tmp_path: Path, number: int) -> None:
    """The command ends with 0, its child in order, and the child's own child as well."""
    child = (
        "import signal, subprocess, sys, pathlib\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / 'pid').write_text(str(grandchild.pid))\n"
        "try:\n"
        "    signal.pause()\n"
        "except KeyboardInterrupt:\n"
        "    (folder / 'ended').touch()\n"
    )
    if number == signal.SIGTERM:
        child = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n" + child
    program = (
        "import os, sys\n"
        "from rich.console import Console\n"
        "from mlplat_assets.commands.processes import Child, run_together\n"
        f"one = Child(name='one', command=(sys.executable, '-c', {child!r}))\n"
        "sys.exit(run_together([one], environment=os.environ, console=Console()))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(30) == 0
    assert (tmp_path / "ended").exists()
    grandchild = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    assert not grandchild.exists() or grandchild.read_text().split()[2] == "Z"
