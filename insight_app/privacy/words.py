"""How long something lasts, as one says it: in words, and no finer than anybody needs."""

from __future__ import annotations

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def in_words(seconds: float) -> str:
    """ "2 hours and 5 minutes"; the two largest units, rounded up to minutes so that the end is never too early."""
    left = -int(-seconds // 60) * 60
    parts = []
    for name, length in UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts[:2]) or "less than a minute"
