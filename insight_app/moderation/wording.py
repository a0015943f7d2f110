"""Rules, and changes of them, in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from insight_app.moderation.personal_names import as_said
from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rulebook import RULE
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Change, Entry
from insight_app.sentences import listed
from insight_app.words import N_, _, ngettext

KINDS = {
    Kind.WORDS: N_("Words"),
    Kind.PHRASE: N_("Phrases"),
    Kind.PATTERN: N_("Pattern"),
    Kind.PERSONAL: N_("Personal data"),
}
SCOPES = {Scope.BOTH: N_("Messages and answers"), Scope.PROMPTS: N_("Messages"), Scope.ANSWERS: N_("Answers")}
ACTIONS = {Action.MASK: N_("Mask"), Action.REFUSE: N_("Refuse"), Action.FLAG: N_("Flag")}
# How a rule acts where: the sentences are whole, for languages in which they bend together.
_FATES = {
    (Action.MASK, Scope.BOTH): N_("Masked in messages and answers"),
    (Action.MASK, Scope.PROMPTS): N_("Masked in messages"),
    (Action.MASK, Scope.ANSWERS): N_("Masked in answers"),
    (Action.REFUSE, Scope.BOTH): N_("Refused in messages and answers"),
    (Action.REFUSE, Scope.PROMPTS): N_("Refused in messages"),
    (Action.REFUSE, Scope.ANSWERS): N_("Refused in answers"),
    (Action.FLAG, Scope.BOTH): N_("Flagged in messages and answers"),
    (Action.FLAG, Scope.PROMPTS): N_("Flagged in messages"),
    (Action.FLAG, Scope.ANSWERS): N_("Flagged in answers"),
}
FIELDS = {
    "name": N_("Name"),
    "kind": N_("Kind"),
    "text": N_("Text"),
    "scope": N_("Applies to"),
    "action": N_("Action"),
    "reason": N_("Reason"),
}
_SAID: dict[str, dict[str, str]] = {
    "kind": {kind.value: said for kind, said in KINDS.items()},
    "scope": {scope.value: said for scope, said in SCOPES.items()},
    "action": {action.value: said for action, said in ACTIONS.items()},
}
# What is kept beside the rules.
OTHERS = {"judge": N_("the judge"), "prompt": N_("the instructions")}
JOINED = " · "  # things that are said of a rule
SHOWN = 5  # of what a rule looks for
LONGEST_SHOWN = 60  # characters


def sought(rule: Rule) -> str:
    """What a rule looks for: the first few of it, and how many more."""
    if rule.kind is Kind.PATTERN:
        return _short(rule.text)
    parts = _parts(rule)
    if rule.kind is Kind.PERSONAL:
        return listed(parts) or _("all that is known")
    return _listed(parts)


def text_of(rule: Rule) -> str:
    """What it looks for, as people read it and may write it."""
    return as_said(rule.text) if rule.kind is Kind.PERSONAL else rule.text


def _parts(rule: Rule) -> list[str]:
    text = text_of(rule)
    parts = re.split(r"[\s,]+", text) if rule.kind is Kind.WORDS else text.splitlines()
    return [part.strip() for part in parts if part.strip()]


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - SHOWN
    said = [_("“%(text)s”", text=_short(part)) for part in parts[:SHOWN]]
    return listed([*said, ngettext("%(num)s other", "%(num)s others", more)] if more > 0 else said)


def fate(rule: Rule) -> str:
    """Where it looks, and what happens there."""
    return _(_FATES[rule.action, rule.scope])


def how_often(times: Mapping[str, int] | None) -> str:
    """How often something acted, as the store counts it; None: it never did."""
    if not times or not times["month"]:
        return _("Not once in the last month")
    told = {
        "day": ngettext("%(num)s in the last day", "%(num)s in the last day", times["day"]),
        "week": ngettext("%(num)s in the last week", "%(num)s in the last week", times["week"]),
        "month": ngettext("%(num)s in the last month", "%(num)s in the last month", times["month"]),
    }
    return JOINED.join(told.values())


def in_words(before: Mapping[str, Entry | None], after: Mapping[str, Entry | None]) -> list[str]:
    """What a change of entries is, a line each."""
    moved = [id for id, new in after.items() if new and (old := before.get(id)) and old.body == new.body]
    said = [_change(id, before.get(id), after[id]) for id in after if id not in moved]
    if moved:
        first, *others = [Line.of(entry).name for id in moved if (entry := after[id])]
        said.append(
            _("Changed places: “%(first)s” and “%(second)s”", first=first, second=others[0])
            if len(others) == 1
            else _("Another order of the rules")
        )
    return said


def change_in_words(change: Change) -> list[str]:
    return in_words(change.before, change.after)


def _change(id: str, before: Entry | None, after: Entry | None) -> str:
    if not id.startswith(RULE):
        what = _(OTHERS.get(id, id))
        return (
            _("Back to how it was at first: %(what)s", what=what)
            if after is None
            else _("Changed: %(what)s", what=what)
        )
    old, new = _one(before), _one(after)
    if new is None:
        return _("Deleted: “%(rule)s”", rule=old.name) if old else _("Deleted: a rule that was not there")
    if old is None:
        return JOINED.join([_("New: “%(rule)s”", rule=new.name), *_whole(new)])
    switched = (
        _("Switched on: “%(rule)s”", rule=new.name) if new.is_on else _("Switched off: “%(rule)s”", rule=new.name)
    )
    if old.entry.body == {**new.entry.body, "is_on": old.is_on}:
        return switched
    first = _("Changed: “%(rule)s”", rule=new.name) if old.is_on == new.is_on else switched
    return JOINED.join([first, *_differences(old, new)])


def _one(entry: Entry | None) -> Line | None:
    return Line.of(entry) if entry else None


def _whole(line: Line) -> list[str]:
    rule = line.rule
    if rule is None:
        return [_("It cannot be used")]
    off = [] if rule.is_on else [_("The rule is off")]
    kind = _("%(kind)s: %(list)s", kind=_(KINDS[rule.kind]), list=sought(rule))
    return [kind, fate(rule), *off]


def _differences(old: Line, new: Line) -> list[str]:
    found = []
    for field, label in FIELDS.items():
        was, became = (str(line.entry.body.get(field, "")) for line in (old, new))
        if was == became:
            continue
        if field == "text" and old.rule and new.rule and old.rule.kind == new.rule.kind != Kind.PATTERN:
            found += _other_parts(old.rule, new.rule)
        elif not was:
            found.append(_("%(field)s: “%(value)s”", field=_(label), value=_short(became)))
        else:
            values = {"old": _said(field, was), "new": _said(field, became)}
            found.append(_("%(field)s: from “%(old)s” to “%(new)s”", field=_(label), **values))
    return found or [_("In a way that cannot be seen")]


def _other_parts(old: Rule, new: Rule) -> list[str]:
    """What a list of words or phrases got and lost."""
    before, after = dict.fromkeys(_parts(old)), dict.fromkeys(_parts(new))
    more, fewer = [part for part in after if part not in before], [part for part in before if part not in after]
    found = [_("Added: %(list)s", list=_listed(more))] if more else []
    found += [_("Taken out: %(list)s", list=_listed(fewer))] if fewer else []
    return found or [_("The same in another order")]


def _said(field: str, value: str) -> str:
    """The value as the form shows it."""
    return _(_SAID.get(field, {}).get(value, "")) or _short(value)


def _short(text: str) -> str:
    """One line of it."""
    flat = " ".join(text[: 4 * LONGEST_SHOWN].split())
    return flat if len(flat) <= LONGEST_SHOWN and len(text) <= 4 * LONGEST_SHOWN else flat[: LONGEST_SHOWN - 1] + "…"
