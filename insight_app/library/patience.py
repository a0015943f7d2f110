"""What a pull does when it cannot go on: what passes by itself is waited for, ever longer, and not for ever."""

from __future__ import annotations

import time

from insight_app.errors import EngineBusy, EngineSilent, EngineUnreachable, InsightError, PullCut, PullOffline

# Between two tries.
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
# So long nothing may come, or nobody be at it: somebody who sleeps, or whose line is down for the evening.
PATIENCE_SECONDS = 86_400.0
# Ollama or its way to the library is away. A full disk stays full, and an unknown name unknown.
PASSING = (EngineUnreachable, EngineBusy, EngineSilent, PullCut, PullOffline)


class Patience:
    """Of one run."""

    def __init__(self) -> None:
        self._had = 0
        self._since = time.monotonic()
        self._pause = FIRST_SECONDS

    def pause(self, problem: InsightError, came: int) -> float | None:
        """How many seconds to wait before the next try, when so many bytes have come; None: it is to end."""
        now = time.monotonic()
        if came > self._had:
            self._had, self._since, self._pause = came, now, FIRST_SECONDS
        if not isinstance(problem, PASSING) or now - self._since > PATIENCE_SECONDS:
            return None
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_SECONDS)
        return pause
