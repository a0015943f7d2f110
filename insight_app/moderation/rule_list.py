"""The list of rules as somebody looks at it and changes it, each change in one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from insight_app.errors import ChangedMeanwhile, NotThere, TooManyRules
from insight_app.moderation import checking, rule_sets, wording
from insight_app.moderation.rule_lines import Line, lines
from insight_app.moderation.rulebook import RULE, entry
from insight_app.moderation.rules import Rule
from insight_app.moderation.store import Entry, ModerationStore
from insight_app.words import N_

ATTEMPTS = 5  # to change what others change at the same time
After = dict[str, "Entry | None"]
Plan = Callable[[Sequence[Entry]], After]  # what becomes of entries, by id


class RuleList:
    """What `who` sees and changes. Changes return their id, or None where there was nothing to change."""

    def __init__(self, store: ModerationStore, who: str) -> None:
        self._store = store
        self._who = who

    def lines(self) -> list[Line]:
        """All rules in their order, those that cannot be read included."""
        return lines(self._store.as_kept()[1])

    def line(self, id: str) -> Line:
        """Raises NotThere."""
        return _of(id, self._store.as_kept()[1])

    def save(self, rule: Rule, seen: str) -> int | None:
        """Saves a rule over the one whose mark was `seen`. Raises ChangedMeanwhile where it is another now, or gone."""

        def plan(entries: Sequence[Entry]) -> After:
            if seen != next((line.mark for line in lines(entries) if line.id == rule.id), ""):
                raise ChangedMeanwhile
            return _saved(entries, [rule])

        return self.change(plan)

    def move(self, id: str, by: int) -> int | None:
        """Raises NotThere."""
        return self.change(lambda entries: _moved(entries, _of(id, entries).id, by))

    def switch(self, id: str, is_on: bool) -> int | None:
        """Raises NotThere."""
        return self.change(lambda entries: _switched(_of(id, entries).entry, is_on))

    def delete(self, id: str) -> int:
        return self._store.change(self._who, {id: None})

    def undo(self, change_id: int) -> int:
        """Raises NotThere."""
        return self._store.undo(change_id, self._who)

    def set(self, rules: Sequence[Rule], *, instead: bool = False) -> int | None:
        """Many rules at once; `instead` of all others. Raises TooManyRules."""
        return self.change(_planned(rules, instead))

    def would_change(self, rules: Sequence[Rule], *, instead: bool = False) -> list[str]:
        """What `set` would change, in words. Raises TooManyRules."""
        entries = self._store.as_kept()[1]
        after = _with_room(entries, _planned(rules, instead)(entries))
        return wording.in_words({entry.id: entry for entry in entries}, after)

    def change(self, plan: Plan) -> int | None:
        """Does what is planned for the entries as they are now. Raises TooManyRules, and what `plan` does."""
        for _ in range(ATTEMPTS):
            version, entries = self._store.as_kept()
            after = _with_room(entries, plan(entries))
            try:
                return self._store.change(self._who, after, seen=version) if after else None
            except ChangedMeanwhile:
                continue
        raise ChangedMeanwhile


def begin(store: ModerationStore) -> None:
    """Gives a server whose rules were never changed the ones that every server starts with."""
    if not store.version():
        store.change(N_("this server"), _saved([], rule_sets.STARTER), only_first=True)


def _planned(rules: Sequence[Rule], instead: bool) -> Plan:
    planned = _instead if instead else _saved
    return lambda entries: planned(entries, rules)


def _of(id: str, entries: Sequence[Entry]) -> Line:
    found = next((line for line in lines(entries) if line.id == id), None)
    if found is None:
        raise NotThere
    return found


def _with_room(entries: Sequence[Entry], after: After) -> After:
    """The same, unless it makes more rules than are possible."""
    more = sum(entry is not None for entry in after.values()) - len(after.keys() & {line.id for line in lines(entries)})
    if more > 0 and more + len(lines(entries)) > checking.MOST_RULES:
        raise TooManyRules(limit=checking.MOST_RULES)
    return after


def _saved(entries: Sequence[Entry], rules: Iterable[Rule]) -> After:
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


def _instead(entries: Sequence[Entry], rules: Sequence[Rule]) -> After:
    """Only these rules, in this order."""
    there = {each.id: each for each in entries if each.id.startswith(RULE)}
    after: After = dict.fromkeys(set(there) - {rule.id for rule in rules})
    for place, rule in enumerate(rules):
        if (new := entry(rule, place)) != there.get(rule.id):
            after[rule.id] = new
    return after


def _moved(entries: Sequence[Entry], id: str, by: int) -> After:
    """The rule one place up (-1) or down (1); nothing where it is the first or the last."""
    order = [each for each in entries if each.id.startswith(RULE)]
    at = next(number for number, each in enumerate(order) if each.id == id)
    if not 0 <= at + by < len(order):
        return {}
    order[at], order[at + by] = order[at + by], order[at]
    places = [replace(each, place=place) for place, each in enumerate(order)]
    there = {each.id: each for each in entries}
    return {each.id: each for each in places if each != there[each.id]}


def _switched(old: Entry, is_on: bool) -> After:
    new = replace(old, body={**old.body, "is_on": is_on})
    return {} if new == old else {old.id: new}
