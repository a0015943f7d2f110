"""Numbers as one says them: how many there are of something, and how long something lasts."""

from __future__ import annotations

# Of the units of time, in seconds, the longest first.
LENGTHS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def counted(number: int, name: str) -> str:
    """ "1 day", "2 days", "3 processes"."""
    several = f"{name}es" if name.endswith("ss") else f"{name}s"
    return f"{number:,} {name if number == 1 else several}"


def in_words(seconds: float) -> str:
    """ "2 hours and 5 minutes"; the two largest units, rounded up to minutes so that the end is never too early."""
    left = -int(-seconds // 60) * 60
    parts = []
    for name, length in LENGTHS:
        count, left = divmod(left, length)
        if count:
            parts.append(counted(count, name))
    return " and ".join(parts[:2]) or "less than a minute"
