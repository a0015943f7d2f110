"""Long work stops now and then, or everybody else in this process would wait for its end."""

from __future__ import annotations

import time

WORKING_SECONDS, RESTING_SECONDS = 0.01, 0.001


class Pauses:
    """Of one piece of work, which takes them where it may stop for a moment.

    Where threads are greenlets, a rest of no time at all would not do: fifty of them go by before anybody looks for
    what came from outside.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + WORKING_SECONDS

    def take(self) -> None:
        """Lets others go on, if it is time."""
        if time.monotonic() >= self._until:
            time.sleep(RESTING_SECONDS)
            self._until = time.monotonic() + WORKING_SECONDS
