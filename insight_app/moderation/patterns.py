"""Patterns and detectors of all rules, a few RE2 searches together, over a text that grows.

What a rule matches at a place is what RE2 finds there within the next 200 characters (a detector: within its own
`longest`). So whether something may still match is known from the text's end, which must be no beginning of a match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import re2

from insight_app.moderation.as_shown import Shown
from insight_app.moderation.folding import PLAIN, View
from insight_app.moderation.prefixes import read
from insight_app.moderation.wordlists import NONE, Place
from insight_app.words import N_, _, said_number

LONGEST_MATCH = 200  # characters
LARGEST_PROGRAM = 50_000  # RE2's instructions in one pattern
LARGEST_TOGETHER = 400_000  # and in all that are searched for at once
# (_ANYWHERE, text, from, to) -> [(start, end)], both below 0 where there is none
_Match = Callable[[Any, bytes, int, int], Sequence[tuple[int, int]]]
_ANYWHERE = re2._Anchor.UNANCHORED
MEMORY_BYTES = 8 << 20
MEMORY_TOGETHER_BYTES = 64 << 20
_TOO_LARGE = N_("It is too large: repeat less, or smaller things.")
# What is wrong with a pattern, as RE2 calls it, and in words.
_FAULTS = {
    "missing ]": N_("A ] is missing: “%(part)s”."),
    "missing )": N_("A ) is missing: “%(part)s”."),
    "unexpected )": N_("A ) stands there that no ( belongs to: “%(part)s”."),
    "trailing \\": N_("A backslash at the end stands before nothing."),
    "no argument for repetition operator": N_("There is nothing before “%(part)s” that it could repeat."),
    "bad repetition operator": N_("What is repeated already cannot be repeated by “%(part)s” once more."),
    "invalid repetition size": N_("“%(part)s” is no number of times: at most %(most)s, the smaller number first."),
    "invalid character class": N_("There are no such characters: “%(part)s”."),
    "invalid character class range": N_("There are no such characters: “%(part)s”."),
    "invalid escape sequence": N_("A backslash means nothing there: “%(part)s”."),
    "invalid perl operator": N_("There is no such kind of group: “%(part)s”."),
    "invalid named capture group": N_("This cannot be the name of a group: “%(part)s”."),
    "looks around": N_("Looking ahead or behind is not possible: “%(part)s”."),
    "refers back": N_("Referring back to a group is not possible: “%(part)s”."),
}


def compiled(pattern: str, memory: int = MEMORY_BYTES) -> re2._Regexp:
    """ValueError, with RE2's own reason, where it cannot be."""
    try:
        return re2.compile(pattern, _options(memory))
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(_in_words(error)) from None


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory
    options.never_capture = True
    options.log_errors = False
    return options


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return _("It contains half a character.")
    said = error.args[0]
    fault, _between, part = (said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)).partition(": ")
    if "too large" in fault:
        return _(_TOO_LARGE)
    if part.startswith(("(?=", "(?!", "(?<=", "(?<!")):
        fault = "looks around"
    elif fault == "invalid escape sequence" and part[-1:].isdigit():
        fault = "refers back"
    told = _FAULTS.get(fault, N_("It is not a pattern that RE2 understands (“%(part)s”)."))
    return _(told, part=(part or fault)[:LONGEST_MATCH], most=said_number(1000))


@dataclass(frozen=True)
class Search:
    """What is looked for at each place of a text. `length` says how many characters of what it matches count.

    Where none count, the search goes on as many characters further as `skip` says.
    """

    pattern: str
    longest: int = LONGEST_MATCH
    length: Callable[[str], int] = len
    skip: Callable[[str], int] = lambda text: 1


