"""Without JavaScript: the answer comes block by block, and everything else works by links and plain forms."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from chat_page import Chat, chat_in
from playwright.sync_api import Browser, Page, expect
from scripted_ollama import ScriptedOllama, cut, gate, silence, thinking

BLOCKS = [
    "# A title\n\nThe first block, and ",
    "its end.\n\n- one\n- two",
    "\n- three\n\n```python\nx = 1\n",
    "y = 2\n```\n\n1. first\n2. second\n",
    "3. third\n\nThe end is [here][1].\n\n[1]: https://example.org/\n",
]
SHOWN = ["The first block", "two", "x = 1", "second", "The end"]
# Where a message is read, and how far down it is.
PLACE = "article.prompt"
# What only the page has that grows: the one before it leads there by itself, and nothing is pressed there.
STREAMED = ".early"


@pytest.fixture
def plain(browser: Browser, server: str) -> Iterator[Chat]:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 700})
    context.set_default_timeout(15_000)
    yield chat_in(context, server)
    context.close()


def send(chat: Chat, text: str) -> None:
    chat.message.fill(text)
    chat.page.get_by_role("button", name="Send").click(no_wait_after=True)


def top(page: Page) -> float:
    box = page.locator(PLACE).last.bounding_box()
    assert box
    return float(box["y"])


def test_every_block_is_seen_before_the_next_one_is_written(
    plain: Chat, browser: Browser, ollama: ScriptedOllama
) -> None:
    gates = [threading.Event() for _ in BLOCKS]
    steps = [step for block, opened in zip(BLOCKS, gates, strict=True) for step in (block, gate(opened))]
    thought = threading.Event()
    ollama.script(thinking("Let me *see*.\n\n"), gate(thought), *steps)
    plain.open()
    send(plain, "Tell me")
    shown = plain.page.locator('article[data-role="assistant"]:visible')
    expect(shown.locator(".now", has_text="Thinking")).to_be_visible()
    assert not shown.get_by_text("Let me see").is_visible()
    thought.set()
    places = []
    for seen, opened in zip(SHOWN, gates, strict=True):
        expect(shown.get_by_text(seen, exact=False).locator("visible=true").first).to_be_visible()
        assert shown.count() == 1
        expect(plain.message).to_be_visible()
        expect(plain.page.get_by_role("button", name="Stop")).to_be_visible()
        places.append(top(plain.page))
        if seen == "x = 1":  # what is typed meanwhile stays
            plain.message.fill("And then?")
        opened.set()
    expect(shown).to_have_attribute("data-state", "done")
    assert shown.count() == 1
    assert len(set(places)) == 1
    assert top(plain.page) == places[0]
    expect(plain.message).to_have_value("And then?")
    expect(plain.page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(shown.get_by_role("link", name="here")).to_have_attribute("href", "https://example.org/")
    expect(shown.get_by_role("button", name="Try again")).to_be_visible()
    # What was streamed is what a fresh page shows.
    finished = shown.inner_html()
    plain.page.reload()
    assert "/streamed" not in plain.page.url
    expect(plain.answers).to_have_count(1)
    assert without_token(plain.answers.inner_html()) == without_token(finished)


def without_token(html: str) -> str:
    return re.sub(r'name="(csrf_token|key)" value="[^"]*"', "", html)


def test_an_answer_keeps_its_height_when_it_is_finished(plain: Chat, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("# A title\n\nA block.\n\n- one\n- two\n- three\n\nThe last.\n\n", gate(opened))
    plain.open()
    send(plain, "Tell me")
    last = plain.page.locator("p:visible", has_text="The last.").last
    last.wait_for()
    before = last.bounding_box()
    opened.set()
    expect(plain.answers.last).to_have_attribute("data-state", "done")
    assert plain.page.locator("p:visible", has_text="The last.").last.bounding_box() == before


def test_a_reload_in_the_middle_goes_on(plain: Chat, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("One block.\n\nTwo ", gate(opened), "blocks.")
    plain.open()
    send(plain, "Tell me")
    expect(plain.answers.last).to_contain_text("Two")
    plain.page.reload(wait_until="commit")
    expect(plain.answers.last).to_contain_text("Two")
    opened.set()
    expect(plain.answers.last).to_contain_text("Two blocks.")
    expect(plain.answers.last).to_have_attribute("data-state", "done")


def test_everything_works_by_links_and_plain_forms(plain: Chat, ollama: ScriptedOllama) -> None:
    page = plain.page
    plain.open()
    script = ollama.script("Begun", silence)
    send(plain, "A question")
    expect(page.locator(STREAMED)).to_be_visible()
    expect(plain.answers.last).to_contain_text("Begun")
    # What cannot be sent yet stays where it is typed; what it waits for is stopped in another tab.
    send(plain, "Another question")
    expect(page.get_by_role("heading", name="The last answer is still being written.")).to_be_visible()
    way = page.get_by_role("link", name="Open the conversation in another tab")
    expect(way).to_have_attribute("target", "_blank")
    # Opened here: a tab that a driven browser opens by itself begins with scripts.
    other = page.context.new_page()
    other.goto(plain.server + str(way.get_attribute("href")), wait_until="commit")
    other.locator(STREAMED).get_by_role("button", name="Stop").click()
    assert script.client_gone.wait(5)
    expect(other.locator('article[data-state="stopped"]:visible')).to_be_visible()  # it is kept, and the next may come
    other.close()
    expect(plain.message).to_have_value("Another question")
    script = ollama.script("Begun again", silence)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(page.locator(STREAMED)).to_be_visible()
    expect(plain.answers.last).to_contain_text("Begun again")
    page.get_by_role("button", name="Stop").click()
    assert script.client_gone.wait(5)
    expect(plain.answers.last).to_have_attribute("data-state", "stopped")
    expect(plain.answers.last).to_contain_text("You stopped this answer.")

    read = threading.Event()
    ollama.script("Half", gate(read), cut)
    page.get_by_role("button", name="Try again").click()
    expect(plain.answers.last).to_contain_text("Half")
    read.set()
    expect(plain.answers.last.get_by_role("button", name="Continue")).to_be_visible()
    ollama.script(" and ended.")
    page.get_by_role("button", name="Continue").click()
    expect(plain.answers.last).to_contain_text("ended.")
    expect(plain.answers.last).to_have_attribute("data-state", "done")
    ollama.script("Another one.")
    page.get_by_role("button", name="Try again").click()
    expect(plain.answers.last).to_contain_text("Another one.")
    expect(plain.answers.last).to_have_attribute("data-state", "done")
    page.get_by_role("link", name="Previous").last.click()
    expect(plain.answers.last).to_contain_text("ended.")
    expect(plain.answers.last).to_be_focused()  # one reads on there, and not from the top

    page.get_by_role("link", name="Edit", exact=True).last.click()
    page.get_by_role("textbox", name="Edit your message").fill("A better question")
    ollama.script("A better answer.")
    page.get_by_role("button", name="Send again").click()
    expect(plain.answers.last).to_contain_text("A better answer.")
    expect(plain.answers.last).to_have_attribute("data-state", "done")
    expect(page.locator(".bubble")).to_have_text(["A question", "A better question"])

    page.locator(".conversations > li .edit").first.click()
    page.get_by_role("textbox", name="Name").fill("Named by hand")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Named by hand", exact=True)).to_be_visible()
    page.locator(".conversations > li .edit").first.click()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator(".conversations > .pinned")).to_have_count(1)
    page.locator(".conversations > li .edit").first.click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("link", name="Named by hand", exact=True)).to_have_count(0)

    page.get_by_role("link", name="Keyboard shortcuts", exact=True).click()
    expect(page.locator("noscript > .notice")).to_be_visible()  # that no key acts here
    page.get_by_role("link", name="Settings", exact=True).click()
    for tab in page.locator(".tabs a").all_inner_texts():
        page.locator(".tabs").get_by_role("link", name=tab, exact=True).click()
        expect(page.locator(".tabs [aria-current]")).to_have_text(tab)
    page.get_by_role("link", name="New chat").first.click()
    expect(plain.message).to_be_visible()
