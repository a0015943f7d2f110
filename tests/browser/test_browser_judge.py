"""A judge as somebody meets it: chosen on its page, waited for, and never overtaken by what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_page import Chat, chat_in, running
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama, Step, gate

JUDGE = "llama-guard3:1b"


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    with ScriptedOllama(models=["llama3.2:latest", JUDGE]) as server:
        yield server


@pytest.fixture
def chat(context: BrowserContext, tmp_path: Path, ollama: ScriptedOllama) -> Iterator[Chat]:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url) as url:
        found = chat_in(context, url)
        found.open("/settings/moderation/judge")
        while not found.page.locator(f'option[value="{JUDGE}"]').count():  # the engine was not asked yet
            found.page.reload()
        yield found
        found.page.close()
        assert not found.complaints, found.complaints


def test_a_chosen_judge_is_waited_for_and_nothing_it_refuses_is_ever_in_the_page(
    chat: Chat, ollama: ScriptedOllama
) -> None:
    judged, opened = threading.Event(), threading.Event()

    def verdict(body: Any) -> list[Step]:
        judged.set()
        return [gate(opened), "unsafe\nS1" if "dreadful" in body["messages"][-1]["content"] else "safe"]

    ollama.replies[JUDGE] = verdict
    page = chat.page
    expect(page.get_by_text("What Llama Guard 3 looks for")).to_be_hidden()
    page.get_by_label("Model").select_option(JUDGE)
    expect(page.get_by_text("What Llama Guard 3 looks for")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Below: what the judge Llama Guard 3 looks for.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    chat.open()
    checking = page.locator(".checking")
    expect(checking).to_be_hidden()
    # Nothing can be looked at while another page is loaded: so this one stays.
    page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    chat.message.fill("Tell me a story")
    page.keyboard.press("Enter")
    expect(checking).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("Checking your message")

    opened.set()
    chat.open()
    expect(chat.ask("Hello")).to_have_attribute("data-state", "done")
    opened.clear()
    judged.clear()
    asked = len(ollama.answers)
    chat.message.fill("Tell me a story")
    page.keyboard.press("Enter")
    expect(checking).to_be_visible()
    assert judged.wait(10)
    assert len(ollama.answers) == asked
    ollama.script("All was well in the village. ", "Then a dread", "ful thing came. ", "And more.")
    opened.set()
    answer = chat.answers.nth(1)
    expect(answer).to_have_attribute("data-state", "refused")
    expect(answer).to_contain_text("All was well in the village.")
    expect(answer).to_contain_text("It seems to be about violent crimes.")
    assert "dread" not in page.content()

    opened.clear()
    chat.message.fill("Something dreadful")
    page.keyboard.press("Enter")
    expect(checking).to_be_visible()
    opened.set()
    expect(page.locator("#notice")).to_contain_text("It seems to be about violent crimes.")
    expect(checking).to_be_hidden()
    expect(chat.message).to_have_value("Something dreadful")
    # The browser notes each answer that is no success; this one was meant.
    chat.complaints[:] = [said for said in chat.complaints if "422" not in said]
