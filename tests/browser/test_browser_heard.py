"""What a screen reader hears of an answer: that it began and ended, and never a fragment of it."""

from __future__ import annotations

import threading

from chat_page import Chat
from playwright.sync_api import expect
from scripted_ollama import ScriptedOllama, gate, thinking

# All that live regions say, from now on, each time that it changes.
LISTEN = """() => {
  const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log], output";
  window.heard = [];
  new MutationObserver((changes) => {
    for (const {target} of changes) {
      const region = (target.closest ? target : target.parentElement).closest(live);
      const said = region?.textContent.trim();
      if (said && said !== heard.at(-1)) heard.push(said);
    }
  }).observe(document, {subtree: true, childList: true, characterData: true});
}"""


def test_the_beginning_and_the_end_are_heard_and_no_fragment_is(chat: Chat, ollama: ScriptedOllama) -> None:
    opened, thought = threading.Event(), threading.Event()
    ollama.script("Hello.")
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    chat.page.evaluate(LISTEN)
    words = [f"fragment{number} " for number in range(40)]
    ollama.script(thinking("A thought."), gate(thought), *words[:20], gate(opened), *words[20:])
    answer = chat.ask("Go on")
    expect(answer.locator("summary")).to_be_visible()
    thought.set()
    expect(answer).to_contain_text("fragment19")
    # The text is not final: assistive technology is told to wait for it.
    expect(answer.locator("[data-part=answer]")).to_have_attribute("aria-busy", "true")
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator("[data-part=answer]")).not_to_have_attribute("aria-busy", "true")
    heard = chat.page.evaluate("heard")
    assert heard == ["The model is thinking", "Answer started", "Answer complete"]
    assert answer.locator("[aria-live], [role=status], [role=alert], [role=log], output").count() == 0
    assert chat.page.locator("article").locator("xpath=ancestor::*[@aria-live or @role='log']").count() == 0
    # Then the whole text is there to be read, under a heading.
    assert 'heading "Answer"' in answer.aria_snapshot()
    assert "fragment39" in answer.aria_snapshot()


def test_on_a_page_that_is_streamed_the_same_is_heard_where_it_is_read_while_it_comes(
    chat: Chat, ollama: ScriptedOllama
) -> None:
    goes_on, begins = threading.Event(), threading.Event()
    ollama.script(thinking("A thought."), gate(begins), "fragment0 ", gate(goes_on), "fragment1 ")
    chat.ask("Hi")
    page = chat.page.context.new_page()
    # From the first byte on: there is nothing that somebody could come too late for.
    page.add_init_script(f"({LISTEN})()")
    page.goto(chat.page.url + "/streamed", wait_until="commit")
    begins.set()
    expect(page.locator(".growing")).to_contain_text("fragment0")
    goes_on.set()
    expect(page.locator("article.answer:visible")).to_have_attribute("data-state", "done")
    assert page.evaluate("heard") == ["The model is thinking", "Answer started", "Answer complete"]
    assert page.locator("article [role=status]:visible").count() == 0
