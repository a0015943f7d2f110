"""The Caddyfile of docs/proxies.md as a real Caddy runs it: what it promises there holds."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chat_page import running
from own_nginx import ROOT, certificate, free_ports, replaced
from people import ALICE
from scripted_ollama import ScriptedOllama
from test_deploy_nginx import (
    OPENED,
    Browser,
    asked_as_openai,
    asked_by_page,
    asked_for_events,
    asked_for_text,
    in_step,
    pieces,
)

from insight_app.web import HEADERS


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@contextmanager
def caddy_before(upstream: str, folder: Path) -> Iterator[str]:
    """Its address."""
    for name, content in zip(("cert.pem", "key.pem"), certificate(), strict=True):
        (folder / name).write_bytes(content)
    (port,) = free_ports(1)
    (text,) = re.findall(r"```caddyfile\n(.*?)```", (ROOT / "docs" / "proxies.md").read_text(encoding="utf-8"), re.S)
    site = f"https://127.0.0.1:{port} {{\n\ttls {folder}/cert.pem {folder}/key.pem"
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tpersist_config off\n}\n"
    places = {"chat.example.org {": site, "127.0.0.1:8000": upstream}
    (folder / "Caddyfile").write_text(options + replaced(text, places), encoding="utf-8")
    program = str(Path(sys.executable).with_name("caddy"))
    with (folder / "log").open("wb") as log:
        command = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder)})
    until = time.monotonic() + 20
    while not listens(port):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, "Caddy does not answer"
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory, engine: ScriptedOllama) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("caddy")
    with (
        running(folder, OLLAMA_BASE_URL=engine.url, TRUSTED_PROXIES="127.0.0.1") as app,
        caddy_before(app.removeprefix("http://"), folder) as url,
    ):
        yield url


def listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


FORGED = {"X-Forwarded-For": "203.0.113.66", "X-Forwarded-Proto": "http", "X-Forwarded-Email": ALICE}


@pytest.fixture
def browser(caddy: str) -> Iterator[Browser]:
    yield Browser(caddy, http2=True)
    OPENED.pop().http.close()


@pytest.mark.parametrize("ask", [asked_by_page, asked_for_text, asked_for_events, asked_as_openai])
def test_no_piece_waits_for_the_next_one(browser: Browser, engine: ScriptedOllama, ask: Any) -> None:
    gates = pieces(engine)
    method, address, more = ask(browser)
    with browser.http.stream(method, address, **more) as response:
        seen = in_step(response.iter_raw(), gates)
    assert len(seen) == len(gates)
    assert "Content-Encoding" not in response.headers
    assert response.http_version == "HTTP/2"


def test_pages_are_packed_have_each_header_once_and_figures_are_closed(browser: Browser) -> None:
    page = browser.get("/")
    assert page.headers["Content-Encoding"] == "gzip"
    assert {name: page.headers.get_list(name) for name in HEADERS} == {name: [said] for name, said in HEADERS.items()}
    (cookie,) = page.headers.get_list("Set-Cookie")
    assert "Secure" in cookie
    assert browser.get("/metrics").status_code == 404


def test_nobody_says_themselves_who_they_are_or_where_they_come_from(tmp_path: Path) -> None:
    came: list[Message] = []

    class App(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.headers)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *words: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), App) as app:
        thread = threading.Thread(target=app.serve_forever)
        thread.start()
        with caddy_before(f"127.0.0.1:{app.server_port}", tmp_path) as url:
            browser = Browser(url, http2=True, address="127.0.0.7", **FORGED)
            assert browser.get("/").status_code == 204
            OPENED.pop().http.close()
        app.shutdown()
        thread.join()
    (headers,) = came
    assert headers.get_all("X-Forwarded-For") == ["127.0.0.7"]
    assert headers.get_all("X-Forwarded-Proto") == ["https"]
    assert headers["Host"] == url.removeprefix("https://")
    assert "X-Forwarded-Email" not in headers
