"""Holds a growing text to rules: for now all of it is held back until its end where there is any rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from insight_app.moderation.rules import Action, Kind, Rule


class Matcher:
    """Rules, compiled."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.found = [(rule, re.compile(_source(rule), re.IGNORECASE)) for rule in rules]


@dataclass(frozen=True)
class Screened:
    """A whole text as the rules leave it; `places` are (start, end, rule) in the text as it was."""

    text: str
    refusal: Rule | None = None
    hits: Counter[str] = field(default_factory=Counter)
    places: Sequence[tuple[int, int, Rule]] = ()


class Screen:
    """A text that grows."""

    def __init__(self, matcher: Matcher, before: str = "") -> None:
        self._matcher = matcher
        self._held = ""
        self.hits: Counter[str] = Counter()
        self.refusal: Rule | None = None

    def feed(self, chunk: str) -> str:
        if not self._matcher.rules:
            return chunk
        self._held += chunk
        return ""

    def end(self) -> str:
        found = screened(self._matcher, self._held)
        self._held = ""
        self.refusal = found.refusal
        self.hits += found.hits
        return found.text

    def under(self, matcher: Matcher) -> Screen:
        other = Screen(matcher)
        other._held = self._held
        return other


def screened(matcher: Matcher, text: str) -> Screened:
    """The whole text at once."""
    hits: Counter[str] = Counter()
    places: list[tuple[int, int, Rule]] = []
    for rule, pattern in matcher.found:
        for match in pattern.finditer(text):
            hits[rule.id] += 1
            places.append((match.start(), match.end(), rule))
            if rule.action is Action.REFUSE:
                return Screened(text[: match.start()], rule, hits, places)
        if rule.action is Action.MASK:
            text = pattern.sub(rule.label, text)
    return Screened(text, None, hits, places)


def _source(rule: Rule) -> str:
    if rule.kind is Kind.PATTERN:
        return rule.text
    if rule.kind is Kind.PHRASE:
        return "|".join(re.escape(line) for line in rule.text.splitlines() if line)
    if rule.kind is Kind.PERSONAL:
        return r"(?:\d[ -]?){13,19}"
    return r"\b(?:" + "|".join(re.escape(word) for word in re.split(r"[\s,]+", rule.text) if word) + r")\b"
