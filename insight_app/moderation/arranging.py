"""Rules in their order: what an addition, a move or a whole set of rules changes, as the store takes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from insight_app.moderation.rulebook import RULE, as_json, from_json
from insight_app.moderation.rules import Rule
from insight_app.moderation.store import Entry

After = dict[str, "Entry | None"]


@dataclass(frozen=True)
class Line:
    """One entry of the list of rules; `rule` is None where it is none that can be read, and `problem` says why."""

    entry: Entry
    rule: Rule | None
    problem: str = ""

    @classmethod
    def of(cls, entry: Entry) -> Line:
        try:
            return cls(entry, from_json(entry.id, entry.body))
        except ValueError as error:
            return cls(entry, None, f"{error}.")

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def name(self) -> str:
        """What people know it by, also where it cannot be read."""
        name = self.entry.body.get("name")
        return name if isinstance(name, str) and name else "A rule without a name"

    @property
    def is_on(self) -> bool:
        return self.entry.body.get("is_on", True) is not False


def lines(entries: Iterable[Entry]) -> list[Line]:
    """The rules among the entries, in their order, those that cannot be read included."""
    return [Line.of(entry) for entry in entries if entry.id.startswith(RULE)]


def mark(body: Mapping[str, Any]) -> str:
    """What tells this rule from the same one after a change."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def entry(rule: Rule, place: int) -> Entry:
    return Entry(rule.id, place, as_json(rule))


def saved(entries: Sequence[Entry], rules: Iterable[Rule]) -> After:
    """Rules in their places, or after all others where they are new; those that are there already are left out."""
    there = {each.id: each for each in entries}
    last = max((each.place for each in entries), default=-1)
    after: After = {}
    for rule in rules:
        old = there.get(rule.id)
        if old is None:
            last += 1
        new = entry(rule, last if old is None else old.place)
        if new != old:
            after[rule.id] = new
    return after


def instead(entries: Sequence[Entry], rules: Sequence[Rule]) -> After:
    """Only these rules, in this order."""
    there = {each.id: each for each in entries if each.id.startswith(RULE)}
    after: After = dict.fromkeys(set(there) - {rule.id for rule in rules})
    for place, rule in enumerate(rules):
        if (new := entry(rule, place)) != there.get(rule.id):
            after[rule.id] = new
    return after


def moved(entries: Sequence[Entry], id: str, by: int) -> After:
    """The rule one place up (-1) or down (1); nothing where it is the first or the last."""
    order = [each for each in entries if each.id.startswith(RULE)]
    at = next(number for number, each in enumerate(order) if each.id == id)
    if not 0 <= at + by < len(order):
        return {}
    order[at], order[at + by] = order[at + by], order[at]
    places = [replace(each, place=place) for place, each in enumerate(order)]
    there = {each.id: each for each in entries}
    return {each.id: each for each in places if each != there[each.id]}


def switched(old: Entry, is_on: bool) -> After:
    new = replace(old, body={**old.body, "is_on": is_on})
    return {} if new == old else {old.id: new}
