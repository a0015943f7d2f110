"""Some of an answer's Markdown without its marks, as somebody reads it, with the places of what was found in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int]
AROUND = 400  # characters: a mark that begins or ends further away stays
# All marks of a row belong to it: tried with fewer, a long one that a backtick ends would take hours.
_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,}(?!~))[^\n`]*$", re.MULTILINE)
# The first that fits at a place holds. What is code is left as it is.
_MARK = re.compile(
    r"""
      (?P<rule>    ^[ \t]*(?:(?:[-*_][ \t]*){3,}|={2,}|-{2,})[ \t]*$ )
    | (?P<table>   ^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*){0,50}\|?[ \t]*$ )
    | (?P<begin>   ^[ \t]*(?:\#{1,6}[ \t]+|(?:>[ \t]?)+) )
    | (?P<item>    ^[ \t]*[-*+][ \t]+(?:\[[ xX]\][ \t]+)? )
    | (?P<code>    (?P<ticks>`{1,3})(?!`)(?P<said>[^\n]{1,300}?)(?<!`)(?P=ticks)(?!`) )
    | (?P<note>    \[\^[^\]\s]{1,60}\]:? )
    | (?P<link>    !?\[(?P<label>[^\[\]\n]{0,300})\]
                   (?P<address>\((?:[^\s()]|\([^\s()]{0,300}\)){0,300}(?:[ ]+"[^"\n]{0,200}")?\)) )
    | (?P<auto>    <(?=https?://)[^\s<>]{1,300}> )
    | (?P<escape>  \\(?=[!-/:-@\[-`{-~]) )
    | (?P<strong>  (?<![*\w])(?P<stars>\*{1,3}|~~)(?=[^\s*~])[^\n]{1,300}?(?<=[^\s*~])(?P=stars)(?![*\w]) )
    | (?P<under>   (?<![_\w])(?P<lines>_{1,2})(?=[^\s_])[^\n]{1,300}?(?<=[^\s_])(?P=lines)(?![_\w]) )
    | (?P<cell>    \| )
    """,
    re.VERBOSE | re.MULTILINE,
)
_IN_PLACE = {"item": "• ", "cell": " "}


def unmarked(text: str, begin: int, end: int, hits: Sequence[Span]) -> tuple[str, int, list[Span]]:
    """The text with what is between `begin` and `end` unmarked, where that now ends, and where the hits now are.

    A mark that was found stays.
    """
    pieces, shifts, at = [text[:begin]], [(begin, 0)], begin
    for start, stop, instead in sorted(_cuts(text, begin, end, hits)):
        if start < at or stop > end or any(_is_needed(text, start, stop, hit) for hit in hits):
            continue
        pieces += [text[at:start], instead]
        shifts.append((stop, shifts[-1][1] + start + len(instead) - stop))
        at = stop
    pieces.append(text[at:])

    def moved(place: int) -> int:
        return place + next(shift for since, shift in reversed(shifts) if place >= since or since == begin)

    return "".join(pieces), moved(end), [(moved(start), moved(stop)) for start, stop in hits]


def _is_needed(text: str, start: int, stop: int, hit: Span) -> bool:
    """Whether letters of the mark itself were found, or nothing but the mark."""
    common = text[max(start, hit[0]) : min(stop, hit[1])]
    return any(map(str.isalnum, common)) or (bool(common) and start <= hit[0] and hit[1] <= stop)


def _cuts(text: str, begin: int, end: int, hits: Sequence[Span]) -> Iterator[tuple[int, int, str]]:
    """What goes, and what comes in its place."""
    at, last = max(0, begin - AROUND), min(len(text), end + AROUND)
    for first, then in _without_code(text, at, last):
        yield from _marks(text, first, then, hits)
    for fence in _FENCE.finditer(text, at, last):
        yield fence.start(), fence.end(), ""


def _without_code(text: str, begin: int, end: int) -> Iterator[Span]:
    """The parts that stand in no fence."""
    at, fence = 0, ""
    for found in _FENCE.finditer(text, 0, end):
        if not fence:
            yield max(at, begin), found.start()
            fence = found[1]
        elif found[0].strip(" \t>") == found[1] and found[1].startswith(fence):
            at, fence = found.end(), ""
    if not fence:
        yield max(at, begin), end


def _marks(text: str, at: int, end: int, hits: Sequence[Span]) -> Iterator[tuple[int, int, str]]:
    while at < end and (mark := _MARK.search(text, at, end)):
        kind, (start, stop) = mark.lastgroup or "", mark.span()
        kind = next(each for each in ("code", "link", "strong", "under", kind) if mark[each] is not None)
        at = stop
        if kind in ("code", "strong", "under"):
            size = len(mark[{"code": "ticks", "strong": "stars", "under": "lines"}[kind]])
            yield start, start + size, ""
            yield stop - size, stop, ""
            at = stop if kind == "code" else start + size
        elif kind == "link":
            address, _ = mark.span("address")
            yield start, mark.start("label"), ""
            if any(address < hit[1] and hit[0] < stop for hit in hits):
                yield address - 1, address + 1, " ("
            else:
                yield address - 1, stop, ""
            at = mark.start("label") + (not mark["label"])
            if mark["label"]:
                yield from _marks(text, at, mark.end("label"), hits)
            at = stop
        elif kind == "auto":
            yield start, start + 1, ""
            yield stop - 1, stop, ""
        else:
            yield start, stop, _IN_PLACE.get(kind, "")
            at = stop + (kind == "escape")  # what it escapes is no mark
