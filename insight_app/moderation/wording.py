"""Rules, and changes of them, in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rulebook import RULE
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Change, Entry

KINDS = {Kind.WORDS: "Words", Kind.PHRASE: "Phrases", Kind.PATTERN: "Pattern", Kind.PERSONAL: "Personal data"}
SCOPES = {Scope.BOTH: "Messages and answers", Scope.PROMPTS: "Messages", Scope.ANSWERS: "Answers"}
ACTIONS = {Action.MASK: "Mask", Action.REFUSE: "Refuse", Action.FLAG: "Flag"}
_DONE = {Action.MASK: "masked", Action.REFUSE: "refused", Action.FLAG: "flagged"}
FIELDS = {
    "name": "Name",
    "kind": "Kind",
    "text": "Text",
    "scope": "Applies to",
    "action": "Action",
    "reason": "Reason",
}
_SAID: dict[str, dict[str, str]] = {
    "kind": {kind.value: said for kind, said in KINDS.items()},
    "scope": {scope.value: said for scope, said in SCOPES.items()},
    "action": {action.value: said for action, said in ACTIONS.items()},
}
OTHERS = {"judge": "the judge", "prompt": "the instructions"}  # what is kept beside the rules
SHOWN = 5  # of what a rule looks for
LONGEST_SHOWN = 60  # characters


def sought(rule: Rule) -> str:
    """What a rule looks for: the first few of it, and how many more."""
    if rule.kind is Kind.PATTERN:
        return _short(rule.text)
    parts = _parts(rule)
    if rule.kind is Kind.PERSONAL:
        return ", ".join(parts) or "all that is known"
    return _listed(parts)


def _parts(rule: Rule) -> list[str]:
    parts = re.split(r"[\s,]+", rule.text) if rule.kind is Kind.WORDS else rule.text.splitlines()
    return [part.strip() for part in parts if part.strip()]


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - SHOWN
    first = ", ".join(f"“{_short(part)}”" for part in parts[:SHOWN])
    return f"{first} and {more:,} more" if more > 0 else first


def fate(rule: Rule) -> str:
    """Where it looks, and what happens there: "masked in messages and answers"."""
    return f"{_DONE[rule.action]} in {SCOPES[rule.scope].lower()}"


def how_often(times: Mapping[str, int] | None) -> str:
    """How often something acted, as the store counts it; None: it never did."""
    if not times or not times["month"]:
        return "not once in the last month"
    return ", ".join(f"{count:,} in the last {period}" for period, count in times.items())


def in_words(before: Mapping[str, Entry | None], after: Mapping[str, Entry | None]) -> list[str]:
    """What a change of entries is, a line each."""
    moved = [id for id, new in after.items() if new and (old := before.get(id)) and old.body == new.body]
    said = [_change(id, before.get(id), after[id]) for id in after if id not in moved]
    if moved:
        first, *others = [Line.of(entry).name for id in moved if (entry := after[id])]
        said.append(
            f"Changed places: “{first}” and “{others[0]}”" if len(others) == 1 else "Another order of the rules"
        )
    return said


def change_in_words(change: Change) -> list[str]:
    return in_words(change.before, change.after)


def _change(id: str, before: Entry | None, after: Entry | None) -> str:
    if not id.startswith(RULE):
        return f"{'Back to how it was at first' if after is None else 'Changed'}: {OTHERS.get(id, f'“{id}”')}"
    old, new = _one(before), _one(after)
    if new is None:
        return f"Deleted: “{old.name}”" if old else "Deleted: a rule that was not there"
    if old is None:
        return f"New: “{new.name}”, {_whole(new)}"
    if old.entry.body == {**new.entry.body, "is_on": old.is_on}:
        return f"Switched {'on' if new.is_on else 'off'}: “{new.name}”"
    different = _differences(old, new)
    if old.is_on == new.is_on:
        return f"Changed: “{new.name}”, {'; '.join(different)}"
    return "; ".join([f"Switched {'on' if new.is_on else 'off'}: “{new.name}”", *different])


def _one(entry: Entry | None) -> Line | None:
    return Line.of(entry) if entry else None


def _whole(line: Line) -> str:
    rule = line.rule
    if rule is None:
        return "it cannot be used"
    return f"{KINDS[rule.kind].lower()}: {sought(rule)}, {fate(rule)}{'' if rule.is_on else ', switched off'}"


def _differences(old: Line, new: Line) -> list[str]:
    found = []
    for field, label in FIELDS.items():
        was, became = (str(line.entry.body.get(field, "")) for line in (old, new))
        if was == became:
            continue
        if field == "text" and old.rule and new.rule and old.rule.kind == new.rule.kind != Kind.PATTERN:
            found += _other_parts(old.rule, new.rule)
        elif not was:
            found.append(f"{label} “{_short(became)}”")
        else:
            found.append(f"{label} from “{_said(field, was)}” to “{_said(field, became)}”")
    return found or ["in a way that cannot be seen"]


def _other_parts(old: Rule, new: Rule) -> list[str]:
    """What a list of words or phrases got and lost."""
    before, after = dict.fromkeys(_parts(old)), dict.fromkeys(_parts(new))
    more, fewer = [part for part in after if part not in before], [part for part in before if part not in after]
    found = [f"{_listed(parts)} {said}" for parts, said in ((more, "added"), (fewer, "taken out")) if parts]
    return found or ["the same in another order"]


def _said(field: str, value: str) -> str:
    """The value as the form shows it."""
    return _SAID.get(field, {}).get(value) or _short(value)


def _short(text: str) -> str:
    """One line of it."""
    flat = " ".join(text[: 4 * LONGEST_SHOWN].split())
    return flat if len(flat) <= LONGEST_SHOWN and len(text) <= 4 * LONGEST_SHOWN else flat[: LONGEST_SHOWN - 1] + "…"
