"""Rules in a real browser: added, tried and held to from the first moment; by mouse, by keyboard, without scripts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from chat_page import Chat, chat_in, running
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from scripted_ollama import ScriptedOllama, gate

from insight_app.moderation.store import ModerationStore
from insight_app.storage.database import Database, sqlite_url

PAGE = "/settings/moderation"

# Keeps every text that the page ever showed, whole, from before its own scripts on.
WATCH = """
window.seen = [];
const look = () => {
  const text = document.body?.innerText ?? "";
  if (text !== window.seen.at(-1)) window.seen.push(text);
};
new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("moderated")


@pytest.fixture(scope="module")
def server(folder: Path, shared_ollama: ScriptedOllama) -> Iterator[str]:
    """A server of its own: what is set here shall hold for no other test."""
    with running(folder, OLLAMA_BASE_URL=shared_ollama.url) as url:
        yield url


@pytest.fixture(autouse=True)
def no_rules(folder: Path, server: str) -> None:
    with closing(Database(sqlite_url(folder / "insight.db"))) as database:
        store = ModerationStore(database)
        store.change("a test", {entry.id: None for entry in store.as_kept()[1]})


def add(
    chat: Chat, *, name: str = "Moons", kind: str = "phrase", text: str = "blue moon", action: str = "mask"
) -> None:
    """Types a rule into the form, which stays open."""
    chat.open(PAGE)
    chat.page.get_by_role("link", name="Add a rule").click()
    chat.page.get_by_label("Name", exact=True).fill(name)
    chat.page.get_by_label("Kind", exact=True).select_option(kind)
    chat.page.get_by_label("Text", exact=True).fill(text)
    chat.page.get_by_label("Applies to", exact=True).select_option("both")
    chat.page.get_by_label("Action", exact=True).select_option(action)


def save(chat: Chat) -> None:
    chat.page.get_by_role("button", name="Save").click()


def row(chat: Chat, name: str) -> Locator:
    return chat.page.locator(".rules > li").filter(has=chat.page.get_by_role("heading", name=name))


def test_what_a_rule_masks_is_masked_from_the_first_moment(chat: Chat, ollama: ScriptedOllama) -> None:
    add(chat)
    chat.page.get_by_role("textbox", name="Something to try").fill("Under a blue moon we sing")
    chat.page.get_by_role("button", name="Try it").click()
    tried = chat.page.locator(".rule-form .tried")
    expect(tried).to_contain_text("Under a ⟦Moons⟧ we sing")
    expect(tried.locator("mark")).to_contain_text("blue moon")
    save(chat)
    expect(row(chat, "Moons")).to_be_visible()

    began, phrase, rest = threading.Event(), threading.Event(), threading.Event()
    ollama.script(
        "Once upon a time, ", gate(began), "under a bl", gate(phrase), "ue mo", "on, there", gate(rest), " was a fox."
    )
    chat.page.add_init_script(WATCH)
    chat.open()
    answer = chat.ask("Tell me a story")
    text = answer.locator('[data-part="answer"]')
    expect(text).to_contain_text("Once upon a time")  # what no rule minds is there while the answer is written
    began.set()
    expect(text).to_contain_text("under a")
    phrase.set()
    expect(text).to_contain_text("under a ⟦Moons⟧")
    expect(answer).to_have_attribute("data-state", "writing")
    rest.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(text).to_have_text("Once upon a time, under a ⟦Moons⟧, there was a fox.")
    seen = chat.page.evaluate("window.seen")
    assert len(seen) > 3
    assert any("under a" in each and "there" not in each for each in seen)
    assert not [each for each in seen if re.search(r"under a\s+bl|blue|ue mo\w", each)]


def test_a_rule_is_set_by_keyboard_and_the_focus_goes_along(chat: Chat) -> None:
    chat.open(PAGE)
    link = chat.page.get_by_role("link", name="Add a rule")
    link.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Name", exact=True)).to_be_focused()
    chat.page.keyboard.press("Enter")
    name = chat.page.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description(re.compile("Give it a name"))
    expect(name).to_be_focused()
    chat.page.keyboard.type("Suns")
    chat.page.get_by_label("Text", exact=True).fill("sun")
    save_button = chat.page.get_by_role("button", name="Save")
    save_button.focus()
    chat.page.keyboard.press("Enter")
    expect(link).to_be_focused()
    expect(chat.page.locator("#announcer")).to_have_text("“Suns” was added.")
    edit = row(chat, "Suns").get_by_role("link", name="Edit Suns")
    edit.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Name", exact=True)).to_be_focused()
    chat.page.get_by_role("link", name="Cancel").focus()
    chat.page.keyboard.press("Enter")
    expect(row(chat, "Suns").get_by_role("link", name="Edit Suns")).to_be_focused()
    chat.complaints.clear()  # Chromium notes the 422


