"""A rule as somebody wrote it: what is wrong with it, field by field, in words for whoever wrote it."""

from __future__ import annotations

import unicodedata

from insight_app.moderation.matcher import check
from insight_app.moderation.rules import Rule
from insight_app.words import _, said_number

LONGEST_NAME = 60  # characters: it stands in the place of what is masked
LONGEST_REASON = 500  # characters
MOST_RULES = 2000


def clean(text: str) -> str:
    """`text` with \\n as line end, and without lone surrogates, which no database holds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def on_one_line(text: str) -> str:
    return " ".join(clean(text).split())


def problems(rule: Rule) -> dict[str, str]:
    """What is wrong, by the field's name; empty where the rule can be used."""
    found: dict[str, str] = {}
    if not rule.name:
        found["name"] = _("Give it a name.")
    elif len(rule.name) > LONGEST_NAME:
        found["name"] = _(
            "This name has %(length)s characters; at most %(limit)s are possible.",
            length=said_number(len(rule.name)),
            limit=LONGEST_NAME,
        )
    if len(rule.reason) > LONGEST_REASON:
        found["reason"] = _(
            "This reason has %(length)s characters; at most %(limit)s are possible.",
            length=said_number(len(rule.reason)),
            limit=LONGEST_REASON,
        )
    for field in ("name", "text", "reason"):
        at = _stray(getattr(rule, field))
        if at is not None:
            found.setdefault(
                field,
                _("Character %(place)s is no text: this looks like a file that is not for reading.", place=at + 1),
            )
    if "text" not in found and (problem := unusable(rule)):
        found["text"] = problem
    return found


def unusable(rule: Rule) -> str:
    """Why this rule cannot be applied, or ""."""
    try:
        check(rule)
    except ValueError as error:
        return str(error)
    return ""


def _stray(text: str) -> int | None:
    """Where the first character is that nobody types: a control character, or one that could not be read."""
    if text.isprintable() and "\ufffd" not in text:
        return None
    wrong = (
        at
        for at, one in enumerate(text)
        if one == "\ufffd" or (unicodedata.category(one) == "Cc" and one not in "\n\t")
    )
    return next(wrong, None)
