"""Patterns and detectors of all rules, a few RE2 searches together, over a text that grows.

What a rule matches at a place is what RE2 finds there within the next 200 characters (a detector: within its own
`longest`). So whether something may still match is known from the text's end, which must be no beginning of a match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import re2

from insight_app.moderation.folding import PLAIN, View
from insight_app.moderation.prefixes import read
from insight_app.moderation.wordlists import NONE, Place

LONGEST_MATCH = 200  # characters
LARGEST_PROGRAM = 20_000  # RE2's instructions in one pattern
LARGEST_TOGETHER = 400_000  # and in all that are searched for at once
MEMORY_BYTES = 8 << 20
MEMORY_TOGETHER_BYTES = 128 << 20


def compiled(pattern: str, memory: int = MEMORY_BYTES) -> re2._Regexp:
    """ValueError, with RE2's own reason, where it cannot be."""
    options = re2.Options()
    options.max_mem = memory
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "It contains half a character."
    reason = error.args[0]
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    if "invalid perl operator: (?=" in text or "invalid perl operator: (?!" in text or "(?<" in text:
        return f"Looking ahead or behind is not possible ({text})."
    if "invalid escape sequence" in text and text[-1:].isdigit():
        return f"Referring back to a group is not possible ({text})."
    if "too large" in text:
        return "It is too large: repeat less, or smaller things."
    return f"It is not a pattern that RE2 understands ({text})."


@dataclass(frozen=True)
class Search:
    """One pattern of a rule. `length` says how many characters of what it matches count, 0 for none; None: all."""

    rule: int
    pattern: str
    longest: int = LONGEST_MATCH
    length: Callable[[str], int] | None = None


class _Compiled:
    """A search made ready."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.expression = compiled(search.pattern)
        if self.expression.programsize > LARGEST_PROGRAM:
            raise ValueError("It is too large: repeat less, or smaller things.")
        self.part = read(search.pattern)
        if not self.part.least:
            raise ValueError("It can match where there is no text at all, so it would match everywhere.")
        if self.part.least > search.longest:
            raise ValueError(f"It can only match more than {search.longest} characters, and no match may be longer.")

    def first(self, text: str, place: int, before: int) -> tuple[int, int] | None:
        """Start and end of the first match that begins from `place` on and before `before`."""
        while place < before:
            rough = self.expression.search(text, place)
            if rough is None or rough.start() >= before:
                return None
            place = rough.start()
            exact = self.expression.match(text, place, min(place + self.search.longest, len(text)))
            if exact is not None:
                if self.search.length is None:
                    return place, exact.end()
                length = self.search.length(exact.group())
                if length > 0:
                    return place, place + length
            place += 1
        return None


class _Together:
    """Searches of one longest match, as one expression for what is there and one for what has begun."""

    def __init__(self, searches: list[_Compiled]) -> None:
        self.longest = searches[0].search.longest
        self.whole = compiled("|".join(search.part.whole for search in searches), MEMORY_TOGETHER_BYTES)
        begun = "|".join(search.part.begun for search in searches)
        self.begun = compiled(f"(?:{begun})\\z", MEMORY_TOGETHER_BYTES)
        self.rules = {search.search.rule for search in searches}


class PatternList:
    """All searches of a matcher. Immutable; `Patterns` looks for them in one text."""

    def __init__(self, searches: Iterable[Search]) -> None:
        """ValueError for a pattern that cannot be used."""
        ready = [_Compiled(search) for search in searches]
        self.of_rule: dict[int, list[_Compiled]] = {}
        for one in ready:
            self.of_rule.setdefault(one.search.rule, []).append(one)
        self.together = [_Together(group) for group in _groups(ready)]

    def __bool__(self) -> bool:
        return bool(self.together)


def _groups(searches: list[_Compiled]) -> Iterable[list[_Compiled]]:
    group: list[_Compiled] = []
    size = 0
    for search in sorted(searches, key=lambda search: search.search.longest):
        size += search.expression.programsize
        if group and (group[0].search.longest != search.search.longest or size > LARGEST_TOGETHER):
            yield group
            group, size = [], search.expression.programsize
        group.append(search)
    if group:
        yield group


class Patterns:
    """Finds the searches of a pattern list in one growing text."""

    def __init__(self, patterns: PatternList) -> None:
        self._list = patterns
        self._view = View(PLAIN)
        self._free: dict[int, int] = {}  # rule -> where its last place ended: the next one begins there or later
        self._open = 0  # everything that begins before is decided

    def grow(self, chunk: str, is_all: bool) -> tuple[int, list[Place]]:
        """What was decided, and before which place of the original everything is."""
        view = self._view
        view.add(chunk)
        text, base = view.text, view.start
        size = len(text)
        done = self._open - base
        seen: str | bytes = text.encode() if text.isascii() else text  # bytes are searched faster, at the same places
        place = size
        if not is_all:
            for together in self._list.together:
                begun = together.begun.search(seen, max(done, size - together.longest))
                if begun is not None:
                    place = min(place, begun.start())
        places = NONE
        if place > done:
            hit: set[int] = set()
            for together in self._list.together:
                found = together.whole.search(seen, done)
                if found is not None and found.start() < place:
                    hit |= together.rules
            if hit:
                places = self._choose(hit, done, place)
            self._open = base + place
            view.forget(self._open - 1)
        return view.began(self._open), places

    def _choose(self, rules: set[int], done: int, before: int) -> list[Place]:
        """For each rule the first match, the longest there, then what begins after it."""
        text, base = self._view.text, self._view.start
        places = []
        for rule in sorted(rules):
            searches = self._list.of_rule[rule]
            place = max(done, self._free.get(rule, 0) - base)
            while True:
                found = [match for search in searches if (match := search.first(text, place, before))]
                if not found:
                    break
                start, place = min(found, key=lambda match: (match[0], -match[1]))
                places.append((self._view.began(base + start), rule, self._view.ended(base + place)))
                self._free[rule] = base + place
        return places
