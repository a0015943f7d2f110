"""The streaming check itself: it passes for a stream, and fails where something holds the answer back."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from flask import Flask
from scripted_ollama import ScriptedOllama, gate
from test_accounts_keys import made
from visitor import Visitor
from werkzeug.serving import make_server

from insight_app import verify_streaming
from insight_app.verify_streaming import NotStreamed, verify


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of a server that has this app."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served(app) as found:
        yield found


def step_by_step(monkeypatch: pytest.MonkeyPatch, gates: Iterable[threading.Event]) -> None:
    """Sets the clock of the check: each chunk that was seen opens the next gate of the engine's, a second later."""
    waiting, seconds = iter([threading.Event(), *gates]), count(1.0)

    def arrive() -> float:
        next(waiting, threading.Event()).set()
        return next(seconds)

    monkeypatch.setattr(verify_streaming, "clock", arrive)


@pytest.fixture
def steps(ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of eight pieces, each of which comes when the check has seen the one before, a second later."""
    gates = [threading.Event() for _ in range(8)]
    ollama.script(*(part for number, each in enumerate(gates) for part in (f"piece{number} ", gate(each))))
    step_by_step(monkeypatch, gates)


@pytest.mark.usefixtures("steps")
def test_a_server_that_streams_passes(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_streaming.main([address]) == 0
    assert "8 chunks in order" in capsys.readouterr().out


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("is_in_environment", [False, True])
def test_where_people_sign_in_it_asks_with_a_key(
    shared: Flask,
    bob: Visitor,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_in_environment: bool,
) -> None:
    key = made(bob, chat="y")
    if is_in_environment:
        monkeypatch.setenv("INSIGHT_KEY", key)
    with served(shared) as address:
        assert verify_streaming.main([address, *([] if is_in_environment else ["--key", key])]) == 0
    assert "8 chunks in order" in capsys.readouterr().out


def test_without_a_key_that_holds_it_says_what_the_server_says(
    shared: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(shared) as address:
        assert verify_streaming.main([address, "--key", "isk_00000000_wrong"]) == 1
    lines = capsys.readouterr().err.splitlines()  # the server logs there too, before or after it
    (said,) = [line for line in lines if not line.startswith("{")]
    assert said.startswith("does not stream: The server answered 401: This needs a key")
    assert "{" not in said


def test_a_server_that_is_not_there_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_streaming.main(["http://127.0.0.1:1"]) == 2
    assert "Is the server running there?" in capsys.readouterr().err


STEADY = [(1.0 + number, b"x") for number in range(10)]


def test_steady_chunks_are_a_stream() -> None:
    assert verify(STEADY, "x", "x" * 10).startswith("streams: 10 chunks in order, first after 1000 ms")


def test_an_answer_that_ended_early_is_a_stream_whose_note_is_no_part_of_it() -> None:
    note = b"\n\n[The answer reached its longest length. Ask for the rest.]\n"
    assert verify([*STEADY, (11.0, note)], "x", "x" * 10).startswith("streams: 11 chunks")


@pytest.mark.parametrize(
    ("found", "at_first", "kept", "reason"),
    [
        (STEADY, "x", "y" * 10, "out of order"),
        ([*STEADY, (11.0, b" and more")], "x", "x" * 10, "out of order"),
        (STEADY, "x" * 10, "x" * 10, "complete"),
        ([(1.0, b"xx"), (2.0, b"xx")], "x", "xxxx", "holds it back"),
        ([(9.0 + number / 100, b"x") for number in range(10)], "x", "x" * 10, "held back"),
        ([(1.0, b"x"), (1.1, b"x"), (1.2, b"x"), (1.3, b"x"), (9.0, b"x")], "x", "xxxxx", "bursts"),
    ],
)
def test_what_is_no_stream_is_told_why(found: list[tuple[float, bytes]], at_first: str, kept: str, reason: str) -> None:
    with pytest.raises(NotStreamed, match=reason):
        verify(found, at_first, kept)
