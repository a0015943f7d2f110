"""When something was, and until when it holds, as one says it on the pages about accounts; days are those of UTC."""

from __future__ import annotations

import time

from insight_app.amounts import day, since
from insight_app.words import LENGTHS, _


def ago(at: float | None) -> str:
    """ "never", "just now", "5 minutes ago"."""
    if at is None:
        return _("never")
    passed = time.time() - at
    return _("just now") if passed < LENGTHS[-1][1] else since(passed)


def last_day(until: float | None) -> str:
    """The last day on which something holds; what has no end holds until it is revoked."""
    if until is None:
        return _("Holds until it is revoked")
    last = day(until - 1)
    return _("Over since %(day)s", day=last) if until <= time.time() else _("Holds until %(day)s", day=last)
