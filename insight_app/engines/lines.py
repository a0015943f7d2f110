"""The lines of an answer, whichever engine writes them: cut at newlines only, their pieces of text joined again."""

from __future__ import annotations

import json
from collections.abc import Iterator

from insight_app.engines.base import MOST_TOKENS, Done, Event, Piece
from insight_app.engines.tools import ToolCall
from insight_app.errors import EngineBroke, EngineError

# In bytes. A line is a token, or at most a whole answer; what goes on for longer is neither, and would fill the memory.
LONGEST_LINE = 2**24
# What lines say: a text with whether it is reasoning, a call of a tool, the end mark.
Said = tuple[bool, str] | ToolCall | Done


class Lines:
    """Cuts a stream at newlines only, wherever it was cut before."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._length = 0  # of what has begun

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now. Raises EngineBroke where one has more than LONGEST_LINE bytes."""
        *whole, rest = data.split(b"\n")
        if whole and self._begun:
            whole[0] = b"".join((*self._begun, whole[0]))
            self._begun.clear()
            self._length = 0
        if rest:
            self._begun.append(rest)
            self._length += len(rest)
            if self._length > LONGEST_LINE:
                raise EngineBroke(because="a line without an end")
        return whole

    def last(self) -> list[bytes]:
        """What stood at the end of the stream without a newline, if it is whole: half a line says nothing."""
        line = b"".join(self._begun)
        try:
            json.loads(line.removeprefix(b"data:").decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return []
        return [line]


def joined(said: Iterator[Said]) -> Iterator[Event]:
    """What is said as events; an error comes after what was said before it.

    Neighbours of one kind are joined: whoever fell behind catches up with one event instead of hundreds.
    """
    pieces: list[str] = []
    thought = False
    try:
        for each in said:
            if pieces and not (isinstance(each, tuple) and each[0] is thought):
                yield Piece("".join(pieces), thought)
                pieces.clear()
            if isinstance(each, tuple):
                thought = each[0]
                pieces.append(each[1])
            else:
                yield each
    except EngineError:
        if pieces:
            yield Piece("".join(pieces), thought)
        raise
    if pieces:
        yield Piece("".join(pieces), thought)


def count(said: int | None) -> int | None:
    """A number of tokens; None where it is none that can be."""
    return said if said is not None and 0 <= said <= MOST_TOKENS else None


def whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair: JSON can carry those, a page cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
