"""Words and phrases of all rules in one automaton, so that ten thousand cost as much as ten."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import ahocorasick

from insight_app.moderation.as_shown import Shown
from insight_app.moderation.folding import FOLDED, View
from insight_app.words import _

LONGEST_ENTRY = 200  # characters, after folding
Place = tuple[int, int, int]  # (start, the rule's number, end)
Entry = tuple[int, tuple[tuple[int, bool], ...]]  # its length, and of each rule that has it, whether it is a whole word
NONE: list[Place] = []
_SEPARATORS = re.compile(r"[\s,，、،]+")
# Scripts written without spaces: their characters are always whole words to us.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\U00016ff0-\U00018dff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_APART, _WORD, _ALONE, _MARK = range(4)


def entries(text: str, whole_words: bool) -> list[str]:
    """The folded words or lines of a rule's text. ValueError where one cannot be looked for."""
    written = _SEPARATORS.split(text) if whole_words else text.splitlines()
    found = []
    for entry in filter(None, (entry.strip() for entry in written)):
        folded = FOLDED(entry).strip()
        if not folded:
            raise ValueError(_("“%(entry)s” has no character that can be seen.", entry=entry[:40]))
        if len(folded) > LONGEST_ENTRY:
            raise ValueError(
                _("“%(entry)s…” is longer than %(limit)s characters.", entry=entry[:40], limit=LONGEST_ENTRY)
            )
        found.append(folded)
    return list(dict.fromkeys(found))


def _kind(character: str) -> int:
    if character == "_" or character.isalnum():
        return _ALONE if _SPACELESS.match(character) else _WORD
    return _MARK if unicodedata.category(character)[0] == "M" else _APART


@lru_cache(maxsize=20_000)
def are_one_word(first: str, second: str) -> bool:
    """Whether there is no boundary of words between two characters that follow each other, seen folded."""
    kinds = _kind(first), _kind(second)
    return kinds in ((_WORD, _WORD), (_MARK, _WORD)) or continues(first, second)


def continues(first: str, second: str) -> bool:
    """Whether the second belongs to the same letter as the first: a vowel sign, a voicing mark, a Hangul vowel."""
    if first < "\u0590":  # Latin, Greek and Cyrillic letters are done with what follows: no way out for "bad" + a mark
        return False
    return _kind(second) == _MARK or "\u1160" <= second <= "\u11ff" or "\ud7b0" <= second <= "\ud7ff"


class Wordlist:
    """All entries of a matcher. Immutable; `Words` looks for them in one text."""

    def __init__(self, owned: Iterable[tuple[int, bool, Sequence[str]]]) -> None:
        """For each rule its number, whether it wants whole words, and its folded entries."""
        owners: dict[str, list[tuple[int, bool]]] = {}
        for rule, whole_words, texts in owned:
            for text in texts:
                owners.setdefault(text, []).append((rule, whole_words))
        self.automaton = ahocorasick.Automaton()
        self.anywhere = ahocorasick.Automaton()  # those that are not only whole words
        for text, their in owners.items():
            self.automaton.add_word(text, (len(text), tuple(their)))
            if not all(whole_words for _, whole_words in their):
                self.anywhere.add_word(text, None)
        if owners:
            self.automaton.make_automaton()
        self.shortest = min(map(len, owners), default=0)
        self.longest = max(map(len, owners), default=0)

    def __bool__(self) -> bool:
        return self.longest > 0


class Words:
    """Finds the entries of a word list in one growing text."""

    def __init__(self, wordlist: Wordlist) -> None:
        self._list = wordlist
        self._view = View(FOLDED)
        self._open = 0  # everything that begins before is decided
        self._free: dict[int, int] = {}  # rule -> where its last place ended: the next one begins there or later

    def as_shown(self) -> tuple[Words, Shown]:
        """One that goes on from here with the same text as a page shows it, and its view."""
        other = Words(self._list)
        other._view = view = Shown(self._view)
        other._open, other._free = self._open, dict(self._free)
        return other, view

    def grow(self, chunk: str, is_all: bool) -> tuple[int, list[Place]]:
        """What was decided, and before which place of the original everything is."""
        view, lists = self._view, self._list
        view.add(chunk, is_all)
        text, done, size = view.text, self._open - view.start, len(view.text)
        # What begins further back than an entry is long is complete, so it need not be asked what has begun there.
        place = size if is_all else max(done, size - lists.longest)
        may_be_found = place > done
        depth_of = lists.automaton.longest_prefix  # how far into some entry a text goes, from its beginning on
        while place < size:
            depth = depth_of(text[place:])
            if depth >= lists.shortest:
                may_be_found = True
            if depth == size - place and (
                not place or not are_one_word(text[place - 1], text[place]) or lists.anywhere.match(text[place:])
            ):
                break
            place += 1
        places = NONE
        if place > done:
            if may_be_found:
                places = self._choose(done, place)
            self._open = view.start + place
            view.forget(self._open - 1)
        return view.began(self._open), places

    def _choose(self, done: int, before: int) -> list[Place]:
        """For each rule the first place from `done` on, and the longest there, then what begins after it."""
        view = self._view
        # Anew each time: an iterator that goes on with `set` damages memory (pyahocorasick 2.3.1, beyond U+FFFF).
        found = self._list.automaton.iter(view.text[done:])
        spans = [(done + last + 1 - length, done + last + 1, owners) for last, (length, owners) in found]
        spans = sorted((span for span in spans if span[0] < before), key=lambda span: (span[0], -span[1]))
        places = []
        for first, after, owners in spans:
            start, end = view.start + first, view.start + after
            for rule, whole_words in owners:
                if start >= self._free.get(rule, 0) and self._stands(first, after, whole_words):
                    self._free[rule] = end
                    places.append((view.began(start), rule, view.ended(end)))
        return places

    def _stands(self, first: int, after: int, whole_words: bool) -> bool:
        """Whether an entry that is seen there has the boundaries that it needs."""
        text = self._view.text
        if after < len(text) and (are_one_word if whole_words else continues)(text[after - 1], text[after]):
            return False
        return not (whole_words and first and are_one_word(text[first - 1], text[first]))
