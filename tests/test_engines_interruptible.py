"""A stop ends the engine's work at once, whatever the engine is doing, with threads and under gevent."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import events_of
from scripted_ollama import TEXT, Answer, ScriptedOllama, headers, silence

from insight_app.engines.base import Event, Piece, Stage, Stop, Task, Turn
from insight_app.engines.interruptible import Grip, interruptible_session
from insight_app.engines.ollama import Ollama

MODEL = "llama3.2:latest"
AT_ONCE = 1.0  # seconds; it takes a millisecond, where nobody else wants the processor


@pytest.fixture
def server() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture
def engine(server: ScriptedOllama) -> Ollama:
    return Ollama(server.url, silence_seconds=30)


def task(model: str = MODEL) -> Task:
    return Task(model, (Turn("user", "Hello?"),))


def asked_from_elsewhere(stop: Stop, when: threading.Event) -> Callable[[], float]:
    """Has another thread ask for the stop at that moment; returns what tells the seconds since."""
    moment: list[float] = []

    def ask() -> None:
        when.wait()
        moment.append(time.perf_counter())
        stop.ask()

    thread = threading.Thread(target=ask)
    thread.start()

    def seconds() -> float:
        thread.join()
        return time.perf_counter() - moment[0]

    return seconds


def gone_at_once(script: Answer) -> bool:
    return script.client_gone.wait(AT_ONCE)


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/api/chat"])
@pytest.mark.parametrize("steps", [(silence,), (headers, silence)])
def test_a_stop_ends_the_wait_for_a_response(server: ScriptedOllama, engine: Ollama, path: str, steps: Any) -> None:
    script = server.script(*steps, path=path)
    stop = Stop()
    seconds = asked_from_elsewhere(stop, script.asked)
    events = list(events_of(engine, task(""), stop))
    assert seconds() < AT_ONCE
    assert all(isinstance(event, Stage) for event in events)
    assert gone_at_once(script)
    assert path == "/api/chat" or not server.chats()


def test_a_stop_in_mid_stream_ends_the_answer_after_what_was_said(server: ScriptedOllama, engine: Ollama) -> None:
    said = threading.Event()
    script = server.script("so far", silence)
    stop = Stop()
    events: list[Stage | Event] = []
    seconds = asked_from_elsewhere(stop, said)
    for event in events_of(engine, task(), stop):
        events.append(event)
        if isinstance(event, Piece):
            said.set()
    assert seconds() < AT_ONCE
    assert events == [Stage("reading", MODEL, 4096), Piece("so far")]
    assert gone_at_once(script)


def test_a_stop_before_the_start_asks_the_engine_for_nothing(server: ScriptedOllama, engine: Ollama) -> None:
    stop = Stop()
    stop.ask()
    list(events_of(engine, task(""), stop))
    assert server.connections == 0


def test_a_stop_between_stage_and_request_sends_no_prompt(server: ScriptedOllama, engine: Ollama) -> None:
    stop = Stop()
    events = events_of(engine, task(), stop)
    next(events)
    stop.ask()
    assert list(events) == []
    assert server.chats() == []


def test_what_was_already_here_is_not_said_after_a_stop(server: ScriptedOllama, engine: Ollama) -> None:
    sent = threading.Event()
    server.script("x" * 60_000, "so far", "y" * 60_000, lambda answer: sent.set(), silence)
    stop = Stop()
    events = events_of(engine, task(), stop)
    assert next(events) == Stage("reading", MODEL, 4096)
    assert isinstance(next(events), Piece)
    assert sent.wait(5)
    stop.ask()
    assert list(events) == []


def test_a_connection_is_not_used_again_after_a_stop(server: ScriptedOllama, engine: Ollama) -> None:
    stop = Stop()
    server.script("so far", silence)
    events = events_of(engine, task(), stop)
    assert [next(events), next(events)][1] == Piece("so far")
    stop.ask()
    assert list(events) == []
    before = server.connections
    assert Piece(TEXT) in list(events_of(engine, task(), Stop()))
    assert server.connections == before + 1


def test_a_stop_that_comes_too_late_ends_nobody_elses_answer(server: ScriptedOllama, engine: Ollama) -> None:
    late, release = Stop(), threading.Event()
    first = events_of(engine, task(), late)
    assert len(list(first)) == 3
    script = server.script("so far", lambda answer: answer.wait(release), " and on")
    events = events_of(engine, task(), Stop())
    assert [next(events), next(events)][1] == Piece("so far")
    late.ask()
    release.set()
    assert next(events) == Piece(" and on")
    events.close()
    assert server.connections == 1
    assert script.over.wait(5)


def test_a_grip_that_is_broken_ends_what_it_is_given_later() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        grip = Grip()
        grip.break_off()
        grip.hold(ours)
        assert theirs.recv(1) == b""


def test_an_answer_that_is_over_leaves_nothing_behind_in_its_stop(server: ScriptedOllama, engine: Ollama) -> None:
    class Counted(Stop):
        left = 0

        def then(self, action: Callable[[], None]) -> Callable[[], None]:
            self.left += 1
            forget = super().then(action)

            def forgotten() -> None:
                self.left -= 1
                forget()

            return forgotten

    stop = Counted()
    list(events_of(engine, task(), stop))
    assert stop.left == 0


def test_a_grip_forgets_a_connection_before_anybody_else_can_have_it(server: ScriptedOllama) -> None:
    session, grip = interruptible_session(), Grip()
    with grip.around():
        assert session.get(f"{server.url}/api/version", timeout=5).status_code == 200
    grip.break_off()  # while the connection lies in the pool
    assert session.get(f"{server.url}/api/version", timeout=5).status_code == 200
    assert server.connections == 1


def test_many_stops_at_random_moments_never_harm_other_answers(server: ScriptedOllama, engine: Ollama) -> None:
    """Half of the answers are stopped while the others run over the same pool."""
    whole: list[bool] = []

    def run(stopped: bool) -> None:
        stop = Stop()
        for count, _ in enumerate(events := events_of(engine, task(), stop)):
            if stopped and count == 1:
                stop.ask()
        if not stopped:
            whole.append(count == 2)
        events.close()

    threads = [threading.Thread(target=run, args=(number % 2 == 0,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert whole == [True] * 30


def test_other_answers_go_on_and_stops_work_under_gevent(server: ScriptedOllama) -> None:
    opened, waiting = threading.Event(), server.script(silence)
    talking = server.script("so far", silence)
    server.script("one ", lambda answer: answer.wait(opened), "two")
    program = Path(__file__).with_name("gevent_stops.py")
    root = program.parent.parent
    with subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", str(program), server.url],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert waiting.asked.wait(10)
        child.stdin.write("\n")
        child.stdin.flush()
        # Each line of the child is one thing that it saw happen; `opened` lets the third answer end.
        assert child.stdout.readline() == "all three are under way\n"
        opened.set()
        rest = child.stdout.read()
    assert rest == "stopped before its headers\nstopped in mid-stream\nanother one is whole\n"
    assert child.returncode == 0
    assert gone_at_once(waiting)
    assert gone_at_once(talking)
