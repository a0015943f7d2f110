"""Whatever happens to a page in mid-answer, it ends like a page that was opened afterwards: the same, whole, once.

RESUME_RUNS says how many random runs there are; a failing one is repeated by its number.
"""

from __future__ import annotations

import os
import random
import threading
from urllib.parse import urlsplit

import pytest
from chat_page import Chat, chat_in
from cutting_proxy import CuttingProxy
from playwright.sync_api import BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate, thinking

RUNS = int(os.environ.get("RESUME_RUNS", "6"))
BLOCKS = [
    "# A heading\n\n",
    "A paragraph with **strong** and `code` words, and a formula $a^2 + b^2$ too.\n\n",
    "1. one\n2. two\n   - nested\n   - again\n\n3. three\n\n",
    "- an item\n\n  with two paragraphs\n- [x] a task\n\n",
    "```python\ndef f(x):\n    return x  # a remark\n\nprint(f(1))\n```\n\n",
    "| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\n",
    "> a quotation\n> of two lines\n\n",
    "$$\\frac{a}{b}$$\n\n",
    "<b>not bold</b> &amp; \u0645\u0631\u062d\u0628\u0627 \U0001f600\n\n",
    "- a list with\n  ```sh\n  code\n  ```\n- in it\n\n",
]
PAUSE = threading.Event()  # never set: the scripted model takes its time, as models do
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def pace(_answer: object) -> None:
    PAUSE.wait(0.004)


def meet(chat: Chat, context: BrowserContext, what: str) -> None:
    """One of the things that happen to a page."""
    if what == "reload":
        chat.page.reload()
    elif what == "offline":
        context.set_offline(True)
        PAUSE.wait(0.05)
        context.set_offline(False)
    elif what == "hide":
        chat.page.evaluate(HIDE, True)
        PAUSE.wait(0.05)
        chat.page.evaluate(HIDE, False)
    else:
        PAUSE.wait(0.1)


@pytest.mark.parametrize("run", range(RUNS))
def test_a_page_that_was_cut_off_hidden_or_loaded_again_ends_like_a_fresh_one(
    run: int, context: BrowserContext, server: str, ollama: ScriptedOllama
) -> None:
    chance = random.Random(run)
    proxy = CuttingProxy(urlsplit(server).port or 0, chance)
    text = "".join(chance.choice(BLOCKS) for _ in range(chance.randrange(6, 16)))
    steps = []
    while text:
        size = chance.randrange(1, 12)
        steps += [text[:size], pace]
        text = text[size:]
    thoughts = [thinking(chance.choice(BLOCKS)), pace] if chance.random() < 0.4 else []
    ollama.script(*thoughts, *steps)
    chat = chat_in(context, f"http://127.0.0.1:{proxy.port}")
    chat.open()
    answer = chat.ask(f"Run {run}")
    tabs = [chat]
    for _ in range(chance.randrange(1, 5)):
        if chance.random() < 0.3:
            tabs.append(chat_in(context, chat.server))
            tabs[-1].page.goto(chat.page.url)
        else:
            meet(chat, context, chance.choice(["reload", "offline", "hide", "wait"]))
    proxy.may_cut = False
    expect(answer).to_have_attribute("data-state", "done", timeout=30_000)
    fresh = chat_in(context, server)
    fresh.page.goto(server + urlsplit(chat.page.url).path)
    for tab in tabs:
        expect(tab.answers.last).to_have_attribute("data-state", "done", timeout=30_000)
        assert tab.messages_html() == fresh.messages_html()
    proxy.close()


def test_the_seventh_tab_shows_the_answer_too(
    context: BrowserContext, server: str, chat: Chat, ollama: ScriptedOllama
) -> None:
    """A browser has six connections to a server; the tabs that nobody sees must leave theirs to the one in front."""
    opened = threading.Event()
    ollama.script("It has begun", gate(opened), " and it has ended.")
    expect(chat.ask("Seven at once")).to_contain_text("It has begun")
    tabs = [chat]
    for _ in range(6):
        tabs[-1].page.evaluate(HIDE, True)
        tabs.append(chat_in(context, server))
        tabs[-1].page.goto(chat.page.url)
        expect(tabs[-1].answers.first).to_contain_text("It has begun")
    opened.set()
    expect(tabs[-1].answers.first).to_have_attribute("data-state", "done")
    for tab in tabs:
        tab.page.evaluate(HIDE, False)
        expect(tab.answers.first).to_have_attribute("data-state", "done")
        assert tab.messages_html() == tabs[-1].messages_html()
