"""A reply as a program follows it: piece by piece, until it ends or the program is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from insight_app.chat.reply import Reply
from insight_app.engines.base import Piece
from insight_app.engines.tools import ToolCall

# How often a silent answer is looked at: is its program still there?
LOOK_SECONDS = 1.0


def wait_for(reply: Reply, said: Callable[[], object], is_gone: Callable[[], bool], seconds: float | None) -> None:
    """Waits until there is something, or the reply has ended, or so long; who goes away meanwhile ends the answer."""
    until = None if seconds is None else time.monotonic() + seconds
    while not (reply.ended or reply.lost) and not said() and (until is None or time.monotonic() < until):
        if is_gone():
            reply.stop.ask()
        reply.wait(reply.version, LOOK_SECONDS)


def pieces(reply: Reply, is_gone: Callable[[], bool]) -> Iterator[Piece | ToolCall | None]:
    """What it says, as it comes, None in long silences; who goes away ends the answer."""
    thought = said = called = 0
    try:
        while True:
            version, ended = reply.version, reply.ended
            if text := reply.thinking.since(thought):
                thought += len(text)
                yield Piece(text, thought=True)
            if text := reply.answer.since(said):
                said += len(text)
                yield Piece(text)
            for call in reply.tool_calls[called:]:
                called += 1
                yield call
            if ended or reply.lost or is_gone():
                return
            if not reply.wait(version, LOOK_SECONDS):
                yield None
    finally:
        reply.stop.ask()
