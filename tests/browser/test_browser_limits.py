"""A limit in a real browser: it counts down, the text stays, and the end of the wait is said once."""

from __future__ import annotations

import re
from pathlib import Path

from chat_page import chat_in, running
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama


def test_a_limit_counts_down_and_gives_the_text_back(
    context: BrowserContext, ollama: ScriptedOllama, tmp_path: Path
) -> None:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, SEND_RATE_LIMIT="2 per minute") as server:
        chat = chat_in(context, server)
        page = chat.page
        page.clock.install()
        chat.open()
        expect(chat.ask("One")).to_have_attribute("data-state", "done")  # a page of its own
        expect(chat.ask("Two")).to_have_attribute("data-state", "done")  # a swap
        chat.message.fill("What I typed")
        chat.message.press("Enter")
        left = page.locator("[data-countdown]")
        expect(left).to_be_visible()
        expect(left.locator("..")).to_have_attribute("aria-hidden", "true")
        expect(page.locator("#notice .unseen")).to_contain_text("Then send again.")
        expect(chat.message).to_have_value("What I typed")
        seconds = int(left.inner_text().split()[0])
        assert 30 < seconds <= 60
        page.clock.run_for(2_000)  # it has begun to count
        page.clock.fast_forward(20_000)
        page.clock.run_for(1_000)
        assert 0 < int(left.inner_text().split()[0]) <= seconds - 20
        expect(page.locator("#announcer")).not_to_contain_text("send again")
        page.clock.fast_forward(40_000)
        page.clock.run_for(1_000)
        expect(page.locator("#notice")).to_contain_text("You can send again now.")
        expect(page.locator("#announcer")).to_have_text("You can send again now.")
        expect(left).to_have_count(0)
        expect(chat.message).to_have_value("What I typed")
        # A clock that is set knows nothing of how the page was loaded.
        assert [each for each in chat.complaints if "429" not in each and "redirectCount" not in each] == []


def test_without_javascript_the_wait_is_a_sentence_and_the_text_comes_back(
    context: BrowserContext, ollama: ScriptedOllama, tmp_path: Path
) -> None:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, SEND_RATE_LIMIT="1 per hour") as server:
        browser = context.browser
        assert browser is not None
        with browser.new_context(java_script_enabled=False) as plain:
            chat = chat_in(plain, server)
            for text in ("One", "What I typed"):
                chat.open()
                chat.message.fill(text)
                chat.page.get_by_role("button", name="Send").click()
            expect(chat.page.locator("[data-countdown]")).to_have_text("60 minutes")
            expect(chat.message).to_have_value("What I typed")


def test_a_long_wait_counts_down_in_minutes_and_its_last_ones_in_seconds(
    context: BrowserContext, ollama: ScriptedOllama, tmp_path: Path
) -> None:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, SEND_RATE_LIMIT="1 per hour") as server:
        chat = chat_in(context, server)
        page = chat.page
        chat.open()
        expect(chat.ask("One")).to_have_attribute("data-state", "done")
        chat.message.fill("What I typed")
        chat.message.press("Enter")
        left = page.locator("[data-countdown]")
        expect(left).to_have_text("60 minutes")
        for wait, said in ((601, "11 minutes"), (9_000, "3 hours"), (100, re.compile("^[0-9]{2,3} seconds$"))):
            left.evaluate("(left, wait) => { left.until = Date.now() + wait * 1000; }", wait)
            expect(left).to_have_text(said)
