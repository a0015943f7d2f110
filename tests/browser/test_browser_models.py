"""Models as somebody gets them: fetched, seen by all who look, cancelled, gone on with, asked, removed."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import chat_in, running
from own_redis import OwnRedis
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from scripted_ollama import LICENCE, WEIGHTS, Answer, ScriptedOllama, fetching, gate, pulled, telling
from test_browser_processes import Server, two_servers

NAME = "smollm2:135m"
TOTAL = 271_000_000


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    """One without a model."""
    with ScriptedOllama(models=[]) as server:
        yield server


@pytest.fixture
def two(tmp_path: Path, redis: OwnRedis, ollama: ScriptedOllama) -> Iterator[tuple[Server, Server]]:
    yield from two_servers(tmp_path, OLLAMA_BASE_URL=ollama.url, REDIS_URL=redis.url, EMBEDDED_ENGINE="off")


def held(ollama: ScriptedOllama, percent: int) -> tuple[threading.Event, Answer]:
    """The next pull waits there."""
    goes_on = threading.Event()
    here = (telling("pulling manifest"), fetching(WEIGHTS, TOTAL, TOTAL * percent // 100), gate(goes_on))
    rest = (fetching(WEIGHTS, TOTAL, TOTAL), fetching(LICENCE, 10, 10), pulled)
    return goes_on, ollama.script(*here, *rest, path="/api/pull")


def bar(page: Page) -> Locator:
    return page.get_by_role("progressbar", name=NAME)


def test_all_who_look_see_the_same_pull_and_any_of_them_may_stop_it(
    context: BrowserContext, two: tuple[Server, Server], ollama: ScriptedOllama
) -> None:
    one, other, picking = (chat_in(context, server.url) for server in (two[0], two[1], two[1]))
    for chat, path in ((one, "/"), (other, "/models"), (picking, "/")):
        chat.open(path)
    _, answer = held(ollama, 40)
    one.page.locator("#engine").get_by_role("link", name="Choose a model").click()
    expect(one.page.get_by_role("heading", level=1)).to_have_text("Models")
    one.page.get_by_role("button", name=f"Fetch: {NAME}").click()
    expect(one.page.locator("p.notice")).to_be_focused()
    for chat in (one, other):
        expect(bar(chat.page)).to_have_attribute("value", "40")
        expect(chat.page.locator(".pull")).to_contain_text("108 MB of 271 MB")
    expect(other.page.locator("#announcer")).to_have_text(re.compile(NAME))
    one.page.reload()
    expect(bar(one.page)).to_have_attribute("value", "40")

    other.page.get_by_role("button", name=f"Cancel: {NAME}").click()
    assert answer.client_gone.wait(5)
    for chat in (one, other):
        expect(chat.page.locator(".pull")).to_contain_text("Stopped")
    expect(one.page.locator("#announcer")).to_have_text(f"Fetching {NAME} was stopped.")

    goes_on, _ = held(ollama, 60)
    one.page.get_by_role("button", name=f"Go on: {NAME}").click()
    for chat in (one, other):
        expect(bar(chat.page)).to_have_attribute("value", "60")
    expect(picking.page.get_by_label("Model")).not_to_contain_text(NAME)
    # What somebody has unfolded or focused meanwhile stays so.
    field = one.page.get_by_label("Another model")
    field.fill("half a na")
    goes_on.set()
    for chat in (one, other):
        expect(chat.page.locator(".pull")).to_contain_text("It is ready to answer.")
        expect(chat.page.locator("#announcer")).to_have_text(f"{NAME} is here, and ready to answer.")
    expect(field).to_be_focused()
    expect(field).to_have_value("half a na")
    expect(one.page.locator("#now")).to_contain_text("4 GB")
    expect(picking.page.get_by_label("Model")).to_contain_text(NAME)
    expect(picking.ask("Hi")).to_have_attribute("data-state", "done")

    one.page.locator("summary").filter(has_text="Remove").click()
    expect(one.page.get_by_text("This frees up to 4 GB")).to_be_visible()
    one.page.get_by_role("button", name=f"Remove for good: {NAME}").click()
    expect(one.page.get_by_text("The model is removed.")).to_be_visible()
    assert ollama.models == []
    expect(other.page.get_by_text("There is no model yet.")).to_be_visible()
    for chat in (one, other, picking):
        assert not chat.complaints, chat.complaints


def test_without_javascript_it_is_forms_and_links(browser: Browser, ollama: ScriptedOllama, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 640})
    page = context.new_page()
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, EMBEDDED_ENGINE="off") as server:
        page.goto(f"{server}/models")
        page.get_by_label("Another model").fill("<b>bold</b>")
        page.get_by_role("button", name="Fetch", exact=True).click()
        field = page.get_by_label("Another model")
        expect(field).to_have_accessible_description(re.compile("No model can have this name"))
        expect(field).to_be_focused()
        expect(field).to_have_value("<b>bold</b>")
        _, answer = held(ollama, 50)
        field.fill(f"ollama pull {NAME}")
        page.get_by_role("button", name="Fetch", exact=True).click()
        assert answer.asked.wait(10)
        page.get_by_role("link", name="Look again").click()
        while bar(page).get_attribute("value") != "50":
            page.get_by_role("link", name="Look again").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name=f"Cancel: {NAME}").click()
        expect(page.locator(".pull")).to_contain_text("Stopped")
        assert answer.client_gone.wait(5)
        page.get_by_role("button", name=f"Go on: {NAME}").click()
        while "It is ready to answer." not in page.locator(".pull").inner_text():
            page.reload()
        page.get_by_role("button", name=f"Take off this list: {NAME}").click()
        expect(page.locator(".pull")).to_have_count(0)
        while not page.locator("summary").filter(has_text="Remove").count():
            page.reload()  # the page does not wait for an engine that is slow to say what it has
        page.locator("summary").filter(has_text="Remove").click()
        page.get_by_role("button", name=f"Remove for good: {NAME}").click()
        expect(page.get_by_text("The model is removed.")).to_be_visible()
    context.close()
