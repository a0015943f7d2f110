"""A long answer while it grows: its finished blocks stand in groups, which nobody notices and which go at its end."""

from __future__ import annotations

import threading

from chat_page import Chat, chat_in
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate

# What may stand at a group's border: text, a title, a list that goes on, code that is coloured when it ends.
BLOCKS = "Paragraph {n}.\n\n## Title {n}\n\n- one\n- two\n\n```python\nx = {n}\n\ny = 2\n```\n\n"
PLACES = """() => {
  const all = [...document.querySelectorAll("[data-part=answer] .done :is(p, h4, ul, .code)")];
  const first = all[0].getBoundingClientRect().top;
  return all.slice(0, 190).map((one) => one.getBoundingClientRect().top - first);
}"""


def test_a_long_answer_grows_in_groups_and_ends_like_a_fresh_page_with_nothing_moved(
    chat: Chat, ollama: ScriptedOllama, context: BrowserContext, server: str
) -> None:
    steps = [threading.Event() for _ in range(6)]
    pieces: list[object] = []
    for step, opened in enumerate(steps[:-1]):
        text = "".join(BLOCKS.format(n=n) for n in range(11 * step, 11 * step + 11))
        pieces += [f"Step{step} it is.", gate(opened), "\n\n", *(text[at : at + 9] for at in range(0, len(text), 9))]
    ollama.script(*pieces, "Nearly.", gate(steps[-1]), "\n\nThe end.")
    answer = chat.ask("A lot")
    for step, opened in enumerate(steps[:-1]):
        expect(answer.locator("[data-part=answer] .tail")).to_contain_text(f"Step{step} it")
        opened.set()
    expect(answer.locator("[data-part=answer] .tail")).to_contain_text("Nearly")
    expect(answer.locator(".whole").nth(1)).to_be_attached()  # how many there are is a matter of how it came
    before = chat.page.evaluate(PLACES)
    chat.page.evaluate("getSelection().selectAllChildren(document.querySelectorAll('.whole p')[5])")
    chosen = chat.page.evaluate("getSelection().toString()")
    steps[-1].set()
    expect(answer).to_have_attribute("data-state", "done")
    assert chosen
    assert chat.page.evaluate("getSelection().toString()") == chosen
    assert chat.page.evaluate(PLACES) == before
    fresh = chat_in(context, server)
    fresh.page.goto(chat.page.url)
    assert chat.messages_html() == fresh.messages_html()


def test_code_that_is_read_by_keyboard_keeps_the_focus_when_it_ends(chat: Chat, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("Some\n\n```python\nx = 1\ny = 2\n", gate(opened), "z = 3\n```\n\nEnd.")
    answer = chat.ask("Hi")
    expect(answer.locator(".code")).to_contain_text("y = 2")
    answer.locator(".code pre").focus()
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".code .k, .code .n").first).to_be_attached()
    expect(answer.locator(".code pre")).to_be_focused()


def test_stop_stays_above_what_is_typed_and_no_other_element_is_styled_anew_for_that(
    chat: Chat, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    ollama.script("Much to read.\n\n" * 60, "Nearly.", gate(opened), "\n\nThe end.")
    answer = chat.ask("A lot")
    expect(answer.locator("[data-part=answer] .tail")).to_contain_text("Nearly")
    chat.page.get_by_role("textbox", name="Message").fill("\n".join("abcdefgh"))
    chat.page.wait_for_function(
        """() => document.querySelector(".composer").offsetHeight > 200
          && document.querySelector(".live").getBoundingClientRect().bottom
          <= document.querySelector(".composer").getBoundingClientRect().top"""
    )
    assert chat.page.evaluate("getComputedStyle(document.querySelector('#messages')).getPropertyValue('--dock')") == ""
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
