"""A real Chromium in front of the real server (gunicorn with gevent), with a scripted Ollama behind it."""

from __future__ import annotations

from collections.abc import Iterator

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
def server(tmp_path_factory: pytest.TempPathFactory, shared_ollama: ScriptedOllama) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("server"), OLLAMA_BASE_URL=shared_ollama.url) as url:
        yield url


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
