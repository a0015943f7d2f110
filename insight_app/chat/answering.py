"""The writer of answers that are kept: begins them, keeps what is written, and brings them to their end.

A writer belongs to no request: it goes on when every page is closed, and only Stop ends it early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import structlog

from insight_app.chat import memory
from insight_app.chat.instructions import Instructions
from insight_app.chat.line import Line
from insight_app.chat.messages import Message, Outcome, State
from insight_app.chat.patience import Patience
from insight_app.chat.replies import Activity, Replies, Reply
from insight_app.chat.temporary import Conversations
from insight_app.chat.writing import Count, Living, Report, Writing, broken, last_prompt
from insight_app.engines.base import Options, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.errors import (
    ContextFull,
    DatabaseError,
    EngineBroke,
    EngineError,
    InsightError,
    RulesUnreadable,
    ServerEnding,
    ServerStopped,
    TakesNothingNew,
    TooManyWaiting,
)
from insight_app.moderation.moderating import Hold, Moderation
from insight_app.telemetry.request_ids import in_its_name
from insight_app.telemetry.traces import Tracing

# What a page has shown for a second is kept, also where the machine loses its power: so often, and what that takes.
CHECKPOINT_SECONDS = 0.8
# How long the end of a server waits for what is kept or read just then.
END_SECONDS = 1.0
# For an engine that would answer its own last turn instead of going on with it.
GO_ON = "Go on with your answer exactly where it breaks off. Begin with the very next word, and repeat nothing."
# How often answers are looked for that nobody writes.
SUSPECT_SECONDS = 5.0
# Around each exchange with the engine, for who asked that it be recorded.
Watching = Callable[[Reply, Task], AbstractContextManager[object]]


class Answering:
    """Starts, stops and keeps answers."""

    def __init__(
        self,
        *,
        engine: Fallback,
        store: Conversations,
        replies: Replies,
        moderation: Moderation,
        instructions: Instructions,
        asked_for: Callable[[Message], Options],
        line: Line,
        patience_seconds: float,
        report: Report,
        refused: Callable[[], object] = lambda: None,
        count: Count = lambda owner, model, figures: None,
        watching: Watching = lambda reply, task: nullcontext(),
        write_through: Callable[[], object] = lambda: None,
        living: Living = lambda more: None,
        ended: Callable[[int], object] = lambda answer_id: None,
        tracing: Tracing | None = None,
        picture: Callable[[str], bytes] = lambda attachment_id: b"",
    ) -> None:
        self._engine = engine
        self._store = store
        self._replies = replies
        self._moderation = moderation
        self._instructions = instructions
        self._asked_for = asked_for
        self._line = line
        self.writing = Writing(
            engine=engine, moderation=moderation, line=line, report=report, count=count, tracing=tracing
        )
        self._patience_seconds = patience_seconds
        self._report = report
        self._refused = refused
        self._watching = watching
        self._write_through = write_through
        self._living = living
        self._ended = ended
        self._picture = picture
        self._log = structlog.get_logger("answer")
        self._suspects = set(store.unfinished())  # answers that nobody may be writing any more
        self._taken: dict[int, Message] = {}  # those of them that are ours, and could not go on yet
        self._unfinished: set[int] = set()  # those of the last look that are not written here
        self._look_at = 0.0
        self._kept: dict[int, int] = {}  # how long each answer was at its last checkpoint
        self._takes_new = True
        self._writers: dict[Reply, threading.Thread] = {}
        self._closed = threading.Event()
        self._keeping = threading.Thread(target=self._keep_and_carry_on, name="keeping", daemon=True)
        self._keeping.start()

    def start(self, answer: Message, history: Sequence[Message], *, patient: bool = True, wanted: bool = True) -> Reply:
        """Begins to write `answer`, one of the store, as what comes after `history`; goes on where it has a text.

        `patient`: while no engine can be reached, it waits for one. `wanted`: somebody asked that it go on, so an
        engine that does not do so by itself is told to in words; unasked that could double what was written.
        """
        reply = self._replies.open(answer.id, answer.conversation_id, answer.choice, answer.run, answer.owner)
        reply.be_traced(self.writing.tracing.span("answer"))
        if answer.text:  # thoughts alone cannot be gone on with: the engine thinks anew
            reply.begin_with(answer.thinking, answer.text)
        if not self._takes_new:  # it was on its way when this server was asked to end
            self._let_go([reply])
            return reply
        patience = Patience(self._patience_seconds if patient else 0)
        self._living(1)
        arguments = (reply, answer, history, patience, wanted)
        writing = in_its_name(reply.span.around(self._write))
        writer = threading.Thread(target=writing, args=arguments, name=f"answer-{answer.id}", daemon=True)
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

    def carry_on(self) -> None:
        """Goes on with the answers that a former run of the server, or another process that died, left unfinished.

        One that ended two servers, perhaps by its own doing, is interrupted.
        """
        try:
            self._look_for_suspects()
            orphans = self._replies.orphans(self._suspects)
            self._suspects.update(orphans)  # until they go on: the disk may be full, and each is given to us but once
            for answer_id in orphans:
                answer = self._taken.get(answer_id)
                if answer is None or self._store.taken({answer_id: answer.run + 1}):
                    answer = self._store.left_behind(answer_id)
                if answer is not None and answer.problem == ServerStopped.code:
                    self._give_up(answer)
                elif answer is not None:
                    self._taken[answer_id] = answer  # to take it twice would look like the end of two servers
                    history = self._store.history(answer.conversation_id, answer.id)[:-1]
                    self.start(replace(answer, run=answer.run + 1), history, wanted=False)
                self._taken.pop(answer_id, None)
                self._suspects.discard(answer_id)
        except Exception as error:  # what is there can be read nevertheless, and a little later they may go on
            self._log.error("answers not carried on", exc_info=error)

    def _look_for_suspects(self) -> None:
        """Also finds what was left by processes that died while Redis was gone, and by one that ended after our start.

        Twice, since a prompt is stored a moment before its answer is begun.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + SUSPECT_SECONDS
        found = set(self._store.unfinished()) - {reply.id for reply in self._replies.here()}
        self._suspects = found & (self._suspects | self._unfinished)
        self._unfinished = found

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

    def _give_up(self, answer: Message) -> None:
        ended = State.INTERRUPTED if answer.text or answer.thinking else State.FAILED
        outcome = Outcome(ended, answer.text, answer.thinking, answer.model, answer.problem, figures=answer.figures)
        self._store.finish(answer.id, outcome, answer.run + 1)
        seconds = max(0.0, time.time() - answer.created_at)
        self._report(ended.value, outcome.problem, seconds, {}, self.writing.known(answer.model))

    def _write(
        self, reply: Reply, answer: Message, history: Sequence[Message], patience: Patience, wanted: bool
    ) -> None:
        try:
            outcome = self._outcome(reply, answer, history, patience, wanted)
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

    def _outcome(
        self, reply: Reply, answer: Message, history: Sequence[Message], patience: Patience, wanted: bool
    ) -> Outcome:
        begun = reply.position
        while True:
            try:
                with self.writing.turn(reply, answer.choice) as my_turn:
                    return self._take(reply, answer, history, wanted) if my_turn else reply.outcome(State.STOPPED)
            except (EngineError, DatabaseError, RulesUnreadable) as caught:
                error = caught.__cause__ if isinstance(caught, RulesUnreadable) else caught
                if not isinstance(error, (EngineError, DatabaseError)):
                    raise
                if reply.stop.asked:
                    return reply.outcome(State.STOPPED)
                pause = None if reply.position > begun else patience.pause(error)
                if pause is None:
                    return broken(reply, error)
                reply.enter(Activity(State.QUEUED, answer.choice, problem=error.code))
            self._wait(reply, answer.choice, pause, patience)

    def _wait(self, reply: Reply, model: str, pause: float, patience: Patience) -> None:
        """Until it makes sense to ask again: after the pause, and not before somebody has the model."""
        while not reply.stop.wait(pause) and not self._engine.has(model) and not patience.is_over:
            pass

    def _take(self, reply: Reply, answer: Message, history: Sequence[Message], wanted: bool) -> Outcome:
        options = self._asked_for(answer)
        stage = self.writing.prepare(reply, answer.choice, options, self._store.usual_loading_seconds)
        goes_on = stage is not None and (not answer.text or self._engine.continues(stage.model, reply.stop))
        if stage is None or reply.stop.asked:
            return reply.outcome(State.STOPPED)
        if not goes_on and not wanted:
            return reply.outcome(State.INTERRUPTED, problem=ServerStopped.code)
        hold = self._moderation.earlier()  # the rules may have changed since
        system = self._instructions.system_prompt(answer.conversation_id, hold)
        memory.check(history[-1], stage.context, system)
        room = memory.room(stage.context, options)
        begun = reply.position
        while True:
            reading = memory.choose(history, answer, room, system, partial(self._pictures, stage.model))
            reply.receipt = reading.receipt(stage.context)
            try:
                turns = [_held(turn, hold) for turn in reading.turns]
                told = [] if goes_on else [Turn("user", GO_ON)]
                task = Task(stage.model, (*turns, *told), options)
                with self._watching(reply, task):
                    return self.writing.follow(reply, task, prompt=last_prompt(turns))
            except ContextFull:
                if (room := reading.smaller_room) is None or reply.position > begun:
                    raise

    def _pictures(self, model: str, message: Message) -> tuple[bytes, ...]:
        """Those of a message, for a model that sees: another one goes on with the words of the conversation."""
        if self._engine.sees(model) is False:
            return ()
        return tuple(body for each in message.images if (body := self._picture(each.id)))

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
                self.carry_on()
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


def _held(turn: Turn, hold: Hold) -> Turn:
    """A turn as it may be sent now; the system prompt is made of what was held already."""
    return turn if turn.role == "system" else replace(turn, text=hold(turn.text, turn.role == "assistant"))
