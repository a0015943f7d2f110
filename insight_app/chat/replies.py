"""The answers that are being written now: by this process, or by any of several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
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


class RepliesInMemory:
    """Replies of one process; `is_alone` says whether no other one writes answers of the same database any more."""

    def __init__(self, is_alone: Callable[[], bool] = lambda: True, leave: Callable[[], object] = lambda: None) -> None:
        self._open: dict[int, Reply] = {}
        self._is_alone = is_alone
        self._leave = leave

    def open(self, answer_id: int, conversation_id: str, model: str, run: int = 0, owner: str = "") -> Reply:
        reply = self._open[answer_id] = Reply(answer_id, conversation_id, model, run, owner)
        return reply

    def get(self, answer_id: int) -> Reply | None:
        return self._open.get(answer_id)

    def close(self, reply: Reply) -> None:
        self._open.pop(reply.id, None)

    def give_up(self, answers: Iterable[int]) -> None:
        for answer_id in answers:
            self._open.pop(answer_id, None)

    def stop(self, answer_id: int) -> None:
        if (reply := self.get(answer_id)) is not None:
            reply.stop.ask()

    def forget(self, answers: Iterable[int]) -> None:
        for answer_id in answers:
            self.stop(answer_id)

    def here(self) -> list[Reply]:
        return list(self._open.values())

    def count(self) -> int:
        return len(self._open)

    def orphans(self, suspects: Collection[int]) -> list[int]:
        if not self._is_alone():
            return []
        return [answer_id for answer_id in suspects if answer_id not in self._open]

    def connected(self) -> bool:
        return True

    def wake(self) -> None:
        for reply in self.here():
            reply.wake()

    def leave(self) -> None:
        self._leave()
