"""Times as one says them on the pages about accounts; days are those of UTC."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from insight_app.words import LENGTHS, counted


def ago(at: float | None) -> str:
    """ "never", "just now", "5 minutes ago"."""
    if at is None:
        return "never"
    passed = time.time() - at
    for name, length in LENGTHS:
        if passed >= length:
            return f"{counted(int(passed // length), name)} ago"
    return "just now"


def day(at: float) -> str:
    """ "2026-11-28"."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d")


def last_day(until: float | None) -> str:
    """The last day on which something holds; what has no end holds until it is revoked."""
    if until is None:
        return "it is revoked"
    return day(until - 1) + (" (over)" if until <= time.time() else "")
