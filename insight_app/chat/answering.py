"""The writers of answers: begins them, keeps what is written, and brings them to their end.

A writer belongs to no request: it goes on when every page is closed, and only Stop ends it early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import structlog

from insight_app.chat.conversing import Begun, Conversing
from insight_app.chat.left_behind import LeftBehind
from insight_app.chat.line import Line
from insight_app.chat.messages import Message, Outcome, State
from insight_app.chat.patience import Patience
from insight_app.chat.replies import Replies
from insight_app.chat.reply import Reply
from insight_app.chat.temporary import Conversations
from insight_app.chat.writing import Living, Writing, broken
from insight_app.engines.fallback import Fallback
from insight_app.errors import (
    DatabaseError,
    EngineBroke,
    InsightError,
    ServerEnding,
    TakesNothingNew,
    TooManyWaiting,
)
from insight_app.moderation.moderating import Moderation
from insight_app.telemetry.request_ids import in_its_name

# What a page has shown for a second is kept, also where the machine loses its power: so often, and what that takes.
CHECKPOINT_SECONDS = 0.8
# How long the end of a server waits for what is kept or read just then.
END_SECONDS = 1.0


class Answering:
    """Starts, stops and keeps answers."""

    def __init__(
        self,
        *,
        writing: Writing,
        conversing: Conversing,
        engine: Fallback,
        store: Conversations,
        replies: Replies,
        moderation: Moderation,
        line: Line,
        patience_seconds: float,
        refused: Callable[[], object],
        write_through: Callable[[], object],
        living: Living,
        ended: Callable[[int], object],
    ) -> None:
        """`refused` is told of a prompt that finds no place in the line, `ended` of an answer, by its id.

        `patience_seconds` is how long an engine that is away is waited for; `write_through` has the disk keep what
        was stored.
        """
        self.writing = writing
        self.conversing = conversing
        self._engine = engine
        self._store = store
        self._replies = replies
        self._moderation = moderation
        self._line = line
        self._patience_seconds = patience_seconds
        self._refused = refused
        self._write_through = write_through
        self._living = living
        self._ended = ended
        self._log = structlog.get_logger("answer")
        self.left_behind = LeftBehind(store, replies, partial(self.start, wanted=False), writing.report_left)
        self._kept: dict[int, int] = {}  # how long each answer was at its last checkpoint
        self._takes_new = True
        self._writers: dict[Reply, threading.Thread] = {}
        self._closed = threading.Event()
        self._keeping = threading.Thread(target=self._keep_and_carry_on, name="keeping", daemon=True)
        self._keeping.start()

    def start(self, answer: Message, history: Sequence[Message], *, patient: bool = True, wanted: bool = True) -> Reply:
        """Begins to write `answer`, one of the store, as what comes after `history`; goes on where it has a text.

        `patient`: while no engine can be reached, it waits for one. `wanted` as Begun has it.
        """
        reply = self._replies.open(answer.id, answer.conversation_id, answer.choice, answer.run, answer.owner)
        reply.be_traced(self.writing.tracing.span("answer"))
        if answer.text:  # thoughts alone cannot be gone on with: the engine thinks anew
            reply.begin_with(answer.thinking, answer.text)
        if not self._takes_new:  # it was on its way when this server was asked to end
            self._let_go([reply])
            return reply
        begun = Begun(reply, answer, history, Patience(self._patience_seconds if patient else 0), wanted)
        self._living(1)
        writing = in_its_name(reply.span.around(self._write))
        writer = threading.Thread(target=writing, args=(begun,), name=f"answer-{answer.id}", daemon=True)
        self._writers[reply] = writer
        writer.start()
        return reply

    def expect_room(
        self, person: str, choice: str, *, is_there: Callable[[], bool] = lambda: False, stays: bool = False
    ) -> None:
        """Raises TooManyWaiting where an answer of theirs, not stored yet, would find no place in the line.

        Raises TakesNothingNew where none can begin at all. `is_there` is asked then: whether it is stored after all.
        `stays`: a program waits for it here, and cannot go where it would be handed over to.
        """
        try:
            if stays and not self._takes_new:
                raise ServerEnding
            self._line.expect_room(person, self._engine.resolved(choice))
        except (TooManyWaiting, TakesNothingNew) as error:
            if not is_there():
                if isinstance(error, TooManyWaiting):
                    self._refused()
                raise

    def stop(self, answer_id: int) -> None:
        """Ends an answer now, at the engine too; one that has ended stays as it is."""
        self._replies.stop(answer_id)

    def stop_conversation(self, conversation_id: str) -> None:
        for answer_id in self._store.unfinished(conversation_id):
            self._replies.stop(answer_id)

    def stop_all(self, owner: str) -> None:
        """Everything that is being written for one person."""
        for answer_id in self._store.unfinished_of(owner):
            self._replies.stop(answer_id)

    def forget(self, answers: Iterable[int]) -> None:
        """Nothing stays of answers that were deleted, wherever they were written."""
        self._replies.forget(answers)

    def take_no_more(self) -> None:
        """Begins no answer any more, new or left by others, and gives up those that wait for their turn."""
        self._takes_new = False
        self._let_go([reply for reply in self._replies.here() if reply.state is State.QUEUED])

    def close(self) -> None:
        """Keeps what is written, if it can, and gives it up: the server is about to end, in peace."""
        self._takes_new = False
        self._closed.set()
        self._let_go(self._replies.here())
        self._keeping.join(END_SECONDS)  # databases are closed next, and one that is being read breaks with that

    def _let_go(self, some: Sequence[Reply]) -> None:
        """Others go on with these, from the last character that anybody saw."""
        for reply in some:
            reply.lose()  # first: a reply that is lost is not ended by being stopped
            reply.stop.ask()
        until = time.monotonic() + END_SECONDS
        for writer in [writer for reply in some if (writer := self._writers.get(reply))]:
            writer.join(max(0.0, until - time.monotonic()))
        try:
            self._keep(some)
            self._store.hand_over([reply.id for reply in some])
        except Exception as error:  # who goes on finds the last checkpoint
            self._log.error("answers not handed over", exc_info=error)
        self._replies.give_up([reply.id for reply in some])

    def _write(self, begun: Begun) -> None:
        reply = begun.reply
        try:
            outcome = self.conversing.outcome(begun)
        except InsightError as error:
            outcome = broken(reply, error)
        except Exception as error:  # a fault of ours must not leave an answer that never ends
            self._log.error("answer broke", answer=reply.id, exc_info=error)
            outcome = broken(reply, EngineBroke())
        if reply.lost:
            self._replies.close(reply)
            self._living(-1)
        else:
            self._end(reply, outcome)
        del self._writers[reply]

    def _end(self, reply: Reply, outcome: Outcome) -> None:
        seconds = time.monotonic() - reply.began
        while True:
            try:
                self._store.finish(reply.id, outcome, reply.run)
                break
            except Exception as error:  # a full disk, a locked file: what is written stays here until it is kept
                self._log.error("answer not kept yet", answer=reply.id, exc_info=error)
                if isinstance(error, DatabaseError):
                    reply.enter(replace(reply.activity, problem=error.code))
                if self._closed.wait(CHECKPOINT_SECONDS):
                    break
        # Readers look into the database once the reply has ended, so it must be there first.
        self._replies.close(reply)
        self._living(-1)
        reply.end(outcome)
        self.writing.report(reply, outcome, seconds)
        self._ended(reply.id)

    def _keep_and_carry_on(self) -> None:
        while not self._closed.wait(CHECKPOINT_SECONDS):
            self._try(self._checkpoint, "checkpoint failed")
            self._try(self._write_through, "not written through")
            self._moderation.refresh()
            if self._takes_new:
                self.left_behind.carry_on()
            self._try(self._store.end_idle, "temporary chats not ended")

    def _try(self, work: Callable[[], object], otherwise: str) -> None:
        """Each by itself: what fails now may not in a second, and keeps nothing else from being done."""
        try:
            work()
        except Exception as error:
            self._log.error(otherwise, exc_info=error)

    def _checkpoint(self) -> None:
        live = self._replies.here()
        lengths = {reply.id: reply.position for reply in live}
        self._keep([reply for reply in live if lengths[reply.id] != self._kept.get(reply.id, 0)])
        self._kept = lengths
        if live and not self._replies.connected():
            self._give_in(live)

    def _give_in(self, live: Sequence[Reply]) -> None:
        """Writes no more of what others go on with, who took this process for dead while they saw each other."""
        taken = set(self._store.taken({reply.id: reply.run for reply in live}))
        for reply in live:
            if reply.id in taken:
                reply.lose()
                reply.stop.ask()

    def _keep(self, grown: Sequence[Reply]) -> None:
        if grown:
            self._store.checkpoint(
                [(each.id, each.run, each.thinking.since(0), each.answer.since(0)) for each in grown]
            )
