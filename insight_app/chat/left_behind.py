"""Answers that nobody writes any more: one process goes on with each, or gives it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from insight_app.chat.messages import Message, Outcome, State
from insight_app.chat.replies import Replies
from insight_app.chat.temporary import Conversations
from insight_app.errors import ServerStopped

# How often answers are looked for that nobody writes.
SUSPECT_SECONDS = 5.0


class LeftBehind:
    """`start` goes on with an answer after its history; `report` is told of one that is given up, and how old it is."""

    def __init__(
        self,
        store: Conversations,
        replies: Replies,
        start: Callable[[Message, Sequence[Message]], object],
        report: Callable[[Outcome, float], object],
    ) -> None:
        self._store = store
        self._replies = replies
        self._start = start
        self._report = report
        self._log = structlog.get_logger("answer")
        self.suspects = set(store.unfinished())  # answers that nobody may be writing any more
        self._taken: dict[int, Message] = {}  # those of them that are ours, and could not go on yet
        self._unfinished: set[int] = set()  # those of the last look that are not written here
        self._look_at = 0.0

    def carry_on(self) -> None:
        """Goes on with the answers that a former run of the server, or another process that died, left unfinished.

        One that ended two servers, perhaps by its own doing, is interrupted.
        """
        try:
            self._look()
            orphans = self._replies.orphans(self.suspects)
            self.suspects.update(orphans)  # until they go on: the disk may be full, and each is given to us but once
            for answer_id in orphans:
                answer = self._taken.get(answer_id)
                if answer is None or self._store.taken({answer_id: answer.run + 1}):
                    answer = self._store.left_behind(answer_id)
                if answer is not None and answer.problem == ServerStopped.code:
                    self._give_up(answer)
                elif answer is not None:
                    self._taken[answer_id] = answer  # to take it twice would look like the end of two servers
                    history = self._store.history(answer.conversation_id, answer.id)[:-1]
                    self._start(replace(answer, run=answer.run + 1), history)
                self._taken.pop(answer_id, None)
                self.suspects.discard(answer_id)
        except Exception as error:  # what is there can be read nevertheless, and a little later they may go on
            self._log.error("answers not carried on", exc_info=error)

    def _look(self) -> None:
        """Also finds what was left by processes that died while Redis was gone, and by one that ended after our start.

        Twice, since a prompt is stored a moment before its answer is begun.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + SUSPECT_SECONDS
        found = set(self._store.unfinished()) - {reply.id for reply in self._replies.here()}
        self.suspects = found & (self.suspects | self._unfinished)
        self._unfinished = found

    def _give_up(self, answer: Message) -> None:
        ended = State.INTERRUPTED if answer.text or answer.thinking else State.FAILED
        outcome = Outcome(ended, answer.text, answer.thinking, answer.model, answer.problem, figures=answer.figures)
        self._store.finish(answer.id, outcome, answer.run + 1)
        seconds = max(0.0, time.time() - answer.created_at)
        self._report(outcome, seconds)
