"""A few words of a model within a time, in whichever of Ollama's two ways they are asked for."""

from __future__ import annotations

import threading

import pytest
from scripted_ollama import ScriptedOllama, done, line, silence, status, thinking

from insight_app.engines.asking import CONTEXT, MOST_TOKENS, Asking
from insight_app.engines.base import Stop, Turn
from insight_app.engines.ollama import Ollama
from insight_app.errors import ModelMissing

HELLO = [Turn("user", "Hello")]


@pytest.fixture
def asking(ollama: ScriptedOllama) -> Asking:
    return Asking(Ollama(ollama.url, silence_seconds=5), keep_alive="10m")


def test_turns_are_asked_briefly_coldly_and_without_thoughts(asking: Asking, ollama: ScriptedOllama) -> None:
    ollama.script(thinking("Hm."), "un", "safe\nS1", done(done_reason="length"))
    assert asking("m", HELLO, seconds=5) == "unsafe\nS1"
    body = ollama.chats()[0]
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert body["options"] == {"num_predict": MOST_TOKENS, "num_ctx": CONTEXT, "temperature": 0.0}
    assert (body["think"], body["truncate"], body["keep_alive"]) == (False, False, "10m")


def test_a_raw_text_goes_past_the_template(asking: Asking, ollama: ScriptedOllama) -> None:
    ollama.script(line(response="Y"), line(response="es\ud800"), line(response="", done=True), path="/api/generate")
    assert asking("m", (), raw="Is it? ", seconds=5) == "Yes\ufffd"
    body = next(request.body for request in ollama.requests if request.path == "/api/generate")
    assert (body["prompt"], body["raw"], "messages" in body) == ("Is it? ", True, False)


def test_who_takes_too_long_is_left_alone(asking: Asking, ollama: ScriptedOllama) -> None:
    answer = ollama.script("Y", silence)
    with pytest.raises(TimeoutError):
        asking("m", HELLO, seconds=0.05)
    assert answer.client_gone.wait(5)


def test_a_stop_ends_it_and_one_that_was_asked_before_asks_nobody(asking: Asking, ollama: ScriptedOllama) -> None:
    stop = Stop()
    answer = ollama.script(silence)
    threading.Thread(target=lambda: answer.asked.wait(5) and stop.ask()).start()
    assert asking("m", HELLO, seconds=50, stop=stop) is None
    assert asking("m", HELLO, seconds=50, stop=stop) is None
    assert len(ollama.chats()) == 1


def test_an_engine_that_refuses_says_why(asking: Asking, ollama: ScriptedOllama) -> None:
    ollama.script(status(404, {"error": "model 'm' not found"}))
    with pytest.raises(ModelMissing):
        asking("m", HELLO, seconds=5)
