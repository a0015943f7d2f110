"""What a person chose about their own words, and what follows from it together with what the server sets."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Preferences:
    """`keep_days` is None: as the server does; 0: for ever. `diagnostics_until` is in seconds since 1970."""

    keep_days: int | None = None
    diagnostics_until: float | None = None

    def days_kept(self, most: int) -> int | None:
        """After how many days without a message a conversation is deleted; None: never.

        `most` is what the server sets (0: nothing): a person can ask for less, and never for more.
        """
        own = most if self.keep_days is None else self.keep_days
        return min((days for days in (own, most) if days), default=None)
