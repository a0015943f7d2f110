"""Where Markdown's links end: an address and a title, which a page does not show."""

from __future__ import annotations

import re

LONGEST = 1_000  # characters: what is longer is taken for no link
# A name for an address that is given elsewhere, or just more brackets: without marks it is seen as it is written.
_NAME = re.compile(r"\[[^][*_`~&\\!>$\n]{0,100}\]")
_BEGUN_NAME = re.compile(r"\[[^][*_`~&\\!>$\n]{0,100}")
_SPACE = re.compile(r"\s*")
_PLAIN = re.compile(r"(?:[^\s()\\]|\\\S?)+")
_DEEPEST = 32  # brackets in an address
_POINTED = re.compile(r"<[^<>\n]*>?")
_TITLES = {'"': re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL), "'": re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL),
           "(": re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)}  # fmt: skip
# A line that is no more of the same paragraph, perhaps.
_OTHER_BLOCK = re.compile(r"\n(?![ \t]*[^\W\d_])(?![ \t]*[\"')])")


def link_end(text: str, place: int) -> int:
    """How many characters, from the bracket at `place` on, end a link; 1: there is none, 0: that is not known yet."""
    following = text[place + 1 : place + 2]
    if following == "[":
        if found := _NAME.match(text, place + 1):
            return found.end() - place
        begun = _BEGUN_NAME.match(text, place + 1)
        return 0 if begun and begun.end() == len(text) else 1
    if following and following != "(":
        return 1
    end = _address_end(text[: place + LONGEST], place + 2) if following else None
    if end is None:
        return 0 if len(text) - place < LONGEST else 1
    return 1 if not end or _OTHER_BLOCK.search(text, place, end) else end - place


def _address_end(text: str, place: int) -> int | None:
    """Just behind the address that begins there; 0 where there is none, None where the text is too short to know."""
    place = _spaces(text, place)
    if text[place : place + 1] == "<":
        pointed = _POINTED.match(text, place)
        place = pointed.end() if pointed else place
        if text[place - 1] != ">":
            return None if place == len(text) else 0
    else:
        place = _bare(text, place)
        if not place:
            return 0
    after = _spaces(text, place)
    sign = text[after : after + 1]
    if sign in _TITLES and after > place:
        title = _TITLES[sign].match(text, after)
        if title is None:
            return None
        after = _spaces(text, title.end())
        sign = text[after : after + 1]
    if not sign:
        return None
    return after + 1 if sign == ")" else 0


def _bare(text: str, place: int) -> int:
    """Where an address without pointed brackets ends; 0 where its brackets are too many."""
    depth = 0
    while True:
        if plain := _PLAIN.match(text, place):
            place = plain.end()
        sign = text[place : place + 1]
        if sign not in ("(", ")") or (sign == ")" and not depth):
            return place
        depth += 1 if sign == "(" else -1
        if depth > _DEEPEST:
            return 0
        place += 1


def _spaces(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
