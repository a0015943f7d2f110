"""The log: one form for every line, a name for every request, and nothing of what anybody sends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from chat_page import ROOT, free_port, started, wait_for
from flask import Flask
from own_app import Start
from scripted_ollama import ScriptedOllama
from visitor import RealClient, Visitor

CANARY = "zugvogel-quitte"


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_of_a_real_server_is_json_and_none_has_what_was_sent(tmp_path: Path, ollama: ScriptedOllama) -> None:
    port = free_port()
    master = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
    try:
        visitor = Visitor(RealClient(f"http://127.0.0.1:{port}"))  # type: ignore[arg-type]
        visitor.open("/")
        visitor.asks_and_waits(f"Tell me of {CANARY}")
        for wrong in (f"GET /{CANARY} {CANARY}\r\n\r\n", f"GET / HTTP/1.1\r\n{CANARY} {CANARY}\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(wrong.encode())
                assert b"400" in connection.recv(1000)
        (worker,) = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        visitor.open("/")  # the next one
    finally:
        master.terminate()
        master.wait(timeout=20)
    log = (tmp_path / "server.log").read_text()
    lines = lines_of(log)
    assert all(line["event"] and line["level"] and line["timestamp"] for line in lines)
    assert any("SIGKILL" in line["event"] and line["logger"] == "gunicorn.error" for line in lines)
    assert len([line for line in lines if line.get("place", "").endswith("handle_error")]) == 2
    assert CANARY not in log
    (answer,) = [line for line in lines if line["event"] == "answer"]
    began = [line for line in lines if line["event"] == "request" and line["request_id"] == answer["request_id"]]
    assert [(line["method"], line["rule"], line["status"]) for line in began] == [("POST", "/messages", 303)]
    assert {"state", "problem", "seconds", "first_text_seconds", "answer_tokens"} <= set(answer)


def test_a_server_that_cannot_start_says_why_in_a_line_like_all_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", "127.0.0.1:0", "wsgi:app"]
    environ = {**os.environ, "SECRET_KEY": "short", "DATA_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    (why,) = [line for line in lines_of(done.stderr) if line["event"] == "cannot start"]
    assert why["cause"].startswith("SECRET_KEY (environment) must be at least 16 characters")


def test_in_a_terminal_lines_are_for_people(tmp_path: Path, ollama: ScriptedOllama) -> None:
    port, said = free_port(), bytearray()
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", f"127.0.0.1:{port}", "wsgi:app"]
    environ = {**os.environ, "SECRET_KEY": "only for these tests", "DATA_DIR": str(tmp_path), "APP_PORT": str(port)}
    environ["OLLAMA_BASE_URL"] = ollama.url
    master = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=its, start_new_session=True)
    os.close(its)
    ended = threading.Event()

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                said.extend(piece)
        except OSError:  # how a terminal says that nobody is at the other end
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", master)
        client = RealClient(f"http://127.0.0.1:{port}")
        client.get("/")
        deadline = time.monotonic() + 20
        while b"rule=/ " not in said:
            assert time.monotonic() < deadline
        (worker,) = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        while b"SIGKILL" not in said:
            assert time.monotonic() < deadline
        wait_for(f"http://127.0.0.1:{port}/healthz", master)
    finally:
        master.terminate()
        master.wait(timeout=20)
    assert ended.wait(5)
    os.close(ours)
    text = said.decode()
    assert re.search(r"\[info +\] request .*rule=/ .*status=200", text)
    assert re.search(r"\[error +\] Worker \(pid:\d+\) was sent SIGKILL", text)
    assert "{" not in text


def test_a_request_has_a_name_that_its_response_and_its_lines_tell(
    visitor: Visitor, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    with visitor.client.get("/nowhere", headers={"X-Request-ID": "a-strangers-own"}) as response:
        name = response.headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{16}", name)
        assert name in response.text  # so that who is shown an error can tell who runs the server
    (line,) = lines_of(capfd.readouterr().err)
    assert (line["request_id"], line["status"]) == (name, 404)
    again = visitor.client.get("/")
    assert again.headers["X-Request-ID"] != name


def test_a_request_that_no_route_takes_has_one_too(visitor: Visitor) -> None:
    for method, host in (("BREW", "localhost"), ("GET", "elsewhere.example")):
        response = visitor.client.open("/", method=method, headers={"Host": host})
        assert response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [
        ("7f3c-from.the_proxy", True),
        ("short", False),
        ("x" * 65, False),
        ("with space in", False),
        ("quoted'\"<b>", False),
    ],
)
def test_a_known_proxy_names_requests_if_it_does_so_well(start: Start, said: str, is_taken: bool) -> None:
    app = start(trusted_proxies=("127.0.0.1",))
    response = app.test_client().get("/healthz", headers={"X-Request-ID": said})
    assert (response.headers["X-Request-ID"] == said) is is_taken


def test_what_breaks_in_an_answer_is_said_in_the_name_of_the_request_that_began_it(
    app: Flask, visitor: Visitor, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise ValueError(CANARY)

    capfd.readouterr()
    monkeypatch.setattr(app.extensions["insight"].answering.writing, "prepare", breaks)
    sent = visitor.send("/messages", message="Hi", key=visitor.field("key"))
    visitor.open(sent.location)
    visitor.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1]))
    lines = lines_of(capfd.readouterr().err)
    (broke,) = [line for line in lines if line["event"] == "answer broke"]
    assert broke["request_id"] == sent.headers["X-Request-ID"]
    assert CANARY not in str(lines)
