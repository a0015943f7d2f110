"""The screen: a text that grows goes in, what may be shown comes out, and nothing shown is ever taken back.

Everything a rule might still say about a character is waited for, and no longer. What comes out, joined, is what the
rules make of the whole text, however it was cut into chunks; both are the same code.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from insight_app.moderation.as_shown import Shown, has_no_marks
from insight_app.moderation.matcher import Matcher
from insight_app.moderation.patterns import Patterns
from insight_app.moderation.rules import Action, Rule
from insight_app.moderation.wordlists import Place, Words

__all__ = ["Matcher", "Screen", "Screened", "screened"]

WINDOW = 125  # characters that are looked at in one piece; others get a turn after each
REMEMBERED = 10_000  # characters of the text so far in which matches of other rules may begin
Acted = tuple[int, int, Rule]  # from, to, and which rule


class Screen:
    """One text that grows, held to rules. Not for two threads at once."""

    def __init__(self, matcher: Matcher, before: str = "", notes_places: bool = False) -> None:
        """`before` was shown already and stays: of what begins there only the new part is masked or refused."""
        self.refusal: Rule | None = None  # once it is there, nothing comes any more
        self.hits: Counter[str] = Counter()  # the id of a rule -> how often it acted
        self.places: list[Acted] | None = [] if notes_places else None
        self._rules = matcher.rules
        self._finders: list[Words | Patterns] = []
        if matcher.words:
            self._finders.append(Words(matcher.words))
        if matcher.patterns:
            self._finders.append(Patterns(matcher.patterns))
        self._as_shown: list[Words | Patterns] = []  # around Markdown's marks each finder has a second one
        self._views: list[Shown] = []
        self._until: dict[str, int] = {}  # the id of a rule -> where its last place ends
        self._waiting: list[Place] = []  # places that are known, but lie behind something that is not decided
        self._past: list[str] = []  # the text, or its end
        self._held: list[str] = []  # the end of the text that is neither shown nor masked
        self._read, self._first = 0, len(before)
        self._block_end, self._block_rule = -1, ""  # where the last mask ends, and whose label it shows
        self._judged: tuple[Rule, ...] = ()  # rules that have acted already on what began before this screen was there
        self._ready = ""
        for window in _windows(before):
            self._look(window, is_all=False)
        self._decided = self._shown = self._read

    def feed(self, chunk: str) -> str:
        """The text grows by `chunk`: what may be shown now."""
        if self._ready:
            ready, self._ready = self._ready, ""
            return ready + self.feed(chunk)
        if len(chunk) <= WINDOW:
            return self._grow(chunk, is_all=False)
        return "".join(self._grow(window, is_all=False) for window in _windows(chunk))

    def end(self) -> str:
        """The text is complete: the rest of what may be shown."""
        ready, self._ready = self._ready, ""
        return ready + self._grow("", is_all=True)

    def under(self, matcher: Matcher) -> Screen:
        """The same text under other rules from here on. What is held is judged anew; `hits` begins at nothing."""
        held, past = "".join(self._held), "".join(self._past)
        decided = len(past) - (self._read - self._decided)
        other = Screen(matcher, past[:decided][-REMEMBERED:])
        other.refusal, other._ready = self.refusal, self._ready
        other._judged = self._rules
        # A mask may reach into what is not decided. That part stays masked, and what begins in it belongs to the mask.
        other._block_end, other._block_rule = other._read + self._block_end - self._decided, self._block_rule
        other._shown += self._shown - self._decided
        other._until = {id: other._read + until - self._decided for id, until in self._until.items()}
        other._look(past[decided : len(past) - len(held)], is_all=False)
        other._ready += other.feed(held)
        return other

    def _grow(self, chunk: str, is_all: bool) -> str:
        if self.refusal:
            return ""
        decided = self._look(chunk, is_all)
        if decided == self._read and not self._held and not self._waiting:
            self._shown = self._decided = decided
            return chunk
        if chunk:
            self._held.append(chunk)
        if decided <= self._shown and not (self._waiting and self._waiting[0][0] < decided):
            return ""
        return self._release(decided)

    def _look(self, chunk: str, is_all: bool) -> int:
        """The text grows: before which place everything is decided."""
        self._read += len(chunk)
        decided, finders = self._read, self._finders
        if self._views or not has_no_marks(chunk):
            finders = self._both_ways()
        for finder in finders:
            before, places = finder.grow(chunk, is_all)
            if before < decided:
                decided = before
            if places:
                self._wait_for(places)
        if self._views and decided == self._read and all(view.is_plain for view in self._views):
            self._as_shown, self._views = [], []
        self._past.append(chunk)
        if len(self._past) > 1_000:
            self._past = ["".join(self._past)[-(REMEMBERED + self._read - self._decided) :]]
        return decided

    def _both_ways(self) -> list[Words | Patterns]:
        """What looks at the text as written, and as shown."""
        if not self._views:
            pairs = [finder.as_shown() for finder in self._finders]
            self._as_shown, self._views = [finder for finder, _ in pairs], [view for _, view in pairs]
        return self._finders + self._as_shown

    def _wait_for(self, places: list[Place]) -> None:
        first = self._first  # what was shown before this screen was there can't be masked
        for start, rule, end in places:
            if end > first and not (start < first and self._rules[rule] in self._judged):
                self._waiting.append((max(start, first), rule, end))
        self._waiting.sort()

    def _count(self, start: int, end: int, rule: Rule) -> None:
        """Notes that a rule acts; what it finds in the text both as written and as shown is one place."""
        until = self._until.get(rule.id, -1)
        self._until[rule.id] = max(until, end)
        if start >= until:
            self.hits[rule.id] += 1
            if self.places is not None:
                self.places.append((start, end, rule))
        elif self.places is not None:
            last = max(at for at, place in enumerate(self.places) if place[2] is rule)
            self.places[last] = (self.places[last][0], max(until, end), rule)

    def _release(self, decided: int) -> str:
        """What may be shown of the text before `decided`, all of whose places are known."""
        text, begin = "".join(self._held), self._shown
        if not self._waiting:  # nearly always
            self._held = [text[decided - begin :]] if decided < self._read else []
            self._shown = self._decided = decided
            return text[: decided - begin]
        shown, out = begin, []
        acting = bisect_left(self._waiting, (decided,))
        for start, number, end in self._waiting[:acting]:
            rule = self._rules[number]
            self._count(start, end, rule)
            if rule.action is Action.FLAG:
                continue
            if start >= self._block_end:
                out.append(text[shown - begin : start - begin])
                shown = max(shown, start)
            if rule.action is Action.REFUSE:
                self._shown, self.refusal = shown, rule
                return "".join(out)
            if start > self._block_end or (start == self._block_end and rule.id != self._block_rule):
                out.append(rule.label)
                self._block_rule = rule.id
            self._block_end = max(self._block_end, end)
            shown = max(shown, self._block_end)
        if decided > shown:
            out.append(text[shown - begin : decided - begin])
            shown = decided
        del self._waiting[:acting]
        self._held = [text[shown - begin :]] if shown < self._read else []
        self._shown, self._decided = shown, decided
        return "".join(out)


@dataclass(frozen=True)
class Screened:
    """What rules make of a whole text. `places` are those in the original at which a rule acted, in order."""

    text: str
    refusal: Rule | None
    hits: Counter[str]
    places: tuple[Acted, ...]


def screened(matcher: Matcher, text: str) -> Screened:
    """A whole text, held to rules."""
    screen = Screen(matcher, notes_places=True)
    shown = screen.feed(text) + screen.end()
    return Screened(shown, screen.refusal, screen.hits, tuple(screen.places or ()))


def _windows(text: str) -> Iterator[str]:
    for place in range(0, len(text), WINDOW):
        if place:
            time.sleep(0)
        yield text[place : place + WINDOW]
