"""A real Chromium in front of the real server (gunicorn with gevent), with a scripted Ollama behind it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from chat_page import CHROMIUM, FLAGS, Chat, chat_in, running
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from scripted_ollama import ScriptedOllama


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def shared_ollama() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture
def ollama(shared_ollama: ScriptedOllama) -> ScriptedOllama:
    return shared_ollama


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def shared_server(server_folder: Path, shared_ollama: ScriptedOllama) -> Iterator[str]:
    with running(server_folder, OLLAMA_BASE_URL=shared_ollama.url) as url:
        yield url


@pytest.fixture
def server(shared_server: str, server_folder: Path) -> str:
    """The server with nothing in its list, whatever the tests before have left there: which ran here is chance."""
    with closing(sqlite3.connect(server_folder / "insight.db", timeout=30)) as database, database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("DELETE FROM conversations")
    return shared_server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport={"width": 1280, "height": 800})
    found.set_default_timeout(15_000)
    yield found
    found.close()


@pytest.fixture
def chat(context: BrowserContext, server: str) -> Iterator[Chat]:
    found = chat_in(context, server)
    found.open()
    yield found
    assert not found.complaints, found.complaints
