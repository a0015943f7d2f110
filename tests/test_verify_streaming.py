"""The streaming check itself: it passes for a stream, and fails where something holds the answer back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from scripted_ollama import ScriptedOllama, gate
from werkzeug.serving import make_server

from insight_app import verify_streaming
from insight_app.verify_streaming import NotStreamed, verify


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_streams_passes(
    address: str, ollama: ScriptedOllama, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = [threading.Event() for _ in range(8)]
    ollama.script(*(part for number, each in enumerate(gates) for part in (f"piece{number} ", gate(each))))
    waiting = iter([threading.Event(), *gates])

    def arrive() -> float:
        # The clock of the check: each chunk that was seen lets the engine go on to the next.
        next(waiting, threading.Event()).set()
        arrive.now += 1.0  # type: ignore[attr-defined]
        return float(arrive.now)  # type: ignore[attr-defined]

    arrive.now = 0.0  # type: ignore[attr-defined]
    monkeypatch.setattr(verify_streaming, "clock", arrive)
    assert verify_streaming.main([address]) == 0
    assert "8 chunks in order" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_streaming.main(["http://127.0.0.1:1"]) == 2
    assert "Is the server running there?" in capsys.readouterr().err


STEADY = [(1.0 + number, b"x") for number in range(10)]


def test_steady_chunks_are_a_stream() -> None:
    assert verify(STEADY, "x", "x" * 10).startswith("streams: 10 chunks in order, first after 1000 ms")


@pytest.mark.parametrize(
    ("found", "at_first", "kept", "reason"),
    [
        (STEADY, "x", "y" * 10, "out of order"),
        (STEADY, "x" * 10, "x" * 10, "complete"),
        ([(1.0, b"xx"), (2.0, b"xx")], "x", "xxxx", "holds it back"),
        ([(9.0 + number / 100, b"x") for number in range(10)], "x", "x" * 10, "held back"),
        ([(1.0, b"x"), (1.1, b"x"), (1.2, b"x"), (1.3, b"x"), (9.0, b"x")], "x", "xxxxx", "bursts"),
    ],
)
def test_what_is_no_stream_is_told_why(found: list[tuple[float, bytes]], at_first: str, kept: str, reason: str) -> None:
    with pytest.raises(NotStreamed, match=reason):
        verify(found, at_first, kept)
