"""A conversation on paper, with forced colours, and with as little movement as asked for."""

from __future__ import annotations

from chat_page import Chat
from every_page import EVERYTHING
from playwright.sync_api import expect
from scripted_ollama import ScriptedOllama


def test_a_conversation_prints_as_a_document(chat: Chat, ollama: ScriptedOllama) -> None:
    ollama.script(EVERYTHING)
    expect(chat.ask("What is in this table?")).to_have_attribute("data-state", "done")
    page = chat.page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 900})
    expect(page.get_by_role("heading", level=1, name="What is in this table?")).to_be_visible()
    for gone in (page.get_by_role("navigation"), page.locator(".dock"), page.locator(".actions").first):
        expect(gone).to_be_hidden()
    cut = page.locator(".code pre, .table, .math").evaluate_all(
        """all => all.filter((one) => one.scrollWidth > one.clientWidth + 1
          && getComputedStyle(one).overflowX !== "visible").map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert cut == []
    after = "one => getComputedStyle(one, '::after').content"
    assert "https://example.org/" in page.locator(".prose a").first.evaluate(after)


def test_with_forced_colours_what_matters_has_an_edge(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("Hello")).to_have_attribute("data-state", "done")
    chat.page.emulate_media(forced_colors="active")
    for part in (".bubble", ".send", ".composer"):
        assert chat.page.locator(part).evaluate("one => getComputedStyle(one).borderTopStyle") == "solid"


def test_nothing_moves_for_who_wants_no_movement(chat: Chat) -> None:
    chat.page.emulate_media(reduced_motion="reduce")
    moving = chat.page.evaluate(
        """() => [...document.querySelectorAll("body, body *")].filter((one) => {
          const {animationName, viewTransitionName, transitionDuration} = getComputedStyle(one);
          return animationName !== "none" || viewTransitionName !== "none" || transitionDuration !== "0s";
        }).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert moving == []
