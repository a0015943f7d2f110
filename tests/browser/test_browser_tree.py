"""What a screen reader is given: Chromium's own accessibility tree, of the first page and of an answer."""

from __future__ import annotations

import threading
from typing import Any

from chat_page import Chat
from playwright.sync_api import Page, expect
from scripted_ollama import ScriptedOllama, gate


def tree(page: Page) -> list[dict[str, Any]]:
    """The nodes that are not left out, in their order, each with `role` and `name` as words."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        {
            **{each["name"]: each["value"].get("value") for each in node.get("properties", ())},
            "role": node["role"]["value"],
            "name": node.get("name", {}).get("value", ""),
        }
        for node in nodes
        if not node["ignored"]
    ]


def named(nodes: list[dict[str, Any]], *roles: str) -> list[tuple[str, str]]:
    return [(node["role"], node["name"]) for node in nodes if node["role"] in roles]


def test_the_first_page_says_where_everything_is(chat: Chat) -> None:
    nodes = tree(chat.page)
    there = named(nodes, "navigation", "main", "heading", "textbox", "combobox")
    # A day of the list, where other tests have talked before.
    assert [each for each in there if each != ("heading", "Today")] == [
        ("navigation", "Conversations"),
        ("main", ""),
        ("heading", "What would you like to know?"),
        ("navigation", "Presets"),
        ("textbox", "Message"),
        ("combobox", "Model"),
    ]
    assert nodes[0]["name"] == "InsightSphere AI"
    assert next(node for node in nodes if node["role"] == "textbox")["focused"]
    controls = named(nodes, "button", "link", "textbox", "combobox")
    assert all(name for _, name in controls), controls
    assert ("button", "Send") in named(nodes, "button")
    assert named(nodes, "link")[0] == ("link", "Skip to the conversation")


def test_an_answer_is_busy_while_it_grows_and_whole_when_it_is_finished(chat: Chat, ollama: ScriptedOllama) -> None:
    held = threading.Event()
    ollama.script("# A title\n\nThe first words.\n\n", gate(held), "- one\n- two\n")
    answer = chat.ask("Tell me")
    expect(answer).to_contain_text("The first words.")
    growing = tree(chat.page)
    # Before them come the conversation's title and the days of the list.
    assert [name for _, name in named(growing, "heading")][-3:] == ["You", "Answer", "A title"]
    assert len(named(growing, "article")) == 2
    assert ("button", "Stop") in named(growing, "button")
    # Fragments of what grows must not be read out: no live region may hold the answer.
    live = chat.page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    assert not [text for text in live.all_text_contents() if "first words" in text]
    assert answer.locator("[aria-busy=true]").count() == 1
    held.set()
    expect(answer).to_have_attribute("data-state", "done")
    finished = tree(chat.page)
    assert ("button", "Stop") not in named(finished, "button")
    assert len(named(finished, "listitem")) == len(named(growing, "listitem")) + 2
    assert answer.locator("[aria-busy]").count() == 0
    assert ("button", "Try again") in named(finished, "button")
