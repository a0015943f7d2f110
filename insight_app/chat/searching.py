"""What somebody searches for, as words and phrases; and where in a text those stand.

Letters are compared without case and accents. Scripts that set no spaces between words (Chinese, Japanese, Thai ...),
and what has no letter at all, are looked for as they stand, anywhere in a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from insight_app.chat.plain import unmarked

LONGEST, MOST_TERMS = 300, 12
LOOKED_THROUGH = 200_000
BEFORE, AROUND = 60, 220  # characters of a text that are shown
MARKS = "\u0300-\u036f"  # accents that are characters of their own
# No spaces stand between words in these: Thai, Lao, Myanmar, Khmer, Japanese, Chinese with its extensions.
SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# The quotation marks of all languages, which pages show and phones put in by themselves.
_QUOTES = dict.fromkeys(map(ord, "“”„«»"), '"')
_TERM = re.compile(r'"([^"]*)("|$)|([^\s"]+)')
# Letters and digits, and signs that belong to letters: accents, Hebrew and Arabic vowels, the scripts of India.
_LETTER = f"(?:[^\\W_]|[{MARKS}\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff])"
_WORD = re.compile(f"{_LETTER}+")
# The first is no accent: those belong to the word before, and which of a hundred thousand do would be tried for hours.
_BETWEEN = f"(?:[^\\w{MARKS}]|_)(?:[^\\w]|_)*"
_MARKS = re.compile(f"[{MARKS}]")
_SPACES = re.compile(r"\s+")


class _Folding(dict[int, int]):
    """A character for each, so that places stay: É is e. What would be several stays what it is."""

    def __missing__(self, code: int) -> int:
        plain = _without_marks(unicodedata.normalize("NFD", chr(code)).lower())
        found = ord(plain) if len(plain) == 1 else code
        self[code] = found
        return found


_FOLDING = _Folding()


def folded(text: str) -> str:
    """Without case and accents, and just as long."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


@dataclass(frozen=True, slots=True)
class Term:
    """Something that a text must have.

    `words` are those of `text`, one after the other, the last of which may only begin so where `is_prefix`. Without
    words it is `text`, as it stands, anywhere.
    """

    text: str
    words: tuple[str, ...] = ()
    is_prefix: bool = False

    @property
    def pattern(self) -> str:
        if not self.words:
            return re.escape(folded(self.text))
        words = ["".join(f"{re.escape(each)}[{MARKS}]*" for each in word) for word in self.words]
        end = "" if self.is_prefix else f"(?!{_LETTER})"
        return f"(?<!{_LETTER})" + _BETWEEN.join(words) + end


@dataclass(frozen=True, slots=True)
class Search:
    """All of these are to be in a text; nothing is found by none."""

    terms: tuple[Term, ...] = ()

    @property
    def words(self) -> list[Term]:
        return [term for term in self.terms if term.words]

    @property
    def as_it_stands(self) -> list[Term]:
        return [term for term in self.terms if not term.words]

    def matcher(self) -> Callable[[str], bool]:
        """Tells of a text whether all of it is there."""
        searches = [re.compile(term.pattern).search for term in self.terms]

        def matches(text: str) -> bool:
            there = folded(text)
            for search in searches:  # all() takes twice as long, and there may be ten thousand texts
                if not search(there):
                    return False
            return bool(searches)

        return matches


def parse(given: str) -> Search:
    """What was typed, whatever it is: quotes make phrases, the last word may be begun only, the rest is words.

    No character of it has a meaning to a database.
    """
    given = unicodedata.normalize("NFC", given[: 2 * LONGEST].replace("\0", " "))[:LONGEST].rstrip()
    found: dict[Term, None] = {}
    for match in _TERM.finditer(given.translate(_QUOTES)):
        quoted = match.group(1) is not None
        text = " ".join((match.group(1) if quoted else match.group(3)).split())
        is_last = match.end() == len(given) and not (quoted and match.group(2))
        if text:
            found[_term(text, is_prefix=is_last)] = None
    return Search(tuple(found)[:MOST_TERMS])


def _term(text: str, *, is_prefix: bool) -> Term:
    words = tuple(_plain(word) for word in _WORD.findall(text))
    words = tuple(word for word in words if word)
    if not words or SPACELESS.search(text):
        return Term(text)
    # A single letter begins too much.
    return Term(text, words, is_prefix and len(words[-1]) > 1)


def _plain(word: str) -> str:
    return _without_marks(folded(word))


def _without_marks(text: str) -> str:
    return _MARKS.sub("", text)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some of a text: its pieces, each with whether it is what was searched for."""

    pieces: Sequence[tuple[str, bool]]


def excerpt(text: str, search: Search, size: int = AROUND, *, is_markdown: bool = False) -> Excerpt:
    """The first place of a text that has something of it, with what stands around; not looked for very far down.

    Of Markdown it is what somebody reads, not its marks.
    """
    text = text[:LOOKED_THROUGH]
    if not search.terms:
        return Excerpt(_cut(text, 0, size, []))
    pattern = re.compile("|".join(f"(?:{term.pattern})" for term in search.terms))
    there = folded(text)
    first = pattern.search(there)
    begin = max(0, first.start() - BEFORE) if first else 0
    if begin and (space := text.find(" ", begin, begin + BEFORE // 2)) >= 0:
        begin = space + 1
    end = min(len(text), begin + size)
    hits = [match.span() for match in pattern.finditer(there, begin, end + 50) if match.end() <= end + 50]
    end = max(end, hits[0][1] if hits else end)
    if is_markdown:
        text, end, hits = unmarked(text, begin, end, [(start, min(stop, end)) for start, stop in hits if start < end])
    return Excerpt(_cut(text, begin, end, hits))


def _cut(text: str, begin: int, end: int, hits: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    return list(_pieces(text, begin, end, hits))


def _pieces(text: str, begin: int, end: int, hits: Sequence[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    if begin:
        yield "…", False
    at = begin
    for start, stop in hits:
        if start >= end or stop <= start:
            continue
        if start > at:
            yield _SPACES.sub(" ", text[at:start]), False
        yield _SPACES.sub(" ", text[start : min(stop, end)]), True
        at = min(stop, end)
    if at < end:
        yield _SPACES.sub(" ", text[at:end]), False
    if end < len(text):
        yield "…", False
