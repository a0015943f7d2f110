"""The rules as they stand at one time, in their order, and compiled for prompts and for answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.screen import Matcher
from insight_app.moderation.store import Entry
from insight_app.sentences import listed
from insight_app.words import _

# What every rule's id begins with: other entries are no rules.
RULE = "rule-"
_TEXTS = ("name", "text", "reason")


@dataclass(frozen=True)
class Rulebook:
    """One version of all that is set. `others` are the entries that are no rules, by id.

    Raises ValueError from `prompts` and `answers` where a rule cannot be used.
    """

    version: int = 0
    rules: Sequence[Rule] = ()
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Hashes of texts of before that these rules leave as they are: most are sent again with every prompt.
    unchanged: set[int] = field(default_factory=set, compare=False)

    @cached_property
    def prompts(self) -> Matcher:
        return Matcher([rule for rule in self.rules if rule.looks_at(Scope.PROMPTS)])

    @cached_property
    def earlier(self) -> dict[Scope, Matcher]:
        """For what was said before: nothing of that can be refused any more, so it is masked."""
        kept = [replace(rule, action=Action.MASK) for rule in self.rules if rule.action is not Action.FLAG]
        both = (Scope.PROMPTS, Scope.ANSWERS)
        return {scope: Matcher([rule for rule in kept if rule.looks_at(scope)]) for scope in both}

    @cached_property
    def labels(self) -> re.Pattern[str] | None:
        """What stands in the place of what was masked; None where nothing is.

        Not the names of rules that refuse, or whoever writes one in such brackets would get past its rule.
        """
        said = {re.escape(rule.label) for rule in self.rules if rule.is_on and rule.action is Action.MASK}
        return re.compile("(" + "|".join(sorted(said)) + ")") if said else None

    @cached_property
    def answers(self) -> Matcher:
        return Matcher([rule for rule in self.rules if rule.looks_at(Scope.ANSWERS)])


def read(version: int, entries: Iterable[Entry]) -> Rulebook:
    """Raises ValueError where an entry is no rule that this version knows: to leave it out would let texts through.

    One that is switched off is left out.
    """
    kept = list(entries)
    rules = []
    for entry in kept:
        if entry.id.startswith(RULE):
            try:
                rules.append(from_json(entry.id, entry.body))
            except ValueError:
                if entry.body.get("is_on") is not False:
                    raise
    return Rulebook(version, rules, {entry.id: entry.body for entry in kept if not entry.id.startswith(RULE)})


def entry(rule: Rule, place: int) -> Entry:
    return Entry(rule.id, place, as_json(rule))


def as_json(rule: Rule) -> dict[str, Any]:
    """A rule without its id, made for JSON."""
    values = asdict(rule)
    del values["id"]
    return {name: value.value if isinstance(value, (Kind, Scope, Action)) else value for name, value in values.items()}


def from_json(id: str, body: Mapping[str, Any]) -> Rule:
    """Raises ValueError with what is wrong, in plain words."""
    known = {each.name for each in fields(Rule)} - {"id"}
    if unknown := sorted(set(body) - known):
        raise ValueError(_("“%(field)s” is nothing that a rule has.", field=unknown[0]))
    if missing := sorted({"name", "kind", "text"} - set(body)):
        raise ValueError(_("“%(field)s” is missing.", field=missing[0]))
    values = dict(body)
    for name in _TEXTS:
        if not isinstance(values.get(name, ""), str):
            raise ValueError(_("“%(field)s” must be a text.", field=name))
    if not isinstance(values.get("is_on", True), bool):
        raise ValueError(_("“%(field)s” must be true or false.", field="is_on"))
    for name, words in (("kind", Kind), ("scope", Scope), ("action", Action)):
        if name in values:
            try:
                values[name] = words(values[name])
            except ValueError:
                there_is = listed(word.value for word in words)
                raise ValueError(
                    _("“%(field)s” must be one of these: %(words)s.", field=name, words=there_is)
                ) from None
    return Rule(id=id, **values)
