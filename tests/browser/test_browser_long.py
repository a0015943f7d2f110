"""A conversation longer than a page: its end comes first, what came before as one scrolls up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chat_page import Chat, chat_in, running
from long_conversation import write_conversation
from playwright.sync_api import Browser, BrowserContext, Route, expect
from scripted_ollama import ScriptedOllama

PAIRS = 70
QUESTIONS = [f"Question {number}" for number in range(1, PAIRS + 1)]
FRAMES = "async () => { for (const _ of [1, 2]) await new Promise(requestAnimationFrame); }"
# What is read, once the page is drawn; asked again, how far that has moved since.
READ = """async () => {
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
  const all = [...document.querySelectorAll("#messages > article")];
  window.read = all.find((one) => one.getBoundingClientRect().bottom > 0);
  window.at = window.read.getBoundingClientRect().top;
}"""
MOVED = """async () => {
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
  return Math.abs(window.read.getBoundingClientRect().top - window.at);
}"""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory, shared_ollama: ScriptedOllama) -> Iterator[list[str]]:
    """Two long conversations: one to read, one to go on with."""
    folder = tmp_path_factory.mktemp("long")
    for _ in range(120):
        write_conversation(folder, 1)
    paths = [write_conversation(folder, PAIRS) for _ in range(2)]
    with running(folder, OLLAMA_BASE_URL=shared_ollama.url) as url:
        yield [url + path for path in paths]


@pytest.fixture
def long(addresses: list[str]) -> str:
    return addresses[0]


@pytest.fixture
def chat(context: BrowserContext, long: str) -> Iterator[Chat]:
    found = chat_in(context, long.partition("/c/")[0])
    found.page.goto(long)
    yield found
    assert not found.complaints, found.complaints


def questions(chat: Chat) -> list[str]:
    return chat.page.locator(".bubble").all_text_contents()


def scroll_up(chat: Chat, top: int) -> None:
    """So far that earlier messages come; they come when it is clear what is read there."""
    known = len(questions(chat))
    held: list[Route] = []
    chat.page.route("**before=*", lambda route: held.append(route))
    with chat.page.expect_request("**before=*"):
        chat.page.evaluate("(top) => scrollTo(0, top)", top)
    while not held:
        chat.page.evaluate(READ)
    chat.page.evaluate(READ)
    held[0].continue_()
    expect(chat.page.locator(".bubble").nth(known)).to_be_attached()
    chat.page.unroute("**before=*")


# 0 is where browsers by themselves would show what came in above.
@pytest.mark.parametrize("top", [0, 300])
def test_who_scrolls_up_finds_every_message_once_and_in_order_and_nothing_jumps(chat: Chat, top: int) -> None:
    assert questions(chat) == QUESTIONS[-15:]
    expect(chat.answers.last).to_be_in_viewport()
    while len(questions(chat)) < PAIRS:
        scroll_up(chat, top)
        assert chat.page.evaluate(MOVED) <= 1
    assert questions(chat) == QUESTIONS
    expect(chat.page.get_by_role("link", name="Earlier messages")).to_have_count(0)
    ids = chat.page.locator("#messages > article").evaluate_all("(all) => all.map((one) => one.id)")
    assert ids == sorted(set(ids), key=lambda one: int(one[1:]))
    assert len(ids) == 2 * PAIRS


def test_a_script_that_comes_late_leaves_the_reader_at_the_end(context: BrowserContext, long: str) -> None:
    page = context.new_page()
    scripts: list[str] = []
    page.on("requestfinished", lambda request: scripts.append(request.url))
    held: list[Route] = []
    page.route("**/conversation-*.js", lambda route: held.append(route))
    page.goto(long, wait_until="commit")
    while not held or not any("/site-" in url and url.endswith(".js") for url in scripts):
        page.evaluate(FRAMES)
    for _ in range(10):  # these have been drawn without it
        page.evaluate(FRAMES)
    held[0].continue_()
    page.wait_for_load_state("networkidle")
    assert questions(Chat(page, "", [])) == QUESTIONS[-15:]
    expect(page.locator("#messages > article").last).to_be_in_viewport()


def test_one_step_up_brings_one_part(chat: Chat) -> None:
    scroll_up(chat, 300)
    chat.page.wait_for_load_state("networkidle")
    assert questions(chat) == QUESTIONS[-30:]


def test_by_keyboard_the_focus_stays_at_the_top(chat: Chat) -> None:
    link = chat.page.get_by_role("link", name="Earlier messages")
    while len(known := questions(chat)) < PAIRS:
        link.evaluate("(one) => one.focus({preventScroll: true})")
        chat.page.keyboard.press("Enter")
        expect(chat.page.locator(".bubble").nth(len(known))).to_be_attached()
        if link.count():
            expect(link).to_be_focused()
    expect(chat.page.get_by_role("link", name="Edit", exact=True).first).to_be_focused()


def test_an_answer_comes_at_the_end_of_what_is_there(chat: Chat, addresses: list[str], ollama: ScriptedOllama) -> None:
    chat.page.goto(addresses[1])
    scroll_up(chat, 300)
    ollama.script("Of course.")
    answer = chat.ask("One more?")
    assert answer.get_attribute("id") == chat.answers.last.get_attribute("id")
    expect(answer).to_have_attribute("data-state", "done")
    assert questions(chat) == [*QUESTIONS[-30:], "One more?"]


def test_the_list_of_conversations_goes_on_as_one_scrolls(chat: Chat) -> None:
    rows = chat.page.locator(".conversations > li > .title")
    assert rows.count() == 50
    while rows.count() < 122:
        chat.page.locator(".conversations").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    assert len(set(rows.evaluate_all("(all) => all.map((one) => one.href)"))) == 122


def test_without_javascript_the_parts_are_pages(browser: Browser, long: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(long)
    chat = Chat(page, "", [])
    newest = questions(chat)
    found = list(newest)
    while (link := page.get_by_role("link", name="Earlier messages")).count():
        with page.expect_navigation():
            link.click()
        found[:0] = questions(chat)
    assert found == QUESTIONS
    while (link := page.get_by_role("link", name="Later messages")).count():
        with page.expect_navigation():
            link.click()
    assert questions(chat) == newest
    context.close()
