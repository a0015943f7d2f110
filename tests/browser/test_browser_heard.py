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