def test_a_row_moves_past_one_that_is_edited_and_nothing_typed_is_lost(chat: Chat) -> None:
    for name in ("Moons", "Suns", "Stars"):
        add(chat, name=name, text=name)
        save(chat)
        expect(row(chat, name)).to_be_visible()
    row(chat, "Suns").get_by_role("link", name="Edit").click()
    chat.page.get_by_label("Text", exact=True).fill("half typed")
    up = row(chat, "Stars").get_by_role("button", name="Move up")
    up.click()
    expect(chat.page.locator("#announcer")).to_have_text("“Stars” is number 2 of 3 now.")
    expect(up).to_be_focused()
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("half typed")
    up.click()
    expect(chat.page.locator("#announcer")).to_have_text("“Stars” is number 1 of 3 now.")
    switch = row(chat, "Stars").get_by_role("button", name="Switch off")
    switch.click()
    expect(row(chat, "Stars").get_by_role("button", name="Switch on")).to_be_focused()
    row(chat, "Moons").get_by_role("button", name="Delete").click()
    expect(chat.page.get_by_role("button", name="Undo")).to_be_focused()
    chat.page.get_by_role("button", name="Undo").click()
    expect(row(chat, "Moons")).to_contain_text("It is back.")
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("half typed")
    chat.open(PAGE)
    expect(chat.page.locator(".rules h3")).to_have_text([re.compile("Stars"), "Moons", "Suns"])


def test_a_form_that_the_server_cannot_take_now_keeps_what_was_typed(chat: Chat) -> None:
    add(chat, text="of great value")
    chat.page.route("**/rules", lambda route: route.abort())
    save(chat)
    expect(chat.page.locator("#notice")).to_contain_text("The server does not answer")
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("of great value")
    chat.page.unroute("**/rules")
    chat.page.context.clear_cookies()
    save(chat)
    expect(chat.page.get_by_text("open for too long")).to_be_visible()
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("of great value")
    save(chat)
    expect(row(chat, "Moons")).to_be_visible()
    chat.complaints.clear()


def test_without_javascript_all_of_it_works(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    chat = chat_in(context, server)
    add(chat, name="כללים", action="refuse")
    chat.page.get_by_role("textbox", name="Something to try").fill("a blue moon")
    chat.page.get_by_role("button", name="Try it").click()
    expect(chat.page.locator(".tried").first).to_contain_text("It would not be sent.")
    expect(chat.page.locator(".tried").first).to_be_in_viewport()
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("blue moon")
    save(chat)
    expect(row(chat, "כללים")).to_be_visible()
    row(chat, "כללים").get_by_role("link", name="Edit").click()
    chat.page.get_by_label("Name", exact=True).fill("")
    save(chat)
    expect(chat.page.get_by_text("Give it a name.")).to_be_visible()
    chat.page.get_by_role("link", name="Cancel").click()
    row(chat, "כללים").get_by_role("button", name="Switch off").click()
    expect(row(chat, "כללים")).to_contain_text("Off")
    row(chat, "כללים").get_by_role("button", name="Delete").click()
    expect(chat.page.get_by_text("Deleted: “כללים”")).to_be_visible()
    chat.page.get_by_role("button", name="Undo").click()
    expect(row(chat, "כללים")).to_be_visible()
    chat.complaints.clear()
    context.close()


def test_two_who_edit_the_same_rule_see_both(chat: Chat, context: BrowserContext, server: str) -> None:
    add(chat)
    save(chat)
    row(chat, "Moons").get_by_role("link", name="Edit").click()
    chat.page.get_by_label("Text", exact=True).fill("of the first")
    other = chat_in(context, server)
    other.open(PAGE)
    row(other, "Moons").get_by_role("link", name="Edit").click()
    other.page.get_by_label("Text", exact=True).fill("of the second")
    save(other)
    expect(row(other, "Moons")).to_contain_text("was saved")
    save(chat)
    form = chat.page.locator(".rule-form")
    expect(form.get_by_role("alert")).to_contain_text("of the second")
    expect(chat.page.get_by_label("Text", exact=True)).to_have_value("of the first")
    save(chat)
    expect(row(chat, "Moons")).to_contain_text("of the first")
    chat.complaints.clear()  # Chromium notes the 409


@pytest.mark.parametrize("path", ["", "/rules/new", "/sets/family", "/history", "/import"])
def test_nothing_is_cut_off_on_a_narrow_screen(chat: Chat, path: str) -> None:
    add(chat, name="n" * 60, text="w" * 150)
    save(chat)
    expect(row(chat, "n" * 60)).to_be_visible()
    chat.page.set_viewport_size({"width": 320, "height": 640})
    chat.open(PAGE + path)
    assert chat.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_text_of_a_megabyte_holds_nobody_up_and_comes_back(chat: Chat) -> None:
    add(chat)
    text = chat.page.locator("#new-text")
    text.evaluate("(field) => { field.value = 'word sun\\n'.repeat(116_508) }")
    chat.page.locator("#new form").evaluate("(form) => form.requestSubmit()")
    expect(chat.page.locator("#new .problem")).to_contain_text("It has 1,048,572 characters", timeout=60_000)
    assert text.evaluate("(field) => field.value.length") == 1_048_572
    chat.complaints.clear()  # Chromium notes the 422