class Ready:
    """A search made ready, once for all rules that have it."""

    def __init__(self, search: Search) -> None:
        """ValueError with the reason where it cannot be used."""
        self.search = search
        self.expression = compiled(search.pattern)
        self.part = read(search.pattern)
        self.size = max(self.expression.programsize, compiled(self.part.begun).programsize)
        if self.size > LARGEST_PROGRAM:
            raise ValueError(_(_TOO_LARGE))
        if not self.part.least:
            raise ValueError(_("It can match where there is no text at all, so it would match everywhere."))
        if self.part.least > search.longest:
            raise ValueError(
                _("It can only match more than %(limit)s characters, and no match may be longer.", limit=search.longest)
            )

    def look(self, text: str, place: int) -> tuple[int, int, int]:
        """Where from `place` on it is tried first, how many characters count there, and where it is tried next."""
        search = self.search
        rough = self.expression.search(text, place)
        if rough is None:
            return len(text), 0, len(text)
        place = rough.start()
        exact = self.expression.match(text, place, min(place + search.longest, len(text)))
        if exact is None:  # it is longer than it may be
            return place, 0, place + 1
        found = exact.group()
        length = search.length(found)
        return place, length, place + max(length or search.skip(found), 1)


ready = lru_cache(maxsize=3_000)(Ready)  # more than there can be rules: when one changes, only it is made ready again


class _Together:
    """Searches as one expression for what is there and one for what has begun."""

    def __init__(self, searches: list[Ready]) -> None:
        self.searches = searches
        self.longest, self.shortest = searches[-1].search.longest, searches[0].search.longest
        # For every token: RE2 itself, since the object that its module makes of a match costs more than the search.
        self.first: _Match = compiled("|".join(one.part.whole for one in searches), MEMORY_TOGETHER_BYTES)._regexp.Match
        self.begun: _Match = _beginnings(searches)
        self._exactly = {self.longest: self.begun}
        if self.longest != self.shortest:
            self._exactly = {longest: _beginnings(group) for longest, group in _by_longest(searches)}
        self._which = re2.Set.SearchSet(_options(MEMORY_TOGETHER_BYTES))
        for one in searches:
            self._which.Add(one.part.whole)
        self._which.Compile()

    def begun_exactly(self, seen: bytes, text: str, done: int) -> int:
        """As `begun`, in `seen` from the character `done` on, but each no further back than its own longest match."""
        starts = {longest: _bytes(text, max(done, len(text) - longest)) for longest in self._exactly}
        return min(begun(_ANYWHERE, seen, starts[one], len(seen))[0][0] for one, begun in self._exactly.items())

    def those_in(self, text: bytes) -> Sequence[Ready]:
        """The searches that match somewhere in it, perhaps some more."""
        found = [self.searches[number] for number in self._which.Match(text) or ()]
        return found or self.searches  # a set that lacks memory finds nothing and does not say so


def _bytes(text: str, place: int) -> int:
    """The place in UTF-8."""
    return place if text.isascii() else len(text[:place].encode())


def _beginnings(searches: Iterable[Ready]) -> _Match:
    begun = "|".join(one.part.begun for one in searches)
    match: _Match = compiled(f"(?:{begun})\\z", MEMORY_TOGETHER_BYTES)._regexp.Match
    return match


def _by_longest(searches: list[Ready]) -> Iterator[tuple[int, list[Ready]]]:
    for longest, group in groupby(searches, key=lambda one: one.search.longest):
        yield longest, list(group)


class PatternList:
    """All searches of a matcher. Immutable; `Patterns` looks for them in one text."""

    def __init__(self, owned: Iterable[tuple[int, Ready]]) -> None:
        """The numbers of rules, each with one of its searches."""
        self.owners: dict[Ready, list[int]] = {}
        for rule, search in owned:
            self.owners.setdefault(search, []).append(rule)
        self.together: list[_Together] = []
        group: list[Ready] = []
        size = 0
        for one in sorted(self.owners, key=lambda one: one.search.longest):
            size += one.size
            if size > LARGEST_TOGETHER and group:
                self.together.append(_Together(group))
                group, size = [], one.size
            group.append(one)
        if group:
            self.together.append(_Together(group))

    def __bool__(self) -> bool:
        return bool(self.together)


