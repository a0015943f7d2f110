"""A late reader gets everything that has arrived, an early one what there is, and neither loses a byte."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import pytest
from asking import events_of
from hypothesis import given
from hypothesis import strategies as st
from scripted_ollama import ScriptedOllama, raw

from insight_app.engines import listening as module
from insight_app.engines.base import Piece, Stop, Task, Turn
from insight_app.engines.chunks import EagerResponse
from insight_app.engines.ollama import Ollama

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def pieces(engine: Ollama) -> list[str]:
    events = events_of(engine, Task("llama3.2:latest", (Turn("user", "Hello?"),)), Stop())
    return [event.text for event in events if isinstance(event, Piece)]


def reads(*sent: bytes, most: int = 65536) -> list[bytes]:
    """What each read1() gives where `sent` arrives part by part, the next as soon as a read could wait for it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        ours.sendall(sent[0])
        response = EagerResponse(theirs)
        response.begin()
        rest = threading.Thread(target=lambda: deque(map(ours.sendall, sent[1:]), maxlen=0))
        rest.start()
        found = []
        while data := response.read1(most):
            found.append(data)
        rest.join()
        response.close()
    return found


def test_chunks_that_came_together_are_read_together() -> None:
    assert reads(HEAD + chunk(b"one") + chunk(b"two") + chunk(b"")) == [b"onetwo"]


def test_a_body_without_chunks_is_read_as_ever() -> None:
    assert reads(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo") == [b"onetwo"]


ONE, TWO = b'{"message":{"content":"one"}}\n', b'{"message":{"content":"two"},"done":true}\n'


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (chunk(ONE) + chunk(TWO)[:20], chunk(TWO)[20:]),
        (chunk(ONE) + chunk(TWO)[:1], chunk(TWO)[1:]),
        (chunk(ONE) + chunk(TWO)[:-2], b"\r\n"),
        (chunk(ONE + TWO)[: len(ONE) + 4], chunk(ONE + TWO)[len(ONE) + 4 :]),
    ],
)
def test_a_line_that_has_come_does_not_wait_for_the_next(server: ScriptedOllama, early: bytes, late: bytes) -> None:
    opened = threading.Event()
    server.script(raw(HEAD + early), lambda answer: answer.wait(opened), raw(late + b"0\r\n\r\n"))
    engine = Ollama(server.url, silence_seconds=5)
    events = events_of(engine, Task("llama3.2:latest", (Turn("user", "Hello?"),)), Stop())
    assert [next(events), next(events)][1] == Piece("one")
    opened.set()
    assert next(events) == Piece("two")


@given(
    st.lists(st.binary(min_size=1, max_size=3000), max_size=12),
    st.lists(st.integers(0, 20_000), max_size=6),
    st.sampled_from([1, 7, 65536]),
)
def test_no_byte_is_lost_or_moved_wherever_the_network_cuts(chunks: list[bytes], cuts: list[int], most: int) -> None:
    body = b"".join(map(chunk, chunks)) + b"0\r\n\r\n"
    places = [0, *sorted(cuts), len(body)]
    parts = [body[start:end] for start, end in pairwise(places)]
    assert b"".join(reads(HEAD + parts[0], *parts[1:], most=most)) == b"".join(chunks)


def test_where_many_answers_are_written_fewer_reads_bring_the_same_text(
    server: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{number} " for number in range(100)]
    pauses: list[float] = []
    monkeypatch.setattr(module, "MANY_ANSWERS", 1)
    script = server.script(*texts)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert script.over.wait(5)  # so that all the rest has been sent meanwhile

    monkeypatch.setattr("time.sleep", pause)
    found = pieces(Ollama(server.url, silence_seconds=5))
    assert "".join(found) == "".join(texts)
    assert len(found) <= 6
    assert len(pauses) <= 5
