"""What a page may cost: a first visit on the wire, a long conversation in the browser. A page that grows fails here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chat_page import running
from long_conversation import write_conversation
from playwright.sync_api import Browser, Page
from scripted_ollama import TEXT, ScriptedOllama

MOST_BYTES = 34 * 1024
MOST_REQUESTS = 6
# Measured 2.6 MB; what is drawn is beside it, in the page's process.
MOST_HEAP_BYTES = 10e6
PAIRS = 150
# About 500 words with headings, lists, code and a table.
BLOCK = TEXT + "\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + "Some words to read. " * 20 + "\n\n"
BLOCKS = 5


@dataclass
class Wire:
    """What a browser got, as it came: compressed, with headers."""

    urls: list[str] = field(default_factory=list)
    size: int = 0


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[tuple[Page, Wire]]:
    """A page in a browser that has never seen it, once everything of it is there."""
    context = browser.new_context()
    page, wire = context.new_page(), Wire()
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def asked(event: Any) -> None:
        if not event["request"]["url"].startswith("data:"):
            wire.urls.append(event["request"]["url"])

    def come(event: Any) -> None:
        wire.size += int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.loadingFinished", come)
    page.goto(url, wait_until="networkidle")
    yield page, wire
    context.close()


@pytest.mark.parametrize("mode", ["local", "accounts"])
def test_a_first_visit_stays_within_its_budget(
    browser: Browser, server: str, tmp_path: Path, ollama: ScriptedOllama, mode: str
) -> None:
    if mode == "local":
        weigh(browser, server + "/")
        return
    with running(tmp_path, AUTH_MODE="accounts", OLLAMA_BASE_URL=ollama.url) as url:
        weigh(browser, url + "/sign-in")


def weigh(browser: Browser, url: str) -> None:
    with visit(browser, url) as (_, wire):
        assert len(wire.urls) <= MOST_REQUESTS, wire.urls
        assert wire.size <= MOST_BYTES, f"{wire.size} bytes in {wire.urls}"
        assert {urlsplit(each).netloc for each in wire.urls} == {urlsplit(url).netloc}


def cost(page: Page) -> dict[str, int]:
    """What the page holds once everything that is not needed is gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    return {one["name"]: int(one["value"]) for one in session.send("Performance.getMetrics")["metrics"]}


def test_a_conversation_of_300_long_messages_stays_within_its_budget(
    browser: Browser, tmp_path: Path, ollama: ScriptedOllama
) -> None:
    path = write_conversation(tmp_path, PAIRS, BLOCKS, BLOCK)
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url) as url, visit(browser, url + path) as (page, wire):
        opened = cost(page)
        assert wire.size <= 250e3
        assert opened["JSHeapUsedSize"] <= MOST_HEAP_BYTES / 2
        assert opened["Nodes"] <= 10_000
        while page.locator("#messages > article").count() < 2 * PAIRS:
            page.evaluate("scrollTo(0, 0)")
        everything = cost(page)
        assert everything["JSHeapUsedSize"] <= MOST_HEAP_BYTES
        assert everything["Nodes"] <= 90_000
        assert everything["JSEventListeners"] <= opened["JSEventListeners"] + 2 * PAIRS * 2
