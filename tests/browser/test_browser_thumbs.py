"""What one does with a finished answer: thumbs, and footnotes that lead there and back."""

from __future__ import annotations

from chat_page import Chat
from playwright.sync_api import expect
from scripted_ollama import ScriptedOllama


def test_thumbs_are_kept_and_taken_back_without_losing_the_focus(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("Was it good?")).to_have_attribute("data-state", "done")
    good, bad = (chat.page.get_by_role("button", name=f"{word} answer") for word in ("Good", "Bad"))
    expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_hidden()
    good.press("Enter")
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(good).to_be_focused()
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    chat.page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")


def test_footnotes_lead_there_and_back_in_each_answer(chat: Chat, ollama: ScriptedOllama) -> None:
    for _ in range(2):
        ollama.script("Said[^1].\n\n" + "more\n\n" * 40 + "[^1]: The source.\n")
        expect(chat.ask("Where from?")).to_have_attribute("data-state", "done")
    for answer in chat.answers.all():
        there, back = (
            answer.get_by_role("link", name="Note 1", exact=True),
            answer.get_by_role("link", name="Back to note"),
        )
        there.click()
        expect(back).to_be_in_viewport()
        back.click()
        expect(there).to_be_in_viewport()
    ids = chat.page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
