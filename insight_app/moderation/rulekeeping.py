"""The rules as somebody keeps them: looked at, changed in one step, and whose change it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from insight_app.errors import ChangedMeanwhile, NotThere, TooManyRules
from insight_app.moderation import arranging, drafts, presets, wording
from insight_app.moderation.arranging import After, Line, lines
from insight_app.moderation.rules import Rule
from insight_app.moderation.store import Entry, ModerationStore

ATTEMPTS = 5  # to change what others change at the same time
Plan = Callable[[Sequence[Entry]], After]


class Rulekeeping:
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
            now = next((entry for entry in entries if entry.id == rule.id), None)
            if seen != (arranging.mark(now.body) if now else ""):
                raise ChangedMeanwhile
            return arranging.saved(entries, [rule])

        return self.change(plan)

    def move(self, id: str, by: int) -> int | None:
        """Raises NotThere."""
        return self.change(lambda entries: arranging.moved(entries, _of(id, entries).id, by))

    def switch(self, id: str, is_on: bool) -> int | None:
        """Raises NotThere."""
        return self.change(lambda entries: arranging.switched(_of(id, entries).entry, is_on))

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
        store.change("this server", arranging.saved([], presets.STARTER), only_first=True)


def _planned(rules: Sequence[Rule], instead: bool) -> Plan:
    arranged = arranging.instead if instead else arranging.saved
    return lambda entries: arranged(entries, rules)


def _of(id: str, entries: Sequence[Entry]) -> Line:
    found = next((line for line in lines(entries) if line.id == id), None)
    if found is None:
        raise NotThere
    return found


def _with_room(entries: Sequence[Entry], after: After) -> After:
    """The same, unless it makes more rules than are possible."""
    more = sum(entry is not None for entry in after.values()) - len(after.keys() & {line.id for line in lines(entries)})
    if more > 0 and more + len(lines(entries)) > drafts.MOST_RULES:
        raise TooManyRules(limit=f"{drafts.MOST_RULES:,}")
    return after
