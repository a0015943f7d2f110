"""The keyboard alone: a whole conversation, keys that save a way, the list that folds, and where the focus is."""

from __future__ import annotations

import threading

import pytest
from chat_page import Chat
from playwright.sync_api import Page, expect
from scripted_ollama import ScriptedOllama, gate


def focused(page: Page) -> str:
    """What has the focus, by its id or its words; "" where nothing has it."""
    return str(
        page.evaluate(
            """() => { const it = document.activeElement;
            return it === document.body ? "" : it.id || it.getAttribute("aria-label") || it.textContent.trim(); }"""
        )
    )


def test_a_whole_conversation_by_keyboard_never_loses_the_focus(chat: Chat, ollama: ScriptedOllama) -> None:
    page, keys, held = chat.page, chat.page.keyboard, threading.Event()
    ollama.script("It begins", gate(held), " and goes on")
    assert focused(page) == "message"
    keys.type("What is n? And j/k")  # letters, wherever they have a meaning elsewhere
    expect(chat.message).to_have_value("What is n? And j/k")
    keys.press("Shift+Enter")
    keys.type("Thanks")
    keys.press("Enter")
    expect(chat.answers.first).to_contain_text("It begins")
    expect(chat.message).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    keys.press("Enter")
    expect(chat.answers.first).to_have_attribute("data-state", "stopped")
    held.set()
    assert focused(page)
    keys.press("m")
    expect(chat.message).to_be_focused()
    keys.press("Escape")
    assert focused(page) == "main"
    while focused(page) != "Edit":
        keys.press("Tab")
        assert focused(page)
    keys.press("Enter")
    expect(page.get_by_role("textbox", name="Edit your message")).to_be_focused()
    keys.press("Control+A")
    keys.type("What else?")
    while focused(page) != "Send again":  # past the way to attach files
        keys.press("Tab")
        assert focused(page)
    keys.press("Enter")
    expect(page.get_by_text("2 of 2")).to_be_visible()
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    keys.press("Escape")
    keys.press("n")
    page.wait_for_url(f"{chat.server}/")
    expect(chat.message).to_be_focused()


def test_keys_lead_to_the_conversations_beside_and_go_on_acting(chat: Chat, ollama: ScriptedOllama) -> None:
    for number in (1, 2):
        chat.open()
        expect(chat.ask(f"Conversation {number} of the two")).to_have_attribute("data-state", "done")
    heading = chat.page.get_by_role("heading", level=1)
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("j")
    expect(heading).to_have_text("Conversation 1 of the two")
    expect(chat.page.locator("#main")).to_be_focused()  # from then on keys act here
    chat.page.keyboard.press("k")
    expect(heading).to_have_text("Conversation 2 of the two")
    expect(chat.page.locator("#main")).to_be_focused()


def test_the_sheet_opens_and_gives_the_focus_back(chat: Chat) -> None:
    sheet = chat.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(chat.message).to_be_focused()
    chat.page.keyboard.press("?")
    expect(chat.message).to_have_value("?")
    chat.message.fill("")
    settings = chat.page.get_by_role("link", name="Settings")
    settings.focus()
    for close in ("Escape", "Enter"):  # the button that closes it comes first
        chat.page.keyboard.press("?")
        expect(sheet).to_be_visible()
        chat.page.keyboard.press("n")  # not while it is open
        chat.page.keyboard.press(close)
        expect(sheet).to_be_hidden()
        expect(settings).to_be_focused()
    assert chat.page.url == f"{chat.server}/"


def test_who_switches_single_keys_off_has_none(chat: Chat) -> None:
    chat.open("/settings/appearance")
    chat.page.get_by_label("Single keys act").uncheck()
    chat.page.get_by_role("button", name="Save").click()
    expect(chat.page.get_by_text("Saved.")).to_be_focused()
    for key in "n?m":
        chat.page.keyboard.press(key)
    expect(chat.page.get_by_role("dialog")).to_have_count(0)
    chat.page.get_by_role("link", name="Keyboard shortcuts", exact=True).click()
    expect(chat.page.get_by_role("dialog")).to_contain_text("Single keys are switched off")
    assert chat.page.url.startswith(f"{chat.server}/settings/appearance")


def test_the_list_folds_away_is_so_after_a_reload_and_comes_back(chat: Chat) -> None:
    page, listed = chat.page, chat.page.get_by_role("navigation", name="Conversations")
    page.get_by_role("button", name="Hide conversations").press("Enter")
    expect(listed).to_be_hidden()
    shows = page.get_by_role("button", name="Conversations", exact=True)
    expect(shows).to_be_focused()
    page.reload()
    expect(listed).to_be_hidden()
    expect(page.get_by_role("link", name="New chat")).to_be_visible()
    shows.press("Enter")
    expect(listed).to_be_visible()
    expect(page.get_by_role("button", name="Hide conversations")).to_be_focused()
    page.reload()
    expect(listed).to_be_visible()


@pytest.mark.parametrize("theme", ["Dark", "High contrast, light or dark as this device is set"])
def test_a_theme_is_seen_at_once_and_on_paper_everything_is_dark_on_light(chat: Chat, theme: str) -> None:
    page = chat.page
    page.emulate_media(color_scheme="light" if theme == "Dark" else "dark")
    chat.open("/settings/appearance")
    page.get_by_label(theme, exact=True).check()
    page.get_by_role("button", name="Save").click()
    chat.open()
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(paper) == ("rgb(17, 17, 17)" if theme == "Dark" else "rgb(0, 0, 0)")
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
