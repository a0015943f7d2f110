"""What the pages of the settings have in common, in a real browser: the way there, the tabs, and buttons to press."""

from __future__ import annotations

import itertools
import re

import pytest
from chat_page import Chat
from playwright.sync_api import Browser, expect

RULES = "/settings/moderation"


def test_on_a_phone_the_settings_are_in_reach_however_many_conversations_there_are(chat: Chat) -> None:
    chat.page.evaluate(
        """() => {
          const list = document.querySelector(".conversations");
          for (let i = 0; i < 60; i++) list.insertAdjacentHTML("beforeend", "<li><a class=title href='/'>One</a></li>");
        }"""
    )
    chat.page.set_viewport_size({"width": 360, "height": 640})
    chat.page.get_by_role("button", name="Conversations").click()
    expect(chat.page.get_by_role("link", name="Settings")).to_be_in_viewport(ratio=1)
    expect(chat.page.get_by_role("link", name="New chat").last).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    ("path", "tab"),
    [
        (RULES, "Moderation"),
        (RULES + "/rules/new", "Moderation"),
        (RULES + "/history", "Moderation"),
        (RULES + "/judge", "Judge"),
        ("/settings/prompt", "Instructions"),
        ("/settings/presets", "Presets"),
        ("/settings/presets/new", "Presets"),
        ("/models", "Models"),
        ("/settings/usage", "Usage"),
        ("/settings/usage/all", "Usage"),
        ("/settings/privacy/kept", "Privacy"),
    ],
)
def test_the_tab_says_where_one_is_also_on_the_pages_behind_it(chat: Chat, path: str, tab: str) -> None:
    chat.open(path)
    current = chat.page.locator(".tabs [aria-current]")
    expect(current).to_have_text(tab)
    behind = path in (RULES + "/rules/new", RULES + "/history", "/settings/usage/all", "/settings/privacy/kept")
    behind = behind or path == "/settings/presets/new"
    expect(current).to_have_attribute("aria-current", "true" if behind else "page")


def test_the_settings_begin_with_what_is_ones_own(chat: Chat) -> None:
    chat.page.get_by_role("link", name="Settings").click()
    tabs = chat.page.get_by_role("navigation", name="Settings").get_by_role("link")
    expect(tabs).to_have_text(
        [
            "Appearance",
            "Presets",
            "Usage",
            "Privacy",
            "Import and export",
            "Instructions",
            "Models",
            "Moderation",
            "Judge",
            "Health",
            "API",
        ]
    )
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Appearance")


@pytest.mark.parametrize(
    "path",
    [
        "/settings/prompt",
        "/models",
        RULES,
        RULES + "/judge",
        "/settings/usage",
        "/settings/usage/all",
        "/settings/privacy/kept",
        "/settings/api",
    ],
)
def test_no_heading_leaves_out_a_level(chat: Chat, path: str) -> None:
    chat.open(path)
    levels = chat.page.locator("main :is(h1, h2, h3, h4, h5, h6)").evaluate_all("all => all.map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_long_change_leaves_the_button_beside_it_its_width(chat: Chat) -> None:
    chat.page.set_viewport_size({"width": 360, "height": 640})
    chat.open(RULES + "/sets/strict")
    chat.page.locator("main form button").click()
    undo = chat.page.locator("#done").get_by_role("button", name="Undo")
    height = undo.evaluate("button => button.clientHeight")
    undo.click()
    assert height < 48


@pytest.mark.parametrize("with_javascript", [True, False])
def test_the_focus_goes_to_the_field_that_is_wrong(browser: Browser, server: str, *, with_javascript: bool) -> None:
    context = browser.new_context(java_script_enabled=with_javascript)
    page = context.new_page()
    page.goto(server + RULES + "/rules/new")
    page.get_by_label("Name", exact=True).fill("Numbers")
    page.get_by_label("Kind", exact=True).select_option("pattern")
    page.get_by_label("Text", exact=True).fill("a(?=b)")
    page.get_by_role("button", name="Save").click()
    text = page.get_by_label("Text", exact=True)
    expect(text).to_have_accessible_description(re.compile("Looking ahead"))
    expect(text).to_be_focused()
    context.close()


@pytest.mark.parametrize("with_javascript", [True, False])
def test_on_a_phone_all_settings_are_behind_one_button(browser: Browser, server: str, *, with_javascript: bool) -> None:
    context = browser.new_context(java_script_enabled=with_javascript, viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(server + RULES)
    tabs = page.get_by_role("navigation", name="Settings")
    expect(tabs).to_be_hidden()
    page.get_by_role("button", name="Settings").press("Enter")
    expect(tabs.get_by_role("link", name="Moderation")).to_have_attribute("aria-current", "page")
    for tab in tabs.get_by_role("link").all():
        expect(tab).to_be_in_viewport(ratio=1)
    page.keyboard.press("Tab")
    expect(tabs.get_by_role("link", name="Appearance")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Appearance")
    context.close()


def test_from_a_tablet_on_all_settings_are_there_at_once(chat: Chat) -> None:
    chat.page.set_viewport_size({"width": 768, "height": 640})
    chat.open(RULES)
    expect(chat.page.get_by_role("button", name="Settings")).to_be_hidden()
    tabs = chat.page.locator(".tabs a").evaluate_all("all => all.map((tab) => tab.offsetTop)")
    assert len(set(tabs)) <= 2


def test_the_button_that_chooses_a_file_looks_like_the_others(chat: Chat) -> None:
    looks = """(it, part) => {
      const {borderRadius, color, fontSize} = getComputedStyle(it, part);
      return {borderRadius, color, fontSize};
    }"""
    chat.open("/settings/copies")
    beside = chat.page.get_by_role("link", name="Download JSON").evaluate(looks)
    for path in ("/settings/copies", RULES + "/import"):
        chat.open(path)
        assert chat.page.locator("main input[type=file]").evaluate(looks, "::file-selector-button") == beside, path
