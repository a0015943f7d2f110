"""Asking and reading over HTTP, with a scripted engine: what is shown, what is kept, what comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from own_app import Start
from scripted_ollama import ScriptedOllama, closed, error, gate, silence, status, thinking
from visitor import Visitor

from insight_app.chat.messages import Message, State
from insight_app.config import Settings
from insight_app.services import Services


def test_the_first_page_greets_and_offers_a_composer(visitor: Visitor) -> None:
    assert "What would you like to know?" in visitor.page
    assert 'name="message"' in visitor.page


def test_a_prompt_leads_to_a_conversation_that_shows_the_answer(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Hello **you**.")
    visitor.asks_and_waits("Hi there")
    assert visitor.url.startswith("/c/")
    assert '<div class="bubble" dir="auto">Hi there</div>' in visitor.page
    assert "<strong>you</strong>" in visitor.page
    assert 'data-state="done"' in visitor.page


def test_the_engine_reads_the_whole_conversation(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("one")
    visitor.asks_and_waits("first")
    ollama.script("two")
    visitor.asks_and_waits("second")
    said = [(turn["role"], turn["content"]) for turn in ollama.talks()[-1]]
    assert said == [("user", "first"), ("assistant", "one"), ("user", "second")]


def test_the_longest_answer_is_the_setting(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("Hi")
    assert ollama.chats()[0]["options"]["num_predict"] == 2048


def test_a_page_that_is_opened_in_mid_answer_shows_what_is_there(visitor: Visitor, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    answer = ollama.script("First paragraph.\n\nSecond ", gate(opened), "one.")
    answer_id = visitor.ask("Hi")
    assert answer.asked.wait(5)
    first = visitor.client.get(f"/answers/{answer_id}/stream", buffered=False)
    while "Second" not in visitor.open(visitor.url):
        next(first.response)  # type: ignore[call-overload]
    assert "<p" in visitor.page
    assert "hx-sse:connect" in visitor.page
    assert 'http-equiv="refresh"' in visitor.page
    opened.set()
    assert "Second one." in visitor.watch(answer_id)
    first.close()


def test_the_same_form_sent_twice_is_one_prompt(visitor: Visitor, ollama: ScriptedOllama) -> None:
    fields = {"message": "Once", "key": visitor.field("key")}
    first, second = visitor.send("/messages", **fields), visitor.send("/messages", **fields)
    assert first.location == second.location
    visitor.open(first.location)
    assert visitor.page.count('data-role="user"') == 1


@pytest.mark.parametrize("blank", ["", "   ", "\n\n\t "])
def test_a_blank_prompt_is_told_so(visitor: Visitor, blank: str, ollama: ScriptedOllama) -> None:
    response = visitor.send("/messages", message=blank, key="k")
    assert response.status_code == 422
    assert "The message is empty." in response.text
    assert not ollama.chats()


def test_a_huge_prompt_comes_back_with_the_limit(visitor: Visitor, ollama: ScriptedOllama) -> None:
    text = "x" * 1_000_000
    response = visitor.send("/messages", message=text, key="k")
    assert response.status_code == 413
    assert "at most 100,000 are possible" in response.text
    assert text in response.text
    assert not ollama.chats()


def test_more_than_a_request_may_hold_is_a_page_with_advice(visitor: Visitor) -> None:
    response = visitor.send("/messages", message="x" * 5_000_000, key="k")
    assert response.status_code == 413
    assert "larger than 4 MB" in response.text


def test_nul_and_line_ends_are_made_fit(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("a\0b\r\nc")
    assert ollama.talks()[0][0]["content"] == "a\ufffdb\nc"


def test_a_wrong_token_gives_the_text_back(visitor: Visitor, ollama: ScriptedOllama) -> None:
    response = visitor.client.post("/messages", data={"message": "My long thoughts", "csrf_token": "wrong"})
    assert response.status_code == 400
    assert "My long thoughts</textarea>" in response.text
    assert "Your text is kept" in response.text
    assert not ollama.chats()


def test_the_token_of_another_session_is_a_wrong_one(visitor: Visitor, ollama: ScriptedOllama) -> None:
    stranger = Visitor(visitor.client.application.test_client())
    stranger.open("/")
    visitor.page = stranger.page
    assert visitor.send("/messages", message="Hi", key="k").status_code == 400
    assert stranger.send("/messages", message="Hi", key="k").status_code == 303


def test_a_page_of_another_session_has_another_token(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, now = Visitor(client), time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now)
    visitor.open("/")
    mine = visitor.field("csrf_token")
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 5)  # the first page's too is kept
    visitor.open("/")
    assert visitor.field("csrf_token") == mine
    visitor.client.set_cookie("insight-8000", "made.up")
    visitor.open("/")
    assert visitor.field("csrf_token") != mine


def test_a_wrong_token_through_htmx_leaves_the_text_and_brings_a_new_token(visitor: Visitor) -> None:
    visitor.asks_and_waits("Hi")
    response = visitor.client.post(
        visitor.url + "/messages", data={"message": "More", "csrf_token": "wrong"}, headers={"HX-Request": "true"}
    )
    assert response.status_code == 400
    assert 'hx-target="#notice"' in response.text
    assert "textarea" not in response.text
    visitor.page = response.text
    assert visitor.send(visitor.url + "/messages", htmx=True, message="More", key="k").status_code == 200


def test_who_sends_too_often_is_told_when_to_go_on(start: Start) -> None:
    app = start(send_rate_limit="2 per minute")
    visitor = Visitor(app.test_client())
    visitor.open("/")
    for number in range(2):
        assert visitor.send("/messages", message="Hi", key=f"k{number}").status_code == 303
    response = visitor.send("/messages", message="Once more", key="k3")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert "Once more</textarea>" in response.text


def test_a_clock_that_is_set_back_does_not_prolong_the_wait(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(send_rate_limit="2 per minute")
    visitor = Visitor(app.test_client())
    visitor.open("/")
    sent = [visitor.send("/messages", message="Hi", key=f"k{number}").status_code for number in range(3)]
    assert sent == [303, 303, 429]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    sent = [visitor.send("/messages", message="Hi", key=f"l{number}").status_code for number in range(3)]
    assert sent == [303, 303, 429]


def test_a_clock_that_is_set_back_is_nothing_to_who_counts_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start(ratelimit_enabled=False)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    assert app.test_client().get("/").status_code == 200


@pytest.mark.parametrize("url", ["/c/nothing", "/nowhere", "/answers/999/text", "/c/nothing/edit"])
def test_what_is_not_there_is_a_page_that_says_so(visitor: Visitor, url: str) -> None:
    response = visitor.client.get(url)
    assert response.status_code == 404
    assert "There is nothing at this address." in response.text


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
def test_a_number_beyond_all_answers_is_not_there_either(visitor: Visitor, number: int) -> None:
    assert visitor.client.get(f"/answers/{number}/text").status_code == 404
    assert visitor.client.get(f"/prompts/{number}/edit").status_code == 404
    assert visitor.client.get(f"/answers/{number}/stream").status_code == 200


def test_an_invented_method_is_refused_and_not_counted(visitor: Visitor) -> None:
    assert visitor.client.open("/", method="FOOBAR").status_code == 501
    assert "FOOBAR" not in visitor.client.get("/metrics").text


def test_deleted_words_are_gone_from_the_files(visitor: Visitor, settings: Settings, ollama: ScriptedOllama) -> None:
    ollama.script("quetzalcoatl in the answer")
    visitor.asks_and_waits("xylophone in the prompt")
    files = [path for path in settings.data_dir.iterdir() if path.is_file()]
    assert any(b"xylophone" in path.read_bytes() for path in files)
    visitor.send(visitor.url + "/delete", now="1")
    for path in settings.data_dir.iterdir():
        assert b"xylophone" not in path.read_bytes(), path
        assert b"quetzalcoatl" not in path.read_bytes(), path


def test_deleting_another_conversation_leaves_the_page_where_it_was(visitor: Visitor) -> None:
    visitor.asks_and_waits("one")
    other = visitor.url
    visitor.open("/")
    visitor.asks_and_waits("two")
    data = {"csrf_token": visitor.field("csrf_token"), "now": "1"}
    where = {"Referer": f"http://localhost{visitor.url}?at=1"}
    assert visitor.client.post(other + "/delete", data=data, headers=where).location == visitor.url
    where = {"Referer": f"http://localhost{visitor.url}"}
    assert visitor.client.post(visitor.url + "/delete", data=data, headers=where).location == "/"


def test_another_text_in_the_same_form_is_another_prompt(visitor: Visitor) -> None:
    key = visitor.field("key")
    first = visitor.send("/messages", message="First", key=key).location
    second = visitor.send("/messages", message="Second", key=key).location
    assert first != second
    assert "Second" in visitor.open(second)


def test_who_chose_no_model_gets_the_best_one_that_is_there_now(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = visitor.asks_and_waits("Hi")
    ollama.models[:] = ["better:latest"]
    ollama.loaded[:] = ["better:latest"] if isinstance(ollama.loaded, list) else []
    visitor.client.application.extensions["insight"].engine.look()
    visitor.send(f"/answers/{answer}/again")
    visitor.watch(answer + 1)
    assert ollama.chats()[-1]["model"] == "better:latest"
    visitor.open(visitor.url)
    assert '<option value="better:latest">' in visitor.page


@pytest.mark.parametrize("path", ["messages", "edit", "delete"])
def test_forms_of_a_conversation_that_is_gone_say_so(visitor: Visitor, path: str) -> None:
    assert visitor.send(f"/c/gone/{path}", message="x", title="x", key="k").status_code == 404


def test_the_stream_of_an_answer_that_is_gone_ends_at_once(visitor: Visitor) -> None:
    response = visitor.client.get("/answers/12345/stream")
    assert response.status_code == 200
    assert response.content_type.startswith("text/event-stream")
    assert "event: done" in response.text


def test_every_state_of_a_reasoning_answer_is_told(visitor: Visitor, ollama: ScriptedOllama) -> None:
    read, thought, written = threading.Event(), threading.Event(), threading.Event()
    ollama.script(gate(read), thinking("Let me *see*."), gate(thought), "It is so.", gate(written))
    answer_id = visitor.ask("Why?")
    said = ""
    for event in visitor.client.get(f"/answers/{answer_id}/stream", buffered=False).response:
        said += event.decode()  # type: ignore[union-attr]
        for state, gate_behind in (("reading", read), ("thinking", thought), ("writing", written)):
            if f"event: state\ndata: {state}" in said:
                gate_behind.set()
    assert "Answer started" in said
    assert "Answer complete" in said
    visitor.open(visitor.url)
    assert "<summary>Thought for 1\u00a0s</summary>" in visitor.page
    assert "<em>see</em>" in visitor.page


def test_stop_reaches_the_engine_and_keeps_what_was_written(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = ollama.script("Begun", silence)
    answer_id = visitor.ask("Tell me all")
    assert answer.asked.wait(5)
    stream = visitor.client.get(f"/answers/{answer_id}/stream", buffered=False)
    while b"Begun" not in next(stream.response):  # type: ignore[call-overload]
        pass
    assert visitor.send(f"/answers/{answer_id}/stop").status_code == 303
    assert answer.client_gone.wait(5)
    assert b"event: done" in b"".join(stream.response)  # type: ignore[arg-type]
    visitor.open(visitor.url)
    assert 'data-state="stopped"' in visitor.page
    assert "Begun" in visitor.page


def test_stop_before_the_first_word_reaches_the_engine(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = ollama.script(silence)
    answer_id = visitor.ask("Tell me all")
    assert answer.asked.wait(5)
    visitor.send(f"/answers/{answer_id}/stop")
    assert answer.client_gone.wait(5)
    assert "stopped" in visitor.watch(answer_id)


def test_try_again_is_another_answer_to_the_same_prompt(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("worse")
    first = visitor.asks_and_waits("Think!")
    ollama.script("better")
    visitor.open(visitor.send(f"/answers/{first}/again").location)
    second = first + 1
    visitor.watch(second)
    visitor.open(visitor.url)
    assert "better" in visitor.page
    assert "worse" not in visitor.page
    assert [turn["content"] for turn in ollama.talks()[1]] == ["Think!"]


def test_a_second_prompt_waits_for_the_first_answer(visitor: Visitor, ollama: ScriptedOllama) -> None:
    answer = ollama.script(silence)
    answer_id = visitor.ask("One")
    assert answer.asked.wait(5)
    response = visitor.send(visitor.url + "/messages", message="Two", key="k")
    assert response.status_code == 409
    assert "still being written" in response.text
    assert "Two</textarea>" in response.text
    visitor.send(f"/answers/{answer_id}/stop")
    visitor.watch(answer_id)


def test_more_answers_than_may_be_written_at_once_wait_and_say_so(start: Start, ollama: ScriptedOllama) -> None:
    app = start(max_concurrent_answers=1)
    first, second = Visitor(app.test_client()), Visitor(app.test_client())
    running, waiting = ollama.script(silence), ollama.script("mine")
    first.open("/")
    second.open("/")
    first_id = first.ask("One")
    assert running.asked.wait(5)
    second_id = second.ask("Two")
    assert 'data-state="queued"' in second.page
    assert "Waiting for a free place" in second.page
    assert not waiting.asked.is_set()
    first.send(f"/answers/{first_id}/stop")
    assert "mine" in second.watch(second_id)


def test_names_can_be_changed(visitor: Visitor) -> None:
    visitor.asks_and_waits("Hi")
    visitor.open(visitor.url + "/edit")
    url = visitor.url.removesuffix("/edit")
    assert visitor.send(url + "/edit", title="  My <b>own</b> name ").status_code == 303
    assert "My &lt;b&gt;own&lt;/b&gt; name" in visitor.open(url)
    row = visitor.send(url + "/edit", htmx=True, title="Other").text
    assert ">Other</a>" in row
    assert "<html" not in row


def test_a_conversation_without_a_name_keeps_the_one_it_has(visitor: Visitor) -> None:
    visitor.asks_and_waits("Hi")
    visitor.send(visitor.url + "/edit", title="   ")
    assert ">Hi</a>" in visitor.open(visitor.url)


def test_deleting_a_conversation_stops_its_answer(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    answer = ollama.script(silence)
    visitor.ask("Hi")
    assert answer.asked.wait(5)
    assert visitor.send(visitor.url + "/delete").status_code == 303
    assert answer.client_gone.wait(5)
    assert visitor.client.get(visitor.url).status_code == 404
    assert not services.conversations.newest_conversations().conversations


def test_what_is_written_survives_a_restart(visitor: Visitor, start: Start, ollama: ScriptedOllama) -> None:
    ollama.script("kept for good")
    visitor.asks_and_waits("Hi")
    again = start()
    assert "kept for good" in again.test_client().get(visitor.url).text


def left_behind(services: Services, *, thinking: str = "", text: str = "") -> Message:
    """An answer of a server that is gone; its database is still there."""
    services.close()
    _, answer = services.conversations.ask("Hi", model="")
    assert answer is not None
    services.conversations.checkpoint([(answer.id, 0, thinking, text)])
    return answer


def test_an_answer_that_a_former_run_left_is_carried_on(
    start: Start, services: Services, ollama: ScriptedOllama
) -> None:
    answer = left_behind(services, text="half of")
    ollama.script(" it, and the rest")
    again = start()
    visitor = Visitor(again.test_client())
    visitor.watch(answer.id)
    assert "half of it, and the rest" in visitor.open(f"/c/{answer.conversation_id}")
    assert 'data-state="done"' in visitor.page
    said = [(turn["role"], turn["content"]) for turn in ollama.talks()[-1]]
    assert said == [("user", "Hi"), ("assistant", "half of")]


def test_servers_that_end_in_peace_leave_an_answer_to_the_next_however_many_they_are(
    start: Start, services: Services, ollama: ScriptedOllama
) -> None:
    answer = left_behind(services)
    for words in ("One", " two", " three"):
        begun = ollama.script(words, silence)
        app = start()
        reply = app.extensions["insight"].replies.get(answer.id)
        while not str(reply.answer).endswith(words):
            assert reply.wait(reply.version, 5)
        app.extensions["insight"].close()
        assert begun.client_gone.wait(5)  # its process lives on here, and the engine need not write for it
    ollama.script(" four.")
    last = start()
    Visitor(last.test_client()).watch(answer.id)
    kept = services.conversations.message(answer.id)
    assert (kept.state, kept.text, kept.run) == (State.DONE, "One two three four.", 4)


def test_thoughts_that_a_former_run_left_are_thought_anew_and_not_doubled(
    start: Start, services: Services, ollama: ScriptedOllama
) -> None:
    answer = left_behind(services, thinking="Let me ")
    ollama.script(thinking("Let me see."), "Hello.")
    again = start()
    Visitor(again.test_client()).watch(answer.id)
    kept = services.conversations.message(answer.id)
    assert (kept.thinking, kept.text) == ("Let me see.", "Hello.")


def test_an_answer_that_met_the_end_of_two_servers_is_interrupted_and_keeps_its_text(
    start: Start, services: Services, ollama: ScriptedOllama
) -> None:
    answer = left_behind(services, text="half of")
    assert services.conversations.left_behind(answer.id) is not None
    again = start()
    page = again.test_client().get(f"/c/{answer.conversation_id}").text
    assert 'data-state="interrupted"' in page
    assert "half of" in page
    assert "The server was stopped" in page
    assert "Continue" in page
    assert "Try again" in page
    assert not ollama.chats()


FAULTS: list[tuple[Callable[..., Any], str, str]] = [
    (status(404, {"error": "model 'llama3.2' not found"}), "failed", "ollama pull"),
    (status(500, {"error": "CUDA error: out of memory"}), "failed", "not enough free memory"),
    (status(503, {"error": "server busy, please try again."}), "failed", "too many requests waiting"),
    (status(400, {"error": "the prompt is longer than the context length"}), "failed", "larger NUM_CTX"),
    (status(403), "failed", "Host: localhost:11434"),
]


@pytest.mark.parametrize(("fault", "state", "advice"), FAULTS)
def test_an_engine_error_is_a_cause_and_a_next_step_in_the_page(
    visitor: Visitor, ollama: ScriptedOllama, fault: Callable[..., Any], state: str, advice: str
) -> None:
    ollama.script(fault)
    answer_id = visitor.ask("My question")
    assert advice in visitor.watch(answer_id).rpartition("#announcer")[2]  # heard by who does not see it
    visitor.open(visitor.url)
    assert f'data-state="{state}"' in visitor.page
    assert advice in visitor.page
    assert "My question" in visitor.page
    assert "Try again" in visitor.page


def test_an_answer_that_breaks_off_keeps_its_text(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("So far so", error("model runner has unexpectedly stopped"))
    visitor.asks_and_waits("Hi")
    assert 'data-state="interrupted"' in visitor.page
    assert "So far so" in visitor.page


def test_a_stream_without_its_end_mark_is_not_taken_for_an_answer(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("So far so", closed)
    visitor.asks_and_waits("Hi")
    assert "broke off before the end" in visitor.page


def test_without_any_engine_the_page_works_and_the_prompt_is_kept(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.close()
    visitor.asks_and_waits("Is anybody there?")
    assert "Is anybody there?" in visitor.page
    assert "No engine answers" in visitor.page
    assert "Try again" in visitor.page


def test_a_name_of_another_site_reaches_nothing(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_who_is_not_signed_in_hears_of_a_name_that_the_server_does_not_know(shared: Flask) -> None:
    response = shared.test_client().get("/", headers={"Host": "chat.example"})
    assert response.status_code == 400
    assert "Add the name to ALLOWED_HOSTS" in response.text


@pytest.mark.parametrize("url", ["/", "/nowhere", "/healthz", "/answers/1/stream"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, url: str) -> None:
    headers = client.get(url).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_readiness_is_told_as_json(client: FlaskClient, ollama: ScriptedOllama, services: Services) -> None:
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert json.loads(ready.text)["database"] is True
    ollama.close()
    services.engine.look()
    not_ready = client.get("/readyz")
    assert not_ready.status_code == 503
    assert not_ready.json is not None
    assert "No engine answers" in not_ready.json["problem"]


def test_metrics_count_answers_by_their_end(visitor: Visitor) -> None:
    visitor.asks_and_waits("Hi")
    figures = visitor.client.get("/metrics").text
    assert f'insight_answers_total{{problem="",state="{State.DONE}"}} 1.0' in figures
    assert 'url_rule="/c/<conversation_id>"' in figures
