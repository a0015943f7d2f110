"""Asking and watching in a real browser."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from chat_page import Chat, chat_in, free_port, running, wait_for
from playwright.sync_api import Browser, BrowserContext, expect
from scripted_ollama import ScriptedOllama, gate, silence, status, thinking

RICH = """# Title

Some *text* with `code`, $x^2$ and a [link](https://example.org/).

1. one
2. two
   - nested

   loose

- [x] ticked
- [ ] not

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(x):
    return x + 1
```

> quoted

The end.
"""


def in_pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def test_a_prompt_is_answered_while_the_page_watches(chat: Chat, ollama: ScriptedOllama) -> None:
    gates = [threading.Event() for _ in range(3)]
    ollama.script("First ", gate(gates[0]), "block.\n\nSecond ", gate(gates[1]), "block.", gate(gates[2]))
    answer = chat.ask("Tell me")
    chat.page.wait_for_url("**/c/*")
    expect(chat.page.locator('article[data-role="user"]')).to_have_text(re.compile("Tell me"))
    text = answer.locator('[data-part="answer"]')
    expect(text).to_have_text("First")
    expect(answer).to_have_attribute("data-state", "writing")
    gates[0].set()
    expect(text).to_contain_text("First block.")
    expect(text).to_contain_text("Second")
    gates[1].set()
    expect(text).to_contain_text("Second block.")
    gates[2].set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(chat.page.locator("#announcer")).to_have_text("Answer complete")


def test_what_was_streamed_is_what_a_fresh_page_shows(
    chat: Chat, ollama: ScriptedOllama, context: BrowserContext, server: str
) -> None:
    ollama.script(thinking("Let me *think*.\n\nYes."), *in_pieces(RICH))
    expect(chat.ask("All of it")).to_have_attribute("data-state", "done")
    fresh = chat_in(context, server)
    fresh.page.goto(chat.page.url)
    assert chat.messages_html() == fresh.messages_html()
    for seen in ("h3", "math", "ol li ul li", "input[type=checkbox]", ".table td", ".code .k", "blockquote"):
        assert fresh.answers.locator(seen).count(), seen


def test_a_page_that_comes_in_mid_answer_ends_like_one_that_was_there(
    chat: Chat, ollama: ScriptedOllama, context: BrowserContext, server: str
) -> None:
    pieces, opened = in_pieces(RICH), threading.Event()
    half = len(pieces) * 3 // 4
    ollama.script(*pieces[:half], gate(opened), *pieces[half:])
    answer = chat.ask("All of it")
    expect(answer.locator(".code, table").first).to_be_attached()
    late = chat_in(context, server)
    late.page.goto(chat.page.url)
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(late.answers.last).to_have_attribute("data-state", "done")
    assert chat.messages_html() == late.messages_html()


def test_nothing_is_asked_of_the_server_once_the_answer_is_there(chat: Chat, ollama: ScriptedOllama) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    asked.clear()
    chat.page.clock.install()
    chat.page.clock.run_for(10_000)
    chat.page.reload()
    assert not [url for url in asked if "/stream" in url]


def test_stop_ends_the_answer_at_the_engine(chat: Chat, ollama: ScriptedOllama) -> None:
    script = ollama.script("Begun", silence)
    answer = chat.ask("Never ending")
    expect(answer.locator('[data-part="answer"]')).to_have_text("Begun")
    chat.page.get_by_role("button", name="Stop").click()
    assert script.client_gone.wait(5)
    expect(answer).to_have_attribute("data-state", "stopped")
    expect(answer.locator('[data-part="answer"]')).to_have_text("Begun")


def test_try_again_writes_another_answer_in_the_same_place(chat: Chat, ollama: ScriptedOllama) -> None:
    ollama.script(status(500, {"error": "what is this"}))
    answer = chat.ask("Hi")
    expect(answer).to_have_attribute("data-state", "failed")
    expect(answer).to_contain_text("an error of its own")
    ollama.script("Now it works.")
    answer.get_by_role("button", name="Try again").click()
    expect(chat.answers).to_have_count(1)
    expect(chat.answers.first).to_contain_text("Now it works.")
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    assert chat.page.evaluate("document.activeElement.id") == "message"


def test_another_try_beside_an_older_one_is_there_after_a_reload(chat: Chat, ollama: ScriptedOllama) -> None:
    for words in ("first", "second"):
        ollama.script(words)
        answer = chat.answers.first if chat.answers.count() else chat.ask("Hi")
        if words == "second":
            answer.get_by_role("button", name="Try again").click()
        expect(chat.answers.first.locator('[data-part="answer"]')).to_have_text(words)
        expect(chat.answers.first).to_have_attribute("data-state", "done")
    chat.page.get_by_role("link", name="Previous").click()
    expect(chat.answers.first).to_contain_text("1 of 2")
    ollama.script("third")
    chat.answers.first.get_by_role("button", name="Try again").click()
    expect(chat.answers.first).to_contain_text("3 of 3")
    chat.page.reload()
    expect(chat.answers.first).to_contain_text("3 of 3")


def test_a_double_click_is_one_try(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("Hi")).to_have_attribute("data-state", "done")
    with chat.page.expect_request_finished(lambda request: request.url.endswith("/again")):
        chat.answers.first.get_by_role("button", name="Try again").dblclick()
    expect(chat.answers.first).to_contain_text("2 of 2")
    expect(chat.answers.first).to_have_attribute("data-state", "done")
    chat.page.reload()
    expect(chat.answers.first).to_contain_text("2 of 2")


def test_the_composer_is_empty_and_focused_after_sending(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("one")).to_have_attribute("data-state", "done")
    opened = threading.Event()
    ollama.script("two", gate(opened))
    answer = chat.ask("more")
    expect(chat.message).to_have_value("")
    expect(chat.message).to_be_focused()
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(chat.message).to_be_focused()


def test_enter_sends_and_shift_enter_breaks_the_line(chat: Chat, ollama: ScriptedOllama) -> None:
    chat.message.press_sequentially("one")
    chat.message.press("Shift+Enter")
    chat.message.press_sequentially("two")
    expect(chat.message).to_have_value("one\ntwo")
    chat.message.press("Enter")
    expect(chat.page.locator(".bubble")).to_have_text("one\ntwo")


@pytest.mark.parametrize("composing", ["{isComposing: true}", "{keyCode: 229}"])
def test_enter_belongs_to_an_input_method_while_it_composes(chat: Chat, composing: str) -> None:
    chat.message.fill("にほん")
    chat.message.evaluate(
        "(area, init) => area.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, ...init}))",
        {"isComposing": True} if "isComposing" in composing else {"keyCode": 229},
    )
    expect(chat.message).to_have_value("にほん")
    assert chat.page.url.endswith("/")


def test_a_text_that_cannot_be_sent_stays(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("one")).to_have_attribute("data-state", "done")
    opened = threading.Event()
    ollama.script("wait", gate(opened))
    answer = chat.ask("two")
    chat.message.fill("three")
    chat.message.press("Enter")
    expect(chat.page.get_by_role("alert")).to_contain_text("still being written")
    expect(chat.message).to_have_value("three")
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(3)
    expect(chat.page.get_by_role("alert")).to_be_empty()
    chat.complaints.clear()  # Chromium notes the 409


def test_a_server_that_is_gone_costs_no_text(chat: Chat, ollama: ScriptedOllama, context: BrowserContext) -> None:
    expect(chat.ask("one")).to_have_attribute("data-state", "done")
    context.set_offline(True)
    chat.message.fill("two")
    chat.message.press("Enter")
    expect(chat.page.get_by_role("alert")).to_contain_text("Your text is kept")
    expect(chat.message).to_have_value("two")
    context.set_offline(False)
    chat.message.press("Enter")
    expect(chat.answers).to_have_count(2)
    chat.complaints.clear()


def test_copy_takes_the_code_and_the_answer_as_it_was_written(
    chat: Chat, ollama: ScriptedOllama, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    source = "Look:\n\n```python\nprint(1)\n```\n\n**Done.**"
    ollama.script(source)
    answer = chat.ask("Code, please")
    expect(answer).to_have_attribute("data-state", "done")
    copy = answer.get_by_role("button", name="Copy code")
    chat.page.clock.install()
    chat.page.clock.pause_at(datetime.now() + timedelta(days=1))  # what is shown for a moment stays
    for _ in range(2):
        copy.click()
        expect(answer.get_by_role("button", name="Copied", exact=True)).to_be_visible()
        expect(chat.page.locator("#announcer")).to_have_text("Copied")
        chat.page.clock.run_for(2_000)
        expect(copy).to_have_text("Copy")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "print(1)\n"
    answer.locator(".actions").get_by_role("button", name="Copy").click()
    expect(answer.locator(".actions").get_by_role("button", name="Copied")).to_be_visible()
    assert chat.page.evaluate("navigator.clipboard.readText()") == source


def test_the_page_follows_the_end_only_while_its_reader_is_there(chat: Chat, ollama: ScriptedOllama) -> None:
    opened, at_end = threading.Event(), "innerHeight + scrollY >= document.documentElement.scrollHeight - 2"
    ollama.script("line\n\n" * 60, gate(opened), "more\n\n" * 30)
    answer = chat.ask("Long")
    expect(answer.locator("p:has-text('line')")).to_have_count(60)
    assert chat.page.evaluate(at_end)
    chat.page.mouse.move(600, 300)
    chat.page.mouse.wheel(0, -900)
    before = _settled_scroll(chat)
    latest = chat.page.get_by_role("button", name="Jump to latest")
    expect(latest).to_be_visible()
    assert latest.evaluate("(one) => one.getBoundingClientRect().height") >= 24
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    assert chat.page.evaluate("scrollY") == before
    latest.focus()
    chat.page.keyboard.press("Enter")
    expect(latest).to_be_hidden()
    assert chat.page.evaluate(at_end)
    expect(answer).to_be_focused()


def test_the_page_stays_at_the_end_however_fast_the_answer_grows(chat: Chat, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("begun\n\n", gate(opened), *(f"A paragraph, number {number}.\n\n" * 5 for number in range(100)))
    answer = chat.ask("Long")
    expect(answer).to_contain_text("begun")
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".actions").last).to_be_in_viewport()


def test_an_answer_from_right_to_left_has_its_marks_on_the_right(chat: Chat, ollama: ScriptedOllama) -> None:
    ollama.script("مرحبا بكم\n\n1. أولا\n2. ثانيا\n\n> اقتباس\n\nEnglish between.\n")
    answer = chat.ask("سلام")
    expect(answer).to_have_attribute("data-state", "done")
    direction = "(one) => getComputedStyle(one).direction"
    assert answer.locator("ol").evaluate(direction) == "rtl"
    assert answer.locator("blockquote").evaluate(direction) == "rtl"
    assert chat.page.locator(".bubble").evaluate(direction) == "rtl"


def test_a_wide_formula_scrolls_in_its_own_box(chat: Chat, ollama: ScriptedOllama) -> None:
    long = " + ".join(f"x_{{{number}}}" for number in range(100))
    ollama.script(
        f"Here ${long}$ it is.\n\n$${long}$$\n\n| {' | '.join('wide column' * 3 for _ in range(9))} |\n|{'---|' * 9}\n"
    )
    expect(chat.ask("Wide")).to_have_attribute("data-state", "done")
    assert chat.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def _settled_scroll(chat: Chat) -> int:
    """Where the page is once the wheel has had its effect."""
    return int(
        chat.page.evaluate(
            """() => new Promise((done) => {
                 let last = -1;
                 const look = () => scrollY === last ? done(scrollY) : (last = scrollY, setTimeout(look, 150));
                 setTimeout(look, 150);
               })"""
        )
    )


def test_a_selection_in_a_finished_block_survives_the_rest(chat: Chat, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("Select me.\n\nMore", gate(opened), " and more.\n\nEnd.")
    answer = chat.ask("Hi")
    expect(answer.locator('[data-part="answer"] .tail')).to_have_text("More")
    chat.page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-part=answer] .done p'))")
    opened.set()
    expect(answer).to_have_attribute("data-state", "done")
    assert chat.page.evaluate("getSelection().toString()") == "Select me."


def test_thoughts_are_folded_and_stay_open_for_who_opens_them(chat: Chat, ollama: ScriptedOllama) -> None:
    thought, told = threading.Event(), threading.Event()
    ollama.script(thinking("Considering."), gate(thought), "Answer.", gate(told))
    answer = chat.ask("Why?")
    expect(answer).to_have_attribute("data-state", "thinking")
    expect(answer.get_by_text("Considering.")).to_be_hidden()
    summary = answer.locator(".thinking summary")
    expect(summary.get_by_text("Thinking")).to_be_visible()
    summary.click()
    expect(answer.get_by_text("Considering.")).to_be_visible()
    thought.set()
    expect(summary.get_by_text("Thoughts")).to_be_visible()
    expect(summary.get_by_text("Thinking")).to_be_hidden()
    told.set()
    expect(answer).to_have_attribute("data-state", "done")
    expect(summary).to_have_text(re.compile("^Thought for [0-9]+\u00a0s$"))
    expect(answer.get_by_text("Considering.")).to_be_visible()


def test_a_conversation_is_renamed_and_deleted_in_the_list(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("A name to change")).to_have_attribute("data-state", "done")
    row = chat.page.locator(".conversations > li[id]").first
    row.hover()
    row.get_by_role("link", name="Rename or delete").click()
    name = chat.page.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    name.fill("Another name")
    name.press("Enter")
    expect(row.get_by_role("link", name="Another name", exact=True)).to_be_visible()
    row.hover()
    row.get_by_role("link", name="Rename or delete").click()
    row.get_by_text("Delete", exact=True).click()
    row.get_by_role("button", name="Delete for good").click()
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    expect(chat.page.get_by_role("link", name="Another name", exact=True)).to_have_count(0)


def test_an_edited_prompt_becomes_a_branch_that_can_be_left_again(chat: Chat, ollama: ScriptedOllama) -> None:
    ollama.script("To the first.")
    expect(chat.ask("First version")).to_have_attribute("data-state", "done")
    prompt = chat.page.locator('article[data-role="user"]')
    prompt.hover()
    prompt.get_by_role("link", name="Edit").click()
    edited = chat.page.get_by_role("textbox", name="Edit your message")
    expect(edited).to_be_focused()
    edited.fill("Second version")
    ollama.script("To the second.")
    chat.page.get_by_role("button", name="Send again").click()
    expect(chat.answers.last).to_contain_text("To the second.")
    expect(chat.answers.last).to_have_attribute("data-state", "done")
    versions = chat.page.get_by_role("navigation", name="Versions of this message")
    expect(versions).to_contain_text("2 of 2")
    versions.get_by_role("link", name="Previous").click()
    expect(chat.answers.last).to_contain_text("To the first.")
    expect(chat.page.get_by_role("navigation", name="Versions of this message")).to_contain_text("1 of 2")


def test_who_goes_to_another_version_stays_at_that_message(chat: Chat, ollama: ScriptedOllama) -> None:
    for number in range(2):
        ollama.script("A long answer. " * 300)
        expect(chat.ask(f"Version {number}")).to_have_attribute("data-state", "done")
    chat.page.get_by_role("link", name="Edit").first.press("Enter")
    ollama.script("Short.")
    chat.page.get_by_role("button", name="Send again").click()
    expect(chat.answers.last).to_contain_text("Short.")
    chat.page.get_by_role("link", name="Previous").click()
    expect(chat.page.get_by_role("link", name="Next")).to_be_in_viewport()


def test_the_focus_goes_back_to_edit_when_a_prompt_is_not_edited_after_all(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("As it is")).to_have_attribute("data-state", "done")
    edit = chat.page.locator('article[data-role="user"]').get_by_role("link", name="Edit")
    edit.press("Enter")
    expect(chat.page.get_by_role("textbox", name="Edit your message")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(edit).to_be_focused()


def test_a_name_from_right_to_left_leaves_room_for_its_button(chat: Chat, ollama: ScriptedOllama) -> None:
    expect(chat.ask("كيف يعمل المد والجزر؟")).to_have_attribute("data-state", "done")
    row = chat.page.locator(".conversations > li[id]").first
    row.hover()
    name, button = row.locator(".title").bounding_box(), row.locator(".edit").bounding_box()
    assert name
    assert button
    assert name["x"] + name["width"] <= button["x"] + 4


def test_what_a_page_waits_for_is_said_aloud_with_what_helps(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, OLLAMA_BASE_URL=f"http://127.0.0.1:{port}", EMBEDDED_ENGINE="off") as server:
        chat = chat_in(context, server)
        chat.open()
        chat.ask("Anybody there?")
        heard = chat.page.locator("#announcer")
        expect(heard).to_have_text(
            f"No engine answers at http://127.0.0.1:{port}. Start Ollama, and the answer begins by itself"
        )
        with ScriptedOllama(port=port):
            expect(heard).to_have_text("Answer complete")


def test_on_a_phone_the_list_opens_by_its_button(browser: Browser, server: str, ollama: ScriptedOllama) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    chat = chat_in(context, server)
    chat.open()
    expect(chat.page.get_by_role("navigation", name="Conversations")).to_be_hidden()
    chat.page.get_by_role("button", name="Conversations").click()
    expect(chat.page.get_by_role("navigation", name="Conversations")).to_be_visible()
    assert chat.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()


def test_an_ollama_that_comes_later_is_used_without_a_restart(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, OLLAMA_BASE_URL=f"http://127.0.0.1:{port}") as url:
        chat = chat_in(context, url)
        chat.open()
        expect(chat.page.get_by_text("No engine answers")).to_be_visible()
        chat.message.fill("Typed while nobody was there")
        with ScriptedOllama(port=port, models=["llama3.2:3b"]) as ollama:
            ollama.script("Here I am.")
            expect(chat.page.get_by_role("combobox", name="Model")).to_have_value("llama3.2:3b")
            expect(chat.page.get_by_text("Everything stays on this machine.")).to_be_visible()
            expect(chat.message).to_have_value("Typed while nobody was there")
            chat.message.press("Enter")
            expect(chat.answers.last).to_contain_text("Here I am.")
            expect(chat.answers.last).to_have_attribute("data-state", "done")


def test_the_built_in_model_answers_step_by_step(context: BrowserContext, tmp_path: Path) -> None:
    import subprocess
    import sys

    port = free_port()
    command = [sys.executable, "-m", "insight_app.engines.embedded", "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parent.parent.parent) as engine:
        wait_for(f"http://127.0.0.1:{port}/api/version", engine)
        nobody = f"http://127.0.0.1:{free_port()}"
        where = {"OLLAMA_BASE_URL": nobody, "EMBEDDED_BASE_URL": f"http://127.0.0.1:{port}"}
        with running(tmp_path, MAX_TOKEN_LIMIT="150", **where) as url:
            chat = chat_in(context, url)
            chat.open()
            hint = chat.page.get_by_text("A small built-in model answers.")
            with chat.page.expect_response("**/models/picker*"):
                hint.click()
            with chat.page.expect_response("**/models/picker*"):
                pass  # the picker looks again while somebody reads
            expect(chat.page.get_by_role("link", name="Choose a model")).to_be_visible()
            answer = chat.ask("Write a short story about a lighthouse.")
            steps: list[str] = []
            while answer.get_attribute("data-state") not in ("done", "failed", "interrupted"):
                text = answer.locator('[data-part="answer"]').inner_text()
                if text and text not in steps:
                    steps.append(text)
            assert answer.get_attribute("data-state") == "done"
            assert len(steps) >= 5
            assert all(len(earlier) < len(later) for earlier, later in pairwise(steps))
        engine.terminate()
