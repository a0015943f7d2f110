"""A temporary chat in a browser: begun, read, ended, and nothing of it left there."""

from __future__ import annotations

import threading

import pytest
from chat_page import Chat, chat_in
from playwright.sync_api import Browser, BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate

WORDS = "quetzalcoatl"
STORED = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"


@pytest.fixture
def temporary(chat: Chat, ollama: ScriptedOllama) -> Chat:
    """A temporary chat, begun by keyboard from the first page, with one answer."""
    chat.page.get_by_role("main").get_by_role("link", name="Temporary chat").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", name="A temporary chat")).to_be_visible()
    ollama.script(f"Of {WORDS}.")
    expect(chat.ask(f"Tell me of {WORDS}")).to_have_attribute("data-state", "done")
    return chat


def test_it_says_what_it_is_and_stands_in_no_list(temporary: Chat) -> None:
    expect(temporary.page).to_have_title("Temporary chat – InsightSphere AI")
    expect(temporary.page.get_by_text("It is not kept")).to_be_visible()
    expect(temporary.page.get_by_role("navigation", name="Conversations")).not_to_contain_text("emporary")
    expect(temporary.page.get_by_role("navigation", name="Conversations")).not_to_contain_text(WORDS)


def test_answers_come_into_the_page_and_into_a_second_tab(
    temporary: Chat, context: BrowserContext, ollama: ScriptedOllama
) -> None:
    goes_on = threading.Event()
    ollama.script("The first half", gate(goes_on), " and the second.")
    answer = temporary.ask("More")
    expect(answer).to_contain_text("The first half")
    other = chat_in(context, temporary.server)
    other.page.goto(temporary.page.url)
    expect(other.answers.last).to_contain_text("The first half")
    goes_on.set()
    for page in (answer, other.answers.last):
        expect(page).to_contain_text("and the second.")
        expect(page).to_have_attribute("data-state", "done")


def test_nothing_that_is_typed_stays_in_the_browser(temporary: Chat) -> None:
    temporary.message.fill(f"not sent: {WORDS}")
    prompt = temporary.page.locator('article[data-role="user"]').first
    prompt.hover()
    prompt.get_by_role("link", name="Edit").click()
    temporary.page.get_by_role("textbox", name="Edit your message").fill(f"edited: {WORDS}")
    assert WORDS not in temporary.page.evaluate(STORED)
    temporary.page.reload()
    expect(temporary.message).to_have_value("")
    temporary.open("/temporary")
    temporary.message.fill(WORDS)
    temporary.page.reload()
    expect(temporary.message).to_have_value("")
    assert WORDS not in temporary.page.evaluate(STORED)


def test_who_ends_it_is_told_everywhere_and_what_is_typed_goes_into_another(
    temporary: Chat, context: BrowserContext, ollama: ScriptedOllama
) -> None:
    ended = temporary.page.url
    other = chat_in(context, temporary.server)
    other.page.goto(ended)
    other.message.fill("typed in the other tab")
    temporary.page.get_by_role("button", name="End this chat").click()
    temporary.page.wait_for_url(temporary.server + "/")
    other.message.press("Enter")
    expect(other.page.get_by_text("This temporary chat is over")).to_be_visible()
    expect(other.message).to_have_value("typed in the other tab")
    assert other.page.evaluate("sessionStorage.length") == 0
    other.message.press("Enter")
    other.page.wait_for_url(lambda url: "/c/temporary-" in url and url != ended)
    expect(other.answers).to_have_count(1)
    temporary.page.goto(ended)
    expect(temporary.page.get_by_role("heading", name="This temporary chat is over")).to_be_visible()
    temporary.complaints.clear()  # the page that is not there


def test_it_works_without_javascript(browser: Browser, server: str, ollama: ScriptedOllama) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server)
    page.get_by_role("main").get_by_role("link", name="Temporary chat").click()
    page.get_by_role("textbox", name="Message").fill(WORDS)
    page.get_by_role("button", name="Send").click()
    expect(page.locator('article[data-role="assistant"][data-state="done"]')).to_have_count(1)
    page.get_by_role("button", name="End this chat").click()
    expect(page).to_have_url(server + "/")
    context.close()
