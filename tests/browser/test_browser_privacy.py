"""The page Privacy and the pins, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

from chat_page import Chat
from playwright.sync_api import expect
from scripted_ollama import ScriptedOllama
from test_chat_replies import until

from insight_app.privacy.export import FORMAT

DRAFTS = "Object.keys(sessionStorage).filter((key) => key.startsWith('draft '))"


def told(chat: Chat, ollama: ScriptedOllama, prompt: str) -> None:
    """A conversation of its own that is over."""
    ollama.script("Yes.")
    chat.open()
    answer = chat.ask(prompt)
    expect(answer).to_have_attribute("data-state", "done")


def edit(chat: Chat, title: str) -> None:
    row = chat.page.locator(".conversations > li", has_text=title)
    row.hover()
    row.get_by_role("link", name=f"rename or delete {title}").click()


def test_a_pin_moves_its_conversation_up_and_the_focus_stays_with_it(chat: Chat, ollama: ScriptedOllama) -> None:
    for prompt in ("Pinned soon", "Something newer"):
        told(chat, ollama, prompt)
    edit(chat, "Pinned soon")
    chat.page.get_by_role("button", name="Pin", exact=True).click()
    first = chat.page.locator(".conversations > li[id]").first
    expect(first.get_by_role("link", name="Pinned: Pinned soon", exact=True)).to_be_visible()
    expect(first.get_by_role("link", name="rename or delete")).to_be_focused()
    expect(chat.page.get_by_role("status")).to_have_text("Pinned")
    edit(chat, "Pinned soon")
    chat.page.get_by_role("button", name="Unpin").click()
    expect(chat.page.get_by_role("status")).to_have_text("No longer pinned")
    expect(chat.page.locator(".conversations > li[id]").first).to_contain_text("Something newer")


def test_a_record_begins_and_ends_on_the_page(chat: Chat, ollama: ScriptedOllama) -> None:
    chat.open("/settings/privacy")
    chat.page.get_by_label("For", exact=True).select_option("1 hour")
    chat.page.get_by_role("button", name="Start recording").click()
    expect(chat.page.get_by_text("Time left: 1 hour.")).to_be_visible()
    expect(chat.page.get_by_role("button", name="Stop now and delete")).to_be_focused()
    expect(chat.page.get_by_role("status")).to_have_text("The record has begun.")
    told(chat, ollama, "Record this")
    chat.open("/settings/privacy")
    expect(chat.page.get_by_text("1 answer is recorded.")).to_be_visible()
    chat.page.get_by_role("button", name="Stop now and delete").click()
    expect(chat.page.get_by_role("button", name="Start recording")).to_be_focused()
    expect(chat.page.get_by_text("recorded.")).to_be_hidden()


def test_everything_is_downloaded_and_then_deleted_here_and_in_every_tab(
    chat: Chat, ollama: ScriptedOllama, tmp_path: Path
) -> None:
    told(chat, ollama, "Take this along")
    chat.message.fill("A draft of mine")
    other = chat.page.context.new_page()
    other.goto(chat.server)
    other.get_by_role("textbox", name="Message").fill("A draft in another tab")
    chat.open("/settings/privacy")
    with chat.page.expect_download() as started:
        chat.page.get_by_role("link", name="Download everything about me").click()
    started.value.save_as(tmp_path / "everything.json")
    document = json.loads((tmp_path / "everything.json").read_text(encoding="utf-8"))
    assert document["format"] == FORMAT
    assert "Take this along" in [message["text"] for each in document["conversations"] for message in each["messages"]]

    chat.page.get_by_text("Delete everything about me").click()
    chat.page.get_by_role("button", name="Delete everything for good").click()
    expect(chat.page.get_by_text("Everything about you is deleted.")).to_be_visible()
    expect(chat.page.locator(".conversations > li[id]")).to_have_count(0)
    for page in (chat.page, other):  # the other one hears of it a moment later
        until(lambda page=page: page.evaluate(f"!{DRAFTS}.length"))
    chat.open()
    expect(chat.message).to_have_value("")
