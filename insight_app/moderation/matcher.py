"""Rules compiled for one kind of text, and the check that they can be."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence

from insight_app.moderation.detectors import chosen
from insight_app.moderation.patterns import PatternList, Ready, Search, ready
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.wordlists import Wordlist, entries
from insight_app.words import _, said_number

LONGEST_TEXT = 300_000  # characters of a list of words or phrases
LONGEST_PATTERN = 2_000  # characters of a pattern
Listed = tuple[int, bool, list[str]]  # a rule's number, whether it wants whole words, and what it lists


class UnusableRule(ValueError):
    """A rule that cannot be used; the reason is a plain sentence."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


class Matcher:
    """Rules made ready, in order. Immutable, for any number of texts and threads at once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """UnusableRule for the first that cannot be used. Rules that are switched off are the caller's to leave out."""
        # Where several begin at one place, the first of these acts.
        self.rules = tuple(sorted(rules, key=lambda rule: rule.action is not Action.REFUSE))
        listed: list[Listed] = []
        searches: list[tuple[int, Ready]] = []
        for number, rule in enumerate(self.rules):
            if number:
                time.sleep(0)  # a thousand patterns take a second, and others must not wait for all of them
            try:
                _read(rule, number, listed, searches)
            except ValueError as error:
                raise UnusableRule(rule, str(error)) from None
        self.words = Wordlist(listed)
        self.patterns = PatternList(searches)


def check(rule: Rule) -> None:
    """UnusableRule where a rule's text is nothing that can be looked for."""
    Matcher([rule])


def _read(
    rule: Rule, number: int, listed: list[tuple[int, bool, list[str]]], searches: list[tuple[int, Ready]]
) -> None:
    """Put what a rule looks for where its kind is looked for. ValueError with the reason where it cannot be."""
    longest = LONGEST_PATTERN if rule.kind is Kind.PATTERN else LONGEST_TEXT
    if len(rule.text) > longest:
        raise ValueError(
            _(
                "It has %(length)s characters, and no more than %(limit)s are possible.",
                length=said_number(len(rule.text)),
                limit=said_number(longest),
            )
        )
    if any(unicodedata.category(sign) in ("Cc", "Cs") and not sign.isspace() for sign in rule.text):
        raise ValueError(_("It contains characters that are no text."))
    if rule.kind is Kind.PERSONAL:
        for one in chosen(rule.text):
            searches.append((number, ready(Search(one.shape, one.longest, one.length, one.skip))))
    elif not rule.text.strip():
        raise ValueError(_("It looks for nothing yet."))
    elif rule.kind is Kind.PATTERN:
        searches.append((number, ready(Search(rule.text))))
    else:
        found = entries(rule.text, rule.kind is Kind.WORDS)
        if not found:
            raise ValueError(_("It looks for nothing yet."))
        listed.append((number, rule.kind is Kind.WORDS, found))
