"""What was typed but not sent: there again after everything that can happen to a page, and gone once it was sent."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from chat_page import Chat, chat_in, free_port, started
from playwright.sync_api import Browser, BrowserContext, Locator, Route, expect
from scripted_ollama import ScriptedOllama

KEPT = "Object.keys(sessionStorage).filter((key) => key !== 'sending')"


def edited(chat: Chat) -> Locator:
    """The form of the first prompt, opened."""
    prompt = chat.page.locator('article[data-role="user"]').first
    prompt.hover()
    prompt.get_by_role("link", name="Edit").click()
    return chat.page.get_by_role("textbox", name="Edit your message")


def test_a_draft_is_there_again_after_a_reload_on_every_page(chat: Chat, ollama: ScriptedOllama) -> None:
    chat.message.fill("At home\nin two lines")
    chat.page.reload()
    expect(chat.message).to_have_value("At home\nin two lines")
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    expect(chat.message).to_have_value("")
    chat.message.fill("In a conversation")
    chat.page.reload()
    expect(chat.message).to_have_value("In a conversation")


def test_what_is_typed_before_the_script_has_come_is_kept_too(chat: Chat) -> None:
    held: list[Route] = []
    chat.page.route("**/site-*.js", lambda route: held.append(route))
    chat.page.goto(chat.page.url, wait_until="commit")
    chat.message.fill("Early")
    while not held:
        chat.page.evaluate("1")
    held[0].continue_()
    chat.page.wait_for_load_state()
    chat.page.unroute("**/site-*.js")
    chat.page.reload()
    expect(chat.message).to_have_value("Early")


def test_every_conversation_has_its_own_draft(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("One")).to_have_attribute("data-state", "done")
    one = chat.page.url
    chat.page.wait_for_load_state()  # of an answer that is done at once, and left before there is a script
    chat.message.fill("for one")
    chat.open()
    expect(chat.message).to_have_value("")
    expect(chat.ask("Two")).to_have_attribute("data-state", "done")
    two = chat.page.url
    expect(chat.message).to_have_value("")
    chat.message.fill("for two")
    chat.page.goto(one)
    expect(chat.message).to_have_value("for one")
    chat.page.go_back()
    chat.page.wait_for_url(two)
    expect(chat.message).to_have_value("for two")


def test_what_was_sent_does_not_come_back(chat: Chat, ollama: ScriptedOllama) -> None:
    home = chat.page.url
    expect(chat.ask("One")).to_have_attribute("data-state", "done")
    assert chat.page.evaluate(KEPT) == []
    chat.page.go_back()
    chat.page.wait_for_url(home)
    expect(chat.message).to_have_value("")
    chat.page.go_forward()
    expect(chat.ask("Two")).to_have_attribute("data-state", "done")
    chat.page.reload()
    expect(chat.message).to_have_value("")
    assert chat.page.evaluate(KEPT) == []


def test_what_is_typed_while_a_prompt_is_on_its_way_is_kept(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("One")).to_have_attribute("data-state", "done")
    arrived = threading.Event()
    chat.page.route("**/messages", lambda route: (chat.message.fill("Three"), arrived.set(), route.continue_()))
    chat.message.fill("Two")
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(2)
    assert arrived.is_set()
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    chat.page.reload()
    expect(chat.message).to_have_value("Three")


def test_a_prompt_that_could_not_be_sent_is_there_again(context: BrowserContext, tmp_path: Path) -> None:
    with ScriptedOllama() as ollama:
        port = free_port()
        first = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
        chat = chat_in(context, f"http://127.0.0.1:{port}")
        chat.open()
        chat.message.fill("Lost?")
        first.terminate()
        first.wait(timeout=20)
        chat.message.press("Enter")
        chat.page.wait_for_url(re.compile("chrome-error"))
        second = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
        chat.page.go_back()
        expect(chat.message).to_have_value("Lost?")
        chat.page.reload()
        expect(chat.message).to_have_value("Lost?")
        chat.message.press("Enter")
        expect(chat.answers.last).to_have_attribute("data-state", "done")
        chat.open()
        expect(chat.message).to_have_value("")
        second.terminate()
        second.wait(timeout=20)


def test_a_text_that_the_server_gives_back_wins_over_the_draft(chat: Chat, ollama: ScriptedOllama) -> None:
    chat.message.fill("Sent")
    chat.page.locator("[name=csrf_token]").last.evaluate("(field) => { field.value = 'wrong' }")
    chat.page.evaluate("document.getElementById('composer').requestSubmit()")
    expect(chat.page.get_by_role("heading", name=re.compile("form|page", re.I))).to_be_visible()
    expect(chat.message).to_have_value("Sent")
    chat.page.evaluate("sessionStorage.setItem('draft /messages message', 'Older')")
    chat.page.reload()
    expect(chat.message).to_have_value("Sent")
    expect(chat.ask("Sent, and more")).to_have_attribute("data-state", "done")
    chat.open()
    expect(chat.message).to_have_value("")
    chat.complaints.clear()  # Chromium notes the 400


def test_an_earlier_prompt_keeps_what_was_changed_in_it(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("First version")).to_have_attribute("data-state", "done")
    edited(chat).fill("Second version")
    chat.page.reload()
    expect(chat.message).to_have_value("")
    expect(edited(chat)).to_have_value("Second version")
    chat.page.get_by_role("button", name="Send again").click()
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    expect(chat.page.locator(".bubble")).to_have_text("Second version")
    assert chat.page.evaluate(KEPT) == []


def test_an_edit_that_is_called_off_is_forgotten(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("As it was")).to_have_attribute("data-state", "done")
    edited(chat).fill("Something else")
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator(".bubble")).to_have_text("As it was")
    expect(edited(chat)).to_have_value("As it was")


def test_a_deleted_conversation_takes_its_drafts_along(chat: Chat, ollama: ScriptedOllama) -> None:
    chat.message.fill("Of the first page")
    chat.page.evaluate("document.querySelector('.new-chat').click()")
    expect(chat.message).to_have_value("Of the first page")
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    chat.message.fill("Never mind")
    edited(chat).fill("Never mind either")
    assert len(chat.page.evaluate(KEPT)) == 2
    row = chat.page.locator(".conversations > li[id]").first
    row.hover()
    row.get_by_role("link", name="Rename or delete").click()
    row.get_by_text("Delete", exact=True).click()
    row.get_by_role("button", name="Delete for good").click()
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    assert chat.page.evaluate(KEPT) == []


def test_another_tab_knows_nothing_of_a_draft(chat: Chat, context: BrowserContext) -> None:
    chat.message.fill("Mine")
    other = chat_in(context, chat.server)
    other.open()
    expect(other.message).to_have_value("")


def test_without_javascript_the_browser_itself_keeps_the_field(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    chat = chat_in(context, server)
    chat.open()
    chat.message.fill("Typed without scripts")
    chat.page.goto(server + "/nowhere")
    chat.page.go_back()
    expect(chat.message).to_have_value("Typed without scripts")
    context.close()
