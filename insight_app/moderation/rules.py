"""Rules: what each looks for, in which texts, and what happens where it is found.

Each rule finds its places by itself. Where places of several rules overlap the strictest action wins, so that another
rule never shows more; among equals the rule that stands higher does, in its label and its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from insight_app.words import N_


class Kind(str, Enum):
    """What a rule's text means."""

    WORDS = "words"  # whole words, between spaces, commas or line ends
    PHRASE = "phrase"  # a line each, found anywhere
    PATTERN = "pattern"  # a regular expression as RE2 knows it
    PERSONAL = "personal"  # names of detectors, a line each; all of them where it is empty


class Scope(str, Enum):
    """Which texts a rule looks at."""

    PROMPTS = "prompts"
    ANSWERS = "answers"
    BOTH = "both"


class Action(str, Enum):
    """What happens where a rule finds something, from the strictest on."""

    REFUSE = "refuse"
    MASK = "mask"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `reason` is what is told, in public, to whom it refuses something; "" for a general sentence."""

    id: str
    name: str
    kind: Kind
    text: str
    scope: Scope = Scope.BOTH
    action: Action = Action.MASK
    is_on: bool = True
    reason: str = ""

    def looks_at(self, scope: Scope) -> bool:
        """Whether it applies to `scope`, PROMPTS or ANSWERS."""
        return self.is_on and self.scope in (scope, Scope.BOTH)

    @property
    def label(self) -> str:
        """What stands in the place of what it masks."""
        return f"⟦{self.name}⟧"

    @property
    def public_reason(self) -> str:
        return self.reason or N_("It is against the rules that are set here.")

    def named(self, id: str) -> Rule:
        return replace(self, id=id)
