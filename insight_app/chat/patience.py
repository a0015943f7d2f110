"""When an answer that could not begin is tried again: the engine is away, busy, or was out of memory once,
or the database is away."""

from __future__ import annotations

import time

from insight_app.errors import DatabaseError, EngineBusy, EngineError, EngineUnreachable, OutOfMemory

LOOK_SECONDS = 0.5
LONGEST_PAUSE = 8.0


class Patience:
    """One answer's, for so many seconds from its first disappointment; 0 seconds: none at all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._pause = LOOK_SECONDS
        self._memory_failed = False

    @property
    def is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def pause(self, error: EngineError | DatabaseError) -> float | None:
        """How many seconds to wait before the next try; None: waiting does not help, or has lasted long enough."""
        if self._until is None:
            self._until = time.monotonic() + self._seconds
        if self.is_over:
            return None
        if isinstance(error, (EngineUnreachable, DatabaseError)):
            return LOOK_SECONDS
        if isinstance(error, EngineBusy):
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return self._pause
        if isinstance(error, OutOfMemory) and not self._memory_failed:
            # Ollama throws its models out after this, so that there may be room now.
            self._memory_failed = True
            return LOOK_SECONDS
        return None