class Patterns:
    """Finds the searches of a pattern list in one growing text."""

    def __init__(self, patterns: PatternList) -> None:
        self._list = patterns
        self._view = View(PLAIN)
        self._open = 0  # everything that begins before is decided
        self._free: dict[int, int] = {}  # rule -> where its last place ended: the next one begins there or later
        self._next: dict[tuple[int, Ready], int] = {}  # where each rule tries each of its searches next

    def as_shown(self) -> tuple[Patterns, Shown]:
        """One that goes on from here with the same text as a page shows it, and its view."""
        other = Patterns(self._list)
        other._view = view = Shown(self._view)
        other._open, other._free, other._next = self._open, dict(self._free), dict(self._next)
        return other, view

    def grow(self, chunk: str, is_all: bool) -> tuple[int, list[Place]]:
        """What was decided, and before which place of the original everything is."""
        view, together = self._view, self._list.together
        view.add(chunk, is_all)
        text, base = view.text, view.start
        seen = text.encode()
        size, done = len(text), self._open - base
        is_ascii = len(seen) == size

        # In bytes: what begins before `start` is decided, what begins from `end` on cannot be yet.
        start, end = done if is_ascii else len(seen) - len(text[done:].encode()), len(seen)
        if not is_all:
            for group in together:
                far = start if size - group.longest <= done else _bytes(text, size - group.longest)
                begun = group.begun(_ANYWHERE, seen, far, len(seen))[0][0]
                if begun < len(seen) and group.shortest < group.longest and size - group.shortest > done:
                    begun = group.begun_exactly(seen, text, done)
                if begun < end:
                    end = begun
        places = NONE
        if end > start:
            place = size if end == len(seen) else end if is_ascii else len(seen[:end].decode())
            hit: list[Ready] = []
            for group in together:
                if 0 <= group.first(_ANYWHERE, seen, start, len(seen))[0][0] < end:
                    hit.extend(group.those_in(seen))
            if hit:
                places = self._choose(hit, place)
            self._open = base + place
            view.forget(self._open - 1)
        return view.began(self._open), places

    def _choose(self, hit: list[Ready], before: int) -> list[Place]:
        """For each rule the first match, the longest there, then what begins after it."""
        places = []
        looked: dict[tuple[Ready, int], tuple[int, int, int]] = {}  # rules that look for the same do so once
        of_rules: dict[int, list[Ready]] = {}
        for one in hit:
            for rule in self._list.owners[one]:
                of_rules.setdefault(rule, []).append(one)
        for rule, searches in of_rules.items():
            for start, end in self._of_rule(rule, searches, before, looked):
                places.append((self._view.began(start), rule, self._view.ended(end)))
        return places

    def _of_rule(
        self, rule: int, searches: list[Ready], before: int, looked: dict[tuple[Ready, int], tuple[int, int, int]]
    ) -> Iterator[tuple[int, int]]:
        """Its places in the view. All its searches go through the text together, so that chunks change nothing."""
        text, base = self._view.text, self._view.start
        free = max(self._open, self._free.get(rule, 0)) - base
        tries = dict.fromkeys(searches, (-1, 0, 0))
        while True:
            for one, tried in tries.items():
                place = max(free, self._next.get((rule, one), 0) - base)
                if tried[0] < place:
                    if (one, place) not in looked:
                        looked[one, place] = one.look(text, place)
                    tries[one] = looked[one, place]
            first = min(place for place, *_ in tries.values())
            if first >= before:
                return
            here = {one: tried for one, tried in tries.items() if tried[0] == first}
            for one, (_first, _length, after) in here.items():
                self._next[rule, one] = base + after
            if length := max(length for _first, length, _after in here.values()):
                free = first + length
                self._free[rule] = base + free
                yield base + first, base + free
