"""Replies of one process that shares its work with no other: whoever reads one has it itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from insight_app.chat.reply import Reply

# Of answers that nobody wrote here when they were stopped; ids are never used again.
MOST_WISHES = 1000


class RepliesInMemory:
    """Replies of one process; `is_alone` says whether no other one writes answers of the same database any more."""

    def __init__(self, is_alone: Callable[[], bool] = lambda: True, leave: Callable[[], object] = lambda: None) -> None:
        self._open: dict[int, Reply] = {}
        self._to_stop: dict[int, None] = {}  # as soon as they are written here, the oldest first
        self._is_alone = is_alone
        self._leave = leave

    def open(self, answer_id: int, conversation_id: str, model: str, run: int = 0, owner: str = "") -> Reply:
        reply = self._open[answer_id] = Reply(answer_id, conversation_id, model, run, owner)
        if answer_id in self._to_stop:
            reply.stop.ask()
        return reply

    def get(self, answer_id: int) -> Reply | None:
        return self._open.get(answer_id)

    def close(self, reply: Reply) -> None:
        self._open.pop(reply.id, None)

    def give_up(self, answers: Iterable[int]) -> None:
        for answer_id in answers:
            self._open.pop(answer_id, None)

    def stop(self, answer_id: int) -> None:
        self._to_stop[answer_id] = None  # first: it may be opened just now
        if (reply := self.get(answer_id)) is not None:
            reply.stop.ask()
        if len(self._to_stop) > MOST_WISHES:
            self._to_stop.pop(next(iter(self._to_stop)), None)

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
