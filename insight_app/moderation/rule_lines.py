"""Rules as lines of a list: in their order, those that cannot be read included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from insight_app.moderation.rulebook import RULE, from_json
from insight_app.moderation.rules import Rule
from insight_app.moderation.store import Entry
from insight_app.words import _


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
            return cls(entry, None, str(error))

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def name(self) -> str:
        """What people know it by, also where it cannot be read."""
        name = self.entry.body.get("name")
        return name if isinstance(name, str) and name else _("A rule without a name")

    @property
    def is_on(self) -> bool:
        return self.entry.body.get("is_on", True) is not False

    @property
    def mark(self) -> str:
        """What tells this rule from the same one after a change."""
        return hashlib.sha256(json.dumps(self.entry.body, sort_keys=True).encode()).hexdigest()[:16]


def lines(entries: Iterable[Entry]) -> list[Line]:
    """The rules among the entries, in their order, those that cannot be read included."""
    return [Line.of(entry) for entry in entries if entry.id.startswith(RULE)]
