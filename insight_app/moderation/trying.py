"""What the rules would do with a text, shown place by place; also when it comes in small pieces, as answers do."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat

from insight_app.moderation.matcher import Matcher, UnusableRule
from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rules import Action, Rule, Scope
from insight_app.moderation.screen import Screen, Screened, screened
from insight_app.words import _

LONGEST = 20_000  # characters
LARGEST_PIECE = 7  # characters: about a token
LET_OTHERS_RUN = 500  # pieces after which other threads have a turn
STRICTNESS = (Action.REFUSE, Action.MASK, Action.FLAG)
Place = tuple[int, int, Rule]


@dataclass(frozen=True)
class Piece:
    """A part of the text as it was written; `rule` decides what happens to it, None: nobody minds it."""

    text: str
    rule: Rule | None


@dataclass(frozen=True)
class Tried:
    """`becomes` is what would be sent or shown; `is_steady` whether it is the same in small pieces."""

    scope: Scope
    pieces: Sequence[Piece]
    becomes: str
    refusal: Rule | None
    times: Sequence[tuple[Rule, int]]
    is_steady: bool

    @property
    def is_changed(self) -> bool:
        return self.becomes != "".join(piece.text for piece in self.pieces)


def tried(rules: Iterable[Rule], scope: Scope, text: str, chance: random.Random | None = None) -> Tried:
    """Raises UnusableRule where a rule cannot be applied. `text` is of at most LONGEST characters."""
    mine = [rule for rule in rules if rule.looks_at(scope)]
    matcher = Matcher(mine)
    whole = screened(matcher, text)
    chance = chance or random.Random()
    sizes: list[Iterator[int]] = [repeat(size) for size in range(1, LARGEST_PIECE + 1)]
    sizes += [iter(lambda: chance.randint(1, LARGEST_PIECE), None)] * 3
    by_id = {rule.id: rule for rule in mine}
    return Tried(
        scope=scope,
        pieces=list(_pieces(mine, whole.places, text)),
        becomes=whole.text,
        refusal=whole.refusal,
        times=[(by_id[id], times) for id, times in whole.hits.items() if times],
        is_steady=all(_in_pieces(matcher, text, each) == _result(whole) for each in sizes),
    )


def tried_in(lines: Sequence[Line], edited: Rule | None, scope: Scope, text: str) -> Tried | str:
    """What the list's rules do, with the `edited` one in its place or as the last; or why they let nothing through."""
    others = [line for line in lines if edited is None or line.id != edited.id]
    for line in others:
        if line.rule is None and line.is_on:
            return _("Nothing is let through: “%(rule)s” cannot be used.", rule=line.name)
    rules = [edited if edited and line.id == edited.id else line.rule for line in lines]
    if edited and len(others) == len(lines):
        rules.append(edited)
    try:
        return tried([rule for rule in rules if rule], scope, text)
    except UnusableRule as error:
        told = _("Nothing is let through: “%(rule)s” cannot be used.", rule=error.rule.name)
        return f"{told} {error.reason}"


Result = tuple[str, str, Counter[str]]


def _result(whole: Screened) -> Result:
    return whole.text, whole.refusal.id if whole.refusal else "", whole.hits


def _in_pieces(matcher: Matcher, text: str, sizes: Iterator[int]) -> Result:
    screen, at = Screen(matcher), 0
    shown: list[str] = []
    while at < len(text) and screen.refusal is None:
        if len(shown) % LET_OTHERS_RUN == 0:
            time.sleep(0)
        end = at + next(sizes)
        shown.append(screen.feed(text[at:end]))
        at = end
    if screen.refusal is None:
        shown.append(screen.end())
    return "".join(shown), screen.refusal.id if screen.refusal else "", screen.hits


def _pieces(rules: Sequence[Rule], places: Iterable[Place], text: str) -> Iterator[Piece]:
    """The text cut where places begin and end; where several overlap the strictest rule is named, then the higher."""
    order = {rule.id: (STRICTNESS.index(rule.action), number) for number, rule in enumerate(rules)}
    found = sorted(places, key=lambda place: place[0])
    edges = sorted({0, len(text), *(edge for start, end, _ in found for edge in (start, end))})
    open_, next_ = [], 0
    for start, end in pairwise(edges):
        while next_ < len(found) and found[next_][0] <= start:
            open_.append(found[next_])
            next_ += 1
        open_ = [place for place in open_ if place[1] > start]
        rule = min((place[2] for place in open_), key=lambda one: order[one.id], default=None)
        yield Piece(text[start:end], rule)
