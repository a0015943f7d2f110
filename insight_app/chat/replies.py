"""The answers that are being written now: by this process, or by any of several."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from insight_app.chat.reply import Reply


class Replies(Protocol):
    """The answers that are being written now, by whichever process."""

    def open(self, answer_id: int, conversation_id: str, model: str, run: int = 0, owner: str = "") -> Reply:
        """A reply that this process writes."""
        ...

    def get(self, answer_id: int) -> Reply | None:
        """The reply, whoever writes it. None: nobody is known to; only the database says whether it has ended."""
        ...

    def close(self, reply: Reply) -> None:
        """The answer is in the database; readers that hold the reply finish reading it."""
        ...

    def give_up(self, answers: Iterable[int]) -> None:
        """This process does not go on with these: others may, from what is in the database."""
        ...

    def stop(self, answer_id: int) -> None:
        """Asks whichever process writes it to end it; soon, where that cannot be reached now."""
        ...

    def forget(self, answers: Iterable[int]) -> None:
        """These were deleted: whoever writes one ends, and what processes tell each other of them is deleted too."""
        ...

    def here(self) -> list[Reply]:
        """Those that this process writes."""
        ...

    def count(self) -> int:
        """How many are being written, by all processes together."""
        ...

    def orphans(self, suspects: Collection[int]) -> list[int]:
        """The answers that this process is to go on with, since their writers have ended.

        `suspects` are answers that were unfinished for a while, and not written here. Each orphan is given to one
        process, once.
        """
        ...

    def connected(self) -> bool:
        """Whether this process knows what other processes write."""
        ...

    def wake(self) -> None:
        """Has everybody who waits in this process look again."""
        ...

    def leave(self) -> None:
        """This process ends; others may go on with what it writes."""
        ...
