"""Cuts a growing text into sentences, the same ones wherever its chunks were cut; code is cut into lines."""

from __future__ import annotations

import re

LONGEST = 700  # characters; what is longer is cut there
SHORTEST = 20  # of a sentence in a line: "1." and "Mr." are none
_END = re.compile(r"\n|[.!?…]+[\"'”’»)\]*_]*(?=\s)|[。！？]")
_FENCE = re.compile(r"\s*(```|~~~)")


class Sentences:
    """`before` is what the text has already, of which nothing is cut any more."""

    def __init__(self, before: str = "") -> None:
        lines = before.split("\n")
        self._in_code = sum(1 for line in lines[:-1] if _FENCE.match(line)) % 2 == 1
        self._line = lines[-1][:LONGEST]  # the beginning of the line that is being written
        self._held = ""

    def feed(self, text: str) -> list[str]:
        """The sentences that are whole now."""
        self._held += text
        whole, begin = list[str](), 0
        while end := self._end(begin):
            sentence, begin = self._held[begin:end], end
            if sentence.endswith("\n"):
                if _FENCE.match(self._line + sentence):
                    self._in_code = not self._in_code
                self._line = ""
            elif not self._line:
                self._line = sentence
            whole.append(sentence)
        self._held = self._held[begin:]
        return whole

    def rest(self) -> str:
        """What is held and comes to no end any more."""
        rest, self._held = self._held, ""
        return rest

    def _end(self, begin: int) -> int:
        """Where the sentence of what is held ends that begins there; 0 where it does not yet."""
        # As far as an end can be, and the character behind it: a long row of dots is tried once for each of its dots.
        soon = self._held[begin : begin + LONGEST + 1]
        only_lines = self._in_code or _FENCE.match(self._line + soon) is not None
        for match in _END.finditer(soon):
            if match.end() > LONGEST:
                break
            if match[0] == "\n" or (not only_lines and match.end() >= SHORTEST):
                return begin + match.end()
        return begin + LONGEST if len(soon) >= LONGEST else 0
