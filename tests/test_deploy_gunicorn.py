"""gunicorn's settings: a server that several workers would tear apart does not start, and does not become one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KEY = {"SECRET_KEY": "only for these tests"}


@contextmanager
def gunicorn(tmp_path: Path, *options: str, code: Path = ROOT, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """It, on a port that nobody needs to know."""
    env: Mapping[str, str] = {**os.environ, **KEY, "DATA_DIR": str(tmp_path), **environ}
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", "127.0.0.1:0", *options]
    with subprocess.Popen([*command, "wsgi:app"], cwd=code, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@pytest.mark.parametrize(
    ("options", "environ"),
    [((), {"WEB_CONCURRENCY": "2"}), (("-w", "2"), {}), ((), {"GUNICORN_CMD_ARGS": "--workers=2"})],
    ids=["WEB_CONCURRENCY", "-w", "GUNICORN_CMD_ARGS"],
)
def test_several_workers_without_redis_do_not_start_and_say_why(
    tmp_path: Path, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    with gunicorn(tmp_path, *options, **environ) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "needs REDIS_URL: without Redis no process knows what another one writes." in said
    assert "Set REDIS_URL to a Redis of your own" in said
    assert "Traceback" not in said


def test_a_signal_makes_no_second_worker_without_redis(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as process:
        while len(children(process.pid)) != 1:
            time.sleep(0.01)
        process.send_signal(signal.SIGTTIN)
        assert process.stderr is not None
        assert any("One worker stays one" in entry for entry in process.stderr)
        assert len(children(process.pid)) == 1


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The product's own files, for tests that change them."""
    for name in ("deploy", "insight_app", "templates", "static"):
        shutil.copytree(ROOT / name, tmp_path / "code" / name)
    shutil.copy(ROOT / "wsgi.py", tmp_path / "code")
    return tmp_path / "code"


def said(process: subprocess.Popen[str], text: str) -> str:
    """The next line that holds `text`."""
    assert process.stderr is not None
    return next(line for line in process.stderr if text in line)


def test_a_reload_with_settings_that_cannot_be_used_changes_nothing_and_says_why(tmp_path: Path, code: Path) -> None:
    with gunicorn(tmp_path, code=code) as process:
        until(tmp_path / "insight.db")  # the worker has all that it reads at its start
        before = children(process.pid)
        (code / ".env").write_text("MAX_TOKEN_LIMIT=many\n")
        process.send_signal(signal.SIGHUP)
        assert "MAX_TOKEN_LIMIT (.env line 1) must be a whole number" in said(process, "Not reloaded")
        assert children(process.pid) == before


def test_a_reload_has_the_code_of_now_and_tries_again_while_it_cannot_begin(tmp_path: Path, code: Path) -> None:
    with gunicorn(tmp_path, code=code) as process:
        until(tmp_path / "insight.db")  # the worker has all that it reads at its start
        with (code / "insight_app" / "web.py").open("a") as web:
            web.write(f"\nfrom insight_app.config import A_NEW_ONE\nopen({str(tmp_path / 'new')!r}, 'w').close()\n")
        process.send_signal(signal.SIGHUP)
        for _ in range(2):
            said(process, "exited with code")
        with (code / "insight_app" / "config.py").open("a") as config:
            config.write("\nA_NEW_ONE = 1\n")
        process.send_signal(signal.SIGHUP)
        until(tmp_path / "new")
        assert process.poll() is None


def until(file: Path) -> None:
    deadline = time.monotonic() + 90
    while not file.exists():
        assert time.monotonic() < deadline, file
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
