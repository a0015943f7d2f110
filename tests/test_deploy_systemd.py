"""deploy/systemd: the units are right and shut in, and "started" means that somebody answers."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import free_port
from scripted_ollama import ScriptedOllama

from insight_app.config import load, variables

ROOT = Path(__file__).parent.parent
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(unit.name for unit in UNITS.glob("*.service"))


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What systemd itself says of the units, with the product where it is now."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed (Debian's package systemd)")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/insightsphere/.venv/bin/python", sys.executable)
        (folder / unit.name).write_text(text.replace("/opt/insightsphere", str(ROOT)))
    return subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    names = [f"./{unit.name}" for unit in UNITS.iterdir()]
    done = analyze(tmp_path, "verify", "--man=no", *names)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_may_do_is_little(tmp_path: Path, name: str) -> None:
    """Of 10; most units of a Debian have 9.6. What is left of it is the network, which the product is for."""
    done = analyze(tmp_path, "security", "--offline=true", "--threshold=15", "--no-pager", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_services_are_shut_in_alike() -> None:
    """One user, one folder: what one of them may the others may too."""
    shut_in = {
        name: (UNITS / name).read_text().partition("DynamicUser=yes")[2].split("[Install]")[0] for name in SERVICES
    }
    assert len({text.strip() for text in shut_in.values()}) == 1
    assert "MemoryDenyWriteExecute=yes" in shut_in["insight.service"]


def test_every_setting_in_a_unit_is_one() -> None:
    known = {variable.name for variable in variables().values()}
    for name in SERVICES:
        (line,) = re.findall(r"^Environment=(.*)$", (UNITS / name).read_text(), re.M)
        assert {pair.partition("=")[0] for pair in line.split()} <= known


def test_systemd_waits_longer_than_the_server_takes_to_end() -> None:
    (waits,) = re.findall(r"^TimeoutStopSec=(\d+)$", (UNITS / "insight.service").read_text(), re.M)
    code = "import runpy; print(runpy.run_path('deploy/gunicorn.conf.py')['graceful_timeout'])"
    env = {**os.environ, "SECRET_KEY": "only for these tests"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert int(waits) > int(done.stdout) + 5


@pytest.fixture
def told() -> Iterator[socket.socket]:
    """Where systemd would listen."""
    folder = Path(tempfile.mkdtemp(prefix="notify-"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "socket"))
        listener.settimeout(60)
        yield listener
    shutil.rmtree(folder)


def refuse_memory_that_is_written_and_run() -> None:
    """As MemoryDenyWriteExecute=, by the kernel's own means, where it has them (6.3)."""
    ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN


def server(told: socket.socket, folder: Path, port: int, **environ: str) -> subprocess.Popen[bytes]:
    (line,) = re.findall(r"^ExecStart=\S+ (.*)$", (UNITS / "insight.service").read_text(), re.M)
    words = line.replace("${APP_HOST}:${APP_PORT}", f"127.0.0.1:{port}").split()
    env = {
        **os.environ,
        "SECRET_KEY": "only for these tests",
        "DATA_DIR": str(folder),
        "NOTIFY_SOCKET": told.getsockname(),
        **environ,
    }
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=env,
        stderr=subprocess.DEVNULL,
        preexec_fn=refuse_memory_that_is_written_and_run if sys.platform == "linux" else None,
    )


def test_it_says_that_it_is_ready_once_it_answers_and_not_before(told: socket.socket, tmp_path: Path) -> None:
    with ScriptedOllama() as ollama:
        port = free_port()
        process = server(told, tmp_path, port, OLLAMA_BASE_URL=ollama.url)
        try:
            assert b"READY=1" in told.recv(4096).splitlines()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as response:
                assert response.status == 200
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_a_server_that_cannot_start_is_never_ready_and_not_tried_again(told: socket.socket, tmp_path: Path) -> None:
    process = server(told, tmp_path, free_port(), AUTH_MODE="proxy")
    status = process.wait(timeout=60)
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(4096)
    assert f"RestartPreventExitStatus={status}\n" in (UNITS / "insight.service").read_text()


def blocks(title: str) -> str:
    """What docs/install-linux.md has one type in a chapter."""
    text = (ROOT / "docs" / "install-linux.md").read_text(encoding="utf-8")
    chapter = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", chapter, re.S))


# Done by others than us: what they need is not here, or would change this machine.
OTHERS = (
    "apt-get",
    "git clone",
    "systemctl",
    "journalctl",
    "python3 -m venv",
    ".venv/bin/python -m pip",
    "certbot",
    "nginx -t",
)


def test_what_the_guide_has_one_type_puts_things_where_the_units_look_for_them(tmp_path: Path) -> None:
    typed = [line for line in blocks("Install").splitlines() if not line.startswith(OTHERS)]
    script = re.sub(r"(?<![\w.])/(etc|opt)/", rf"{tmp_path}/\1/", "\n".join(typed))
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "insightsphere").symlink_to(ROOT)
    for there in ("systemd/system", "nginx/conf.d"):
        (tmp_path / "etc" / there).mkdir(parents=True)
    done = subprocess.run(["sh", "-e"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    env = tmp_path / "etc" / "insight" / "env"
    assert env.stat().st_mode & 0o777 == 0o600
    settings = load(dict(line.split("=", 1) for line in env.read_text().splitlines()), None)
    assert settings.auth_mode == "accounts"
    assert len(settings.secret_key) > 30
    for name in SERVICES:
        text = (tmp_path / "etc/systemd/system" / name).read_text()
        assert "EnvironmentFile=/etc/insight/env\n" in text
        assert "WorkingDirectory=/opt/insightsphere\n" in text
    assert {unit.name for unit in UNITS.iterdir()} == {
        each.name for each in (tmp_path / "etc/systemd/system").iterdir()
    }
    for unit in re.findall(r"insight[\w-]*\.(?:service|timer)", blocks("Install")):
        assert (UNITS / unit).exists()


def test_a_command_that_a_timer_runs_is_one() -> None:
    from insight_app.cli import app

    for name in SERVICES:
        for command in re.findall(r"--app wsgi ([\w-]+)", (UNITS / name).read_text()):
            assert command in app.cli.commands
