"""How the screen looks at a text as a page shows it: Markdown's marks, escapes and entities inside words read away.

Where a text has no such marks this is what the other ways of looking see, so it is looked at only around them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import unescape
from html.entities import html5

from insight_app.moderation.folding import View
from insight_app.moderation.link_ends import link_end

# Any of these may mean that a page shows something else than what is written.
has_no_marks: Callable[[str], bool] = frozenset("*_`~&\\[]!>$").isdisjoint
_MARK = re.compile(r"[*_`~&\\\[\]!>$]")
_DROPPED = frozenset("*`~[$")
_ESCAPABLE = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_NUMBER = re.compile(r"&(?:#(?:\d{0,7}|[xX][0-9a-fA-F]{0,6}))?")
_LONGEST_JOINT = 3  # marks between two letters that may be a part of a name: snake__case


@cache  # a megabyte, for who has rules that meet an "&"
def _begun_names() -> frozenset[str]:
    """How a name of an entity may begin."""
    return frozenset("&" + name[:end] for name in html5 if name.endswith(";") for end in range(1, len(name)))


class Shown(View):
    """A growing text as a page shows it, from where another view of it stands.

    Marks that a page would leave are read away too: who looks for what is forbidden looks at the text as written as
    well.
    """

    __slots__ = ("_after_mark", "_pending", "_widths", "is_plain")

    def __init__(self, other: View) -> None:
        super().__init__(other._folding)
        self._marks = list(other._marks)
        self._spaced = other._spaced
        self.text, self.start, self.end, self.read = other.text, other.start, other.end, other.read
        self._pending = ""  # what may mean one thing or another, depending on what follows
        self._widths: dict[int, int] = {}  # of what is written with more than one character, by its position here
        self._after_mark = False
        self.is_plain = False  # whether from here on, up to the next mark, it is as the other ways of looking see it

    def add(self, chunk: str, is_all: bool = False) -> str:
        text, self._pending = self._pending + chunk, ""
        place, before = 0, len(self.text)
        while place < len(text):
            mark = _MARK.search(text, place)
            end = mark.start() if mark else len(text)
            if end > place:
                if super().add(text[place:end]):
                    self.is_plain, self._after_mark = True, False
                place = end
                continue
            width = self._next(text, place, is_all)
            if not width:
                self._pending, self.is_plain = text[place:], False
                break
            place += width
        return self.text[before:]

    def ended(self, position: int) -> int:
        """Where in the original the character ends that is seen just before: marks that follow are not its."""
        return self.began(position - 1) + self._widths.get(position - 1, 1)

    def forget(self, position: int) -> None:
        before = self.start
        super().forget(position)
        if self._widths and self.start != before:
            self._widths = {at: width for at, width in self._widths.items() if at >= self.start}

    def _next(self, text: str, place: int, is_all: bool) -> int:
        """Reads what stands at `place`; how many characters that are, 0 where it depends on what follows."""
        character = text[place]
        if character == "]":
            width = link_end(text, place)
            return 0 if not width and not is_all else self._drop(width or 1)
        if character in _DROPPED:
            return self._drop(1)
        if character == ">" and (not self.end or self.text[-1:].isspace()):
            return self._drop(1)
        if character in "&\\!_":
            return self._undecided(text, place, is_all)
        return self._see(character, 1)

    def _undecided(self, text: str, place: int, is_all: bool) -> int:
        character, following = text[place], text[place + 1 : place + 2]
        if character == "&":
            return self._entity(text, place, is_all)
        if character == "_":
            return self._joint(text, place, is_all)
        if not following and not is_all:
            return 0
        if character == "!":
            return self._drop(1) if following == "[" else self._see("!", 1)
        if following and following in _ESCAPABLE:
            return self._see(following, 2)
        return self._see("\\", 1)

    def _entity(self, text: str, place: int, is_all: bool) -> int:
        if found := _ENTITY.match(text, place):
            whole = found.group()
            means = unescape(whole) if whole[1] == "#" or whole[1:] in html5 else whole
            return self._see(means, len(whole)) if means != whole else self._see("&", 1)
        rest = text[place:]
        if not is_all and (rest in _begun_names() or _NUMBER.fullmatch(rest)):
            return 0
        return self._see("&", 1)

    def _joint(self, text: str, place: int, is_all: bool) -> int:
        """A line between letters is a part of a name, as a page shows it; others are marks."""
        before = self.text[-1:]
        if self._after_mark or not before.isalnum():
            return self._drop(1)
        end = place
        while text[end : end + 1] == "_" and end - place < _LONGEST_JOINT:
            end += 1
        if end == len(text) and not is_all:
            return 0
        if text[end : end + 1].isalnum():
            for _ in range(end - place):
                self._see("_", 1)
            return end - place
        return self._drop(end - place)

    def _drop(self, width: int) -> int:
        self.read += width
        self.is_plain, self._after_mark = False, True
        return width

    def _see(self, means: str, width: int) -> int:
        """Something that is written with so many characters."""
        fold = self._folding.table.fold
        for character in means:
            folded = fold(character)
            if self._spaced and self._folding.joins_spaces:
                folded = folded.removeprefix(" ")
            for part in folded:
                last, its_original = self._marks[-1]
                if self.end - last != self.read - its_original:
                    self._marks.append((self.end, self.read))
                if width > 1:
                    self._widths[self.end] = width
                self.end += 1
                self.text += part
            if folded:
                self._spaced = folded[-1] == " "
                self._after_mark = width > 1
            self.is_plain = bool(folded) and width == 1
        self.read += width
        return width
