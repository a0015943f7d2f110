"""The page that grows with its answer: how it begins, what it says meanwhile, and how it ends."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from people import BOB
from scripted_ollama import ScriptedOllama, gate, silence, thinking
from test_chat_replies import until
from visitor import Visitor

from insight_app.chat import streamed, streamed_routes
from insight_app.chat.messages import State
from insight_app.chat.reply import Activity, Reply
from insight_app.chat.streamed import Frame
from insight_app.errors import EngineBusy
from insight_app.services import Services

FRAME = Frame("<begin>", "<thoughts>", "<answer>", "<end>")


def follow(reply: Reply, **more: Callable[[], object]) -> Iterator[str]:
    said = {"status": lambda activity: activity.state, "finished": lambda: "<finished>"}
    return streamed.follow(reply, FRAME, **{**said, **more})  # type: ignore[arg-type]


def test_a_page_begins_before_there_is_anything_to_say() -> None:
    page = follow(Reply(1, "c"))
    assert next(page) == "<begin>"
    assert next(page) == '<p class="status provisional">queued</p>'


def test_what_is_going_on_is_said_when_it_changes_and_only_until_there_is_text() -> None:
    reply = Reply(1, "c")
    page = follow(reply)
    assert [next(page), next(page)][1:] == ['<p class="status provisional">queued</p>']
    reply.queue_at(2)
    assert "queued" in next(page)
    reply.enter(Activity(State.LOADING, problem=EngineBusy.code))
    assert "loading" in next(page)
    reply.append("Thought.\n\nMore", thought=True)
    assert next(page).startswith("<thoughts><p>Thought.</p>")
    reply.append("Word.\n\nMore")
    assert next(page).startswith("<p>More</p>\n</div></div></details><answer><p>Word.</p>")


def test_it_is_said_where_thoughts_and_answer_begin_and_now_and_then_that_there_is_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamed, "STILL_SECONDS", 0.0)
    reply = Reply(1, "c")
    page = follow(reply, heard=lambda began: f"({began or 'still'})")
    assert [next(page), next(page)][1:] == ['<p class="status provisional">queued</p>']
    reply.append("Thought.\n\nMore", thought=True)
    assert next(page).startswith("(thinking)<thoughts><p>Thought.</p>")
    reply.append("Word.\n\n")
    assert "</details>(writing)<answer>" in next(page)
    reply.append("```py\nx = 1\n")
    assert next(page).startswith("(still)<p>Word.</p>")
    reply.append("y = 2\n")
    assert "(still)" not in next(page)  # it would be a line of the code
    reply.append("```\n\nMore.\n\n")
    next(page)
    reply.append("The end.\n\n")
    assert next(page).startswith("(still)")


def test_an_answer_without_thoughts_has_no_place_for_them() -> None:
    reply = Reply(1, "c")
    reply.append("Word.\n\n")
    reply.end(reply.outcome(State.DONE))
    assert "".join(follow(reply)) == "<begin><end><finished>"


@pytest.mark.parametrize("text", ["Some", "```py\nx = 1\n", "- one\n- two"])
def test_a_message_that_is_left_is_whole(text: str) -> None:
    for leave in ("closing", "lost"):
        reply = Reply(1, "c")
        reply.append(text)
        if leave == "lost":
            reply.lose()
        said = "".join(follow(reply, closing=lambda leave=leave: leave == "closing"))
        assert said.startswith("<begin><answer>")
        assert said.endswith("</div></div><end>")
        assert said.count("<code") == said.count("</code>")
        assert not reply.ended


def test_who_may_not_be_here_any_longer_hears_it_and_sees_no_more() -> None:
    reply = Reply(1, "c")
    reply.append("Some")
    said = "".join(follow(reply, leaving=lambda: "<out>"))
    assert said.endswith("<end><out>")
    assert "<finished>" not in said


def test_a_silent_page_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TICK_SECONDS", "HEARTBEAT_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(streamed, name, 0.01)
    waiting = follow(Reply(1, "c"))
    assert len({next(waiting) for _ in range(4)}) >= 2  # how long it waits is said anew
    writing = Reply(1, "c")
    writing.append("Some")
    page = follow(writing)
    assert streamed.STILL_THERE in [next(page) for _ in range(4)]


# ---- The page itself ----


def lines(visitor: Visitor, url: str) -> Iterator[str]:
    response = visitor.client.get(url, buffered=False)
    assert response.status_code == 200, response.location
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "no-store" in response.headers["Cache-Control"]
    return (part if isinstance(part, str) else part.decode() for part in response.response)


def way_on(visitor: Visitor) -> str:
    """Where a browser without JavaScript goes at once from the page that is open."""
    found = re.search(r'<noscript><meta http-equiv="refresh" content="0; url=([^"#]+)#a\d+"></noscript>', visitor.page)
    assert found, visitor.page
    return found[1]


def test_each_block_comes_before_the_next_one_is_written(visitor: Visitor, ollama: ScriptedOllama) -> None:
    gates = [threading.Event() for _ in range(4)]
    steps: list[object] = []
    for number, opened in enumerate(gates):
        steps += [f"Block {number}.\n\n", gate(opened)]
    ollama.script(thinking("Let me *see*."), *steps)  # type: ignore[arg-type]
    answer_id = visitor.ask("Hi")
    page = ""
    for part in lines(visitor, way_on(visitor)):
        page += part
        for number, opened in enumerate(gates):
            if f"<p>Block {number}.</p>" in page:
                opened.set()
    assert 'name="message"' in page[: page.index("Block 0")]  # the composer, and Stop, are there from the start
    assert f'formaction="/answers/{answer_id}/stop?to=' in page[: page.index("Block 0")]
    assert "hx-sse:connect" not in page
    said = re.findall(r'<p class="unseen" role="status">(.*?)</p>', page)
    assert said == ["The model is thinking", "Answer started", "Answer complete"]
    assert "aria-busy" not in page  # nothing could ever end it
    visitor.open(visitor.url)
    start = visitor.page.index(f'<article id="a{answer_id}"')
    assert visitor.page[start : visitor.page.index("</article>", start)] in page
    assert page.count("</html>") == 1


def test_of_a_temporary_chat_no_browser_keeps_what_it_is_about(visitor: Visitor, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("Some", gate(opened))
    visitor.open("/temporary")
    visitor.page = visitor.client.post(
        "/temporary",
        data={"message": "Quincunx", "key": visitor.field("key"), "csrf_token": visitor.field("csrf_token")},
        follow_redirects=True,
    ).text
    page = ""
    for part in lines(visitor, way_on(visitor)):
        page += part
        opened.set()
    title = page[: page.index("</title>")].partition("<title>")[2]
    assert "Temporary chat" in title
    assert "Quincunx" not in title


def test_a_finished_answer_is_shown_at_its_own_address(visitor: Visitor) -> None:
    visitor.asks_and_waits("Hi")
    response = visitor.client.get(f"{visitor.url}/streamed")
    assert (response.status_code, response.location) == (303, visitor.url)
    assert "<noscript><meta" not in visitor.page


def test_it_counts_as_a_reader_until_it_goes(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    ollama.script("Some", silence)
    visitor.ask("Hi")
    response = visitor.client.get(way_on(visitor), buffered=False)
    while "Some" not in next(response.response).decode():  # type: ignore[call-overload]
        pass
    assert services.metrics.readers._value.get() == 1
    response.close()
    assert services.metrics.readers._value.get() == 0
    assert [reply.ended for reply in services.replies.here()] == [False]


def test_stop_ends_the_page_with_what_there_is(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = ollama.script("Begun", silence)
    answer_id = visitor.ask("Hi")
    page = lines(visitor, way_on(visitor))
    while "Begun" not in next(page):
        pass
    assert visitor.send(f"/answers/{answer_id}/stop").status_code == 303
    rest = "".join(page)
    assert answer.client_gone.wait(5)
    assert 'data-state="stopped"' in rest
    assert "Answer stopped" in rest


def test_an_answer_that_is_deleted_goes_and_it_is_said(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Begun", silence)
    visitor.ask("Hi")
    page = lines(visitor, way_on(visitor))
    while "Begun" not in next(page):
        pass
    visitor.send(f"{visitor.url}/delete")
    rest = "".join(page)
    assert '<div class="answer" role="alert">' in rest  # hides what grew
    assert rest.rstrip().endswith("</html>")


def test_an_error_comes_at_the_end(visitor: Visitor, ollama: ScriptedOllama) -> None:
    from scripted_ollama import cut

    ollama.script("Half", cut)
    visitor.ask("Hi")
    response = visitor.client.get(f"{visitor.url}/streamed")
    page = response.text if response.status_code == 200 else visitor.open(visitor.url)
    assert "Half" in page
    assert 'class="notice"' in page


@pytest.mark.parametrize("end", ["closing", "draining"])
def test_a_server_that_ends_ends_the_page_with_a_way_on(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    ollama.script("Begun", silence)
    reply = services.replies.get(visitor.ask("Hi"))
    assert reply
    page = lines(visitor, way_on(visitor))
    while "Begun" not in next(page):
        pass
    if end == "draining":  # as if another process wrote the answer
        monkeypatch.setattr(services.replies, "here", list)
    monkeypatch.setattr(streamed_routes, "LEFT_SECONDS", 1e9)
    monkeypatch.setattr(services, end, True)
    reply.wake()
    rest = "".join(page)
    # Nothing goes on by itself, or what is typed there would be gone: a button takes it along.
    assert "refresh" not in rest
    assert f'form="composer" formaction="/draft?to={visitor.url.removeprefix("/c/")}">Go on reading' in rest
    assert "the answer goes on" in rest


def test_who_is_signed_out_meanwhile_sees_no_more(shared: Flask, bob: Visitor, ollama: ScriptedOllama) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    opened = threading.Event()
    ollama.script("first ", gate(opened), "second")
    answer_id = bob.ask("Hi")
    reply = services.replies.get(answer_id)
    assert reply
    page = lines(bob, way_on(bob))
    while "first" not in next(page):
        pass
    services.accounts.sessions.end_all(account.id)
    rest = "".join(page)
    opened.set()
    assert "You are not signed in here any more." in rest
    assert "second" not in rest
    until(lambda: reply.ended)


def test_what_a_rule_says_of_itself_is_read_aloud_as_it_is_written(visitor: Visitor, ollama: ScriptedOllama) -> None:
    rule = {"name": "No secrets", "kind": "words", "text": "quincunx", "scope": "answers", "action": "refuse"}
    visitor.open("/settings/moderation/rules/new")
    visitor.send("/settings/moderation/rules", is_on="y", seen="", reason="<i hx-get='/'>No</i>", **rule)
    visitor.open("/")
    goes_on = threading.Event()
    ollama.script("It is ", gate(goes_on), "a quincunx.")
    answer_id = visitor.ask("Hi")
    page = lines(visitor, way_on(visitor))
    while "It is" not in next(page):
        pass
    goes_on.set()
    stream = visitor.client.get(f"/answers/{answer_id}/stream").text
    for said in ("".join(page), stream):
        assert "&lt;i hx-get=" in said
        assert "<i hx-get=" not in said


def test_what_a_rule_holds_back_is_not_in_the_page(visitor: Visitor, ollama: ScriptedOllama) -> None:
    rule = {"name": "No secrets", "kind": "words", "text": "quincunx", "scope": "answers", "action": "mask"}
    visitor.open("/settings/moderation/rules/new")
    assert visitor.send("/settings/moderation/rules", is_on="y", seen="", **rule).status_code in (200, 303)
    visitor.open("/")
    held = threading.Event()
    ollama.script("It is quin", gate(held), "cunx.")
    visitor.ask("Hi")
    page = ""
    for part in lines(visitor, way_on(visitor)):
        page += part
        if "It is" in page:
            held.set()
    assert "quin" not in page
