"""The page of the instructions: what would be sent is seen while one types, and saved only where one says so."""

from __future__ import annotations

from chat_page import Chat
from playwright.sync_api import expect


def test_what_would_be_sent_follows_what_is_typed_and_switched(chat: Chat) -> None:
    page = chat.page
    chat.open("/settings/prompt")
    composed = page.locator("#composed")
    expect(composed).to_contain_text("Today is")
    page.get_by_role("textbox", name="Your instructions").fill("You work for a bookshop.")
    expect(composed).to_contain_text("You work for a bookshop.")
    page.get_by_label("Send today’s date").uncheck()
    expect(composed).not_to_contain_text("Today is")
    page.reload()
    expect(composed).to_contain_text("Today is")
    expect(page.get_by_role("button", name="Show what would be sent")).to_be_hidden()
