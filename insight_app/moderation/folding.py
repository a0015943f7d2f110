"""How the screen looks at a text: letters without their disguises, each remembering the place it came from.

Two ways of looking. FOLDED is for words and phrases: what looks alike is alike. PLAIN is for patterns: the text as it
was written, but without what nobody can see.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable

# Letters that look like Latin ones, after case has been folded. Rules are folded too, so a Russian rule works as well.
_LOOKALIKES = dict(
    zip(
        "авеёзіјкмнорсѕтухһԁԛԝьѵґүү" + "αβεηικνορτυχωγϲϳ" + "ıɡɑøłđħŀƒʟʀɪɴʙʜ" + "օոսհց",
        "abee3ijkmhopcstyxhdqwbvryy" + "abenikvoptuxwycj" + "igaoldhlflrinbh" + "onuhg",
        strict=True,
    )
)
# Unicode's Default_Ignorable_Code_Point beyond category Cf: fillers, variation selectors, joiners.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2065\u3164\uffa0")
_TATWEEL = "\u0640"  # stretches an Arabic word and means nothing
_ODD = "\uffff"  # marks in a table: this character does not become exactly one
_SPARE = 100  # characters that a view may hold without need
_IN_TABLE = 0x10000  # rarer characters are folded each time, so that nobody can fill the memory with a table


def is_invisible(character: str) -> bool:
    """Whether it takes no place: joiners, direction marks, soft hyphens, variation selectors, tags."""
    return (
        unicodedata.category(character) == "Cf"
        or character in _INVISIBLE
        or "\ufe00" <= character <= "\ufe0f"
        or "\ufff0" <= character <= "\ufff8"
        or "\U000e0000" <= character <= "\U000e0fff"
    )


def _folded(character: str) -> str:
    """What a character is for words and phrases; "" for what is not seen, " " for every kind of space."""
    if character.isspace():
        return " "
    if is_invisible(character) or character == _TATWEEL:
        return ""
    whole = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    if whole.startswith(" "):  # an accent that stands alone is a sign of its own
        return character
    kept = (_LOOKALIKES.get(part, part) for part in whole if _counts(part))
    return "".join(" " if part.isspace() else part for part in kept)


def _counts(part: str) -> bool:
    """Whether a part of a letter matters. Accents don't; vowel signs of Indic scripts and the voicing of kana do."""
    category = unicodedata.category(part)
    if category in ("Me", "Cc") or is_invisible(part):
        return False
    return unicodedata.combining(part) in (0, 7, 8, 9)


def _plain(character: str) -> str:
    """What a character is for patterns: always itself, unless it is invisible or a wide or mathematical form."""
    if is_invisible(character):
        return ""
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"  # half a character, which no pattern can match
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    if kind in ("<wide>", "<narrow>", "<font>", "<noBreak>") and " " not in code:
        return chr(int(code, 16))
    return character


class _Table(dict[int, str]):
    """Fills itself with what str.translate asks for: one character, or _ODD where it takes more or fewer."""

    def __init__(self, fold: Callable[[str], str]) -> None:
        super().__init__()
        self._fold = fold
        self._odd: dict[str, str] = {}

    def __missing__(self, code: int) -> str:
        folded = self._fold(chr(code))
        one = folded if len(folded) == 1 else _ODD
        if code < _IN_TABLE:
            self[code] = one
        return one

    def fold(self, character: str) -> str:
        """What it becomes, exactly."""
        one = self[ord(character)]
        if one != _ODD:
            return one
        folded = self._odd.get(character)
        if folded is None:
            folded = self._fold(character)
            if character < "\U00010000":
                self._odd[character] = folded
        return folded


class Folding:
    """One way to look at texts."""

    def __init__(self, fold: Callable[[str], str], joins_spaces: bool) -> None:
        self.table = _Table(fold)
        self.joins_spaces = joins_spaces
        self.is_ascii_itself = all(fold(chr(code)) == chr(code) for code in range(128))
        self.is_print_lower = all(fold(chr(code)) == chr(code).lower() for code in range(32, 127))

    def __call__(self, text: str) -> str:
        """A whole text as it is seen this way."""
        view = View(self)
        view.add(text)
        return view.text


class View:
    """A growing text as it is seen through a folding. Positions count what is seen, from the text's beginning.

    `text` is the part that is still needed; it is seen from `start` to `end`. `read` is how long the original is.
    """

    __slots__ = ("_folding", "_marks", "_spaced", "end", "read", "start", "text")

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._marks = [(0, 0)]  # (position here, position in the original), from which on both go on in step
        self._spaced = False
        self.text = ""
        self.start = self.end = self.read = 0

    def add(self, chunk: str, is_all: bool = False) -> str:
        """Let the text grow; what became of `chunk`. `is_all`: nothing follows."""
        folding = self._folding
        if not chunk.isascii():
            seen = chunk.translate(folding.table)
        elif folding.is_ascii_itself:
            seen = chunk
        else:  # to lower letters costs a fifth of looking up each
            seen = chunk.lower() if folding.is_print_lower and chunk.isprintable() else chunk.translate(folding.table)
        if _ODD in seen or (folding.joins_spaces and ("  " in seen or (self._spaced and seen[:1] == " "))):
            seen = self._one_by_one(chunk)
        elif seen:
            last, its_original = self._marks[-1]
            if self.end - last != self.read - its_original:
                self._marks.append((self.end, self.read))
            self.read += len(chunk)
            self.end += len(chunk)
        if seen:
            self._spaced = seen[-1] == " "
            self.text += seen
        return seen

    def _one_by_one(self, chunk: str) -> str:
        fold, joins_spaces, spaced = self._folding.table.fold, self._folding.joins_spaces, self._spaced
        seen = []
        for character in chunk:
            folded = fold(character)
            if spaced and joins_spaces:
                folded = folded.removeprefix(" ")
            for part in folded:
                last, its_original = self._marks[-1]
                if self.end - last != self.read - its_original:
                    self._marks.append((self.end, self.read))
                self.end += 1
                seen.append(part)
            if folded:
                spaced = folded[-1] == " "
            self.read += 1
        return "".join(seen)

    def began(self, position: int) -> int:
        """Where in the original that begins which is seen at `position`; at the end: the original's length so far."""
        if position >= self.end:
            return self.read
        here, original = self._marks[-1]
        if position < here:
            here, original = self._marks[bisect_right(self._marks, (position, self.read)) - 1]
        return original + position - here

    def ended(self, position: int) -> int:
        """Where in the original that ends which is seen just before `position`, with all unseen that follows."""
        return max(self.began(position), self.began(position - 1) + 1)

    def forget(self, position: int) -> None:
        """What is seen before `position` is needed no more. A little of it stays, since copying costs too."""
        if position - self.start > _SPARE:
            self.text = self.text[position - self.start :]
            self.start = position
            del self._marks[: bisect_right(self._marks, (position, self.read)) - 1]


FOLDED = Folding(_folded, joins_spaces=True)
PLAIN = Folding(_plain, joins_spaces=False)
