"""Every page and every state of the chat, held to what everybody needs: WCAG 2.2 AA as far as it can be measured.

SCREENSHOTS=FOLDER keeps a picture of every page in every theme and width there.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import chat_in
from every_page import Pages, all_pages
from measured import THEMES, badly_focused, cut_off, fallen_apart, too_small, too_wide, violations
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect
from scripted_ollama import ScriptedOllama, gate, status, thinking

WIDTHS = (320, 768, 1440)


@pytest.fixture(scope="module")
def pages(browser: Browser, shared_ollama: ScriptedOllama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with all_pages(browser, shared_ollama, tmp_path_factory.mktemp("pages")) as found:
        yield found


@pytest.mark.timeout(180)
def test_every_page_can_be_used_by_everybody(pages: Pages) -> None:
    inside, outside = pages.addresses(), pages.addresses_outside()
    assert len(inside) > 30
    assert "/sign-in" in outside
    problems = [*looked_at(pages.context, pages.url, inside), *looked_at(pages.outside, pages.url, outside)]
    assert not problems, "\n".join(problems)


def looked_at(context: BrowserContext, url: str, addresses: list[str]) -> Iterator[str]:
    page = context.new_page()
    for address in addresses:
        page.goto(url + address)
        problems = violations(page)
        problems += badly_focused(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            problems += [
                f"{width} px: {each}"
                for each in (*too_wide(page), *too_small(page), *fallen_apart(page), *cut_off(page))
            ]
        page.set_viewport_size({"width": 320, "height": 800})
        page.evaluate("document.dir = 'rtl'")
        problems += [f"from right to left: {each}" for each in too_wide(page)]
        page.evaluate("document.dir = 'ltr'")
        kept(page, address)
        yield from (f"{address}: {each}" for each in problems)
    page.close()


def kept(page: Page, address: str) -> None:
    """Pictures of it, where somebody wants to look at them."""
    if "SCREENSHOTS" not in os.environ:
        return
    name = re.sub("[^a-z0-9]+", "-", address).strip("-") or "home"
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}-{theme}-{width}.png", full_page=True)


@pytest.mark.timeout(180)
def test_the_chat_can_be_used_by_everybody_in_each_of_its_states(pages: Pages, shared_ollama: ScriptedOllama) -> None:
    chat = chat_in(pages.context, pages.url)
    chat.open()
    page, held = chat.page, threading.Event()
    problems: list[str] = []

    def look(state: str) -> None:
        problems.extend(f"{state}: {each}" for each in (*violations(page), *too_wide(page), *too_small(page)))

    shared_ollama.script(thinking("Let me see."), "First.\n\n- one\n", gate(held), "- two")
    answer = chat.ask("Tell me")
    expect(answer.locator('[data-part="answer"]')).to_contain_text("one")
    look("answering")
    page.evaluate("location.reload()")
    expect(chat.answers.first.get_by_role("button", name="Stop")).to_be_visible()
    look("answering, after a reload")
    page.goto(page.url + "/streamed", wait_until="commit")
    expect(page.locator(".growing")).to_contain_text("one")
    look("streamed without a script")
    page.goto(page.url.removesuffix("/streamed"))
    held.set()
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true })")
    look("finished, with everything opened")
    shared_ollama.script(status(500, {"error": "what is this"}))
    expect(chat.ask("And now?")).to_have_attribute("data-state", "failed")
    look("failed")
    chat.message.fill("All about Blue Heron")
    chat.message.press("Enter")
    expect(page.get_by_role("alert")).not_to_be_empty()
    look("a notice")
    page.get_by_role("link", name="Edit", exact=True).last.click()
    expect(page.get_by_role("textbox", name="Edit your message")).to_be_focused()
    look("a prompt is edited")
    page.set_input_files("#attach", FilePayload(name="a-name.txt", mimeType="text/plain", buffer=b"The plan."))
    expect(page.locator("#files [data-id]")).to_be_visible()
    look("a file is attached")
    page.get_by_role("link", name="Saved prompts", exact=True).click()
    expect(page.get_by_role("dialog", name="Saved prompts")).to_be_visible()
    look("saved prompts")
    page.keyboard.press("Escape")
    page.locator(".conversations .edit").first.click()
    expect(page.locator(".conversations > .editing")).to_be_visible()
    page.locator(".editing summary").filter(has_text="Delete").click()
    look("a line of the list is edited")
    page.get_by_role("link", name="Keyboard shortcuts", exact=True).click()
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    look("the shortcuts")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 320, "height": 640})
    page.get_by_role("button", name="Conversations", exact=True).click()
    look("the list on a small screen")
    page.keyboard.press("Escape")
    page.locator(".conversations .edit").first.evaluate("link => { location.href = link.href }")
    page.locator("summary").filter(has_text="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    look("just deleted")
    page.goto(f"{pages.url}/models")
    page.get_by_role("button", name="Settings").click()
    look("all settings on a small screen")
    assert not problems, "\n".join(problems)
