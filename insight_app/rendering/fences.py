"""An open fenced code block: where it ends, and how much of what came since is certainly code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from insight_app.rendering.commonmark import LINE_END

OPENING = re.compile(r"( {0,3})(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Fence:
    """`start` is the position of the opening line; `indent` spaces are taken off each line of code."""

    start: int
    marker: str
    indent: int


def opened(source: str, at: int, start: int) -> Fence | None:
    """The fence whose opening line stands at `at` in the source, to be known by `start`; None where none does."""
    found = OPENING.match(source, at)
    return Fence(start, found[2], len(found[1])) if found else None


def code_start(source: str, at: int) -> int:
    """Where the code begins whose opening line, a complete one, stands at `at`."""
    line_end = LINE_END.search(source, at)
    return line_end.end() if line_end else len(source)


def end_of(fence: Fence, source: str, at: int, *, ended: bool) -> tuple[int, int] | None:
    """Where the closing line begins and where what follows it begins; None while it is open.

    `at` is just after a line end, or in the middle of a line of code. Only a complete line closes.
    """
    found = _closing(fence.marker).search(source, at)
    if found is None or (not ended and found.end() == len(source) and not source.endswith("\n")):
        return None
    return found.start(), found.end()


def certain(fence: Fence, source: str, at: int) -> int:
    """Up to where the source after `at` is code, whatever comes next. One character before `at` must be there."""
    end = len(source) - source.endswith("\r")
    line = max(source.rfind("\n", at - 1, end), source.rfind("\r", at - 1, end)) + 1
    if line and re.compile(rf"[ \t]*{fence.marker[0]}*[ \t]*").fullmatch(source, line, end):
        return max(at, line)
    return max(at, end)


def as_text(fence: Fence, source: str, at: int, end: int) -> str:
    """That part of the code as HTML text, to be put at the end of the open <code>."""
    code = LINE_END.sub("\n", source[at:end]).replace("\0", "\ufffd")
    if fence.indent:
        before = "\n" if source[at - 1] in "\r\n" else " "
        code = re.sub(rf"(?<=\n) {{1,{fence.indent}}}", "", before + code)[1:]
    # Only text, with nothing left that could be markup, so it needs no guard.
    return escape(code, quote=False)


@lru_cache(maxsize=64)
def _closing(marker: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=[\r\n]) {{0,3}}{marker[0]}{{{len(marker)},}}[ \t]*(?:\r\n|\r|\n|\Z)")
