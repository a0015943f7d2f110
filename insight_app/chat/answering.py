"""The writer: takes what the engine says, appends it to the reply, keeps it, and brings it to its end.

A writer belongs to no request: it goes on when every page is closed, and only Stop ends it early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from insight_app.chat.messages import Message, Outcome, State, path, turns
from insight_app.chat.queue import Line
from insight_app.chat.replies import Replies, Reply
from insight_app.chat.store import ConversationStore
from insight_app.engines.base import Done, Engine, Options, Piece, Stage, Task
from insight_app.errors import EngineBroke, EngineError, LengthReached, ServerStopped, StillAnswering

CHECKPOINT_SECONDS = 1.0


class Report(Protocol):
    """Told of every answer's end, in words and figures and without the text."""

    def __call__(
        self,
        *,
        state: str,
        problem: str,
        seconds: float,
        first_text_seconds: float | None,
        prompt_tokens: int | None,
        answer_tokens: int | None,
    ) -> None: ...


class Answering:
    """Starts, stops and keeps answers."""

    def __init__(
        self,
        *,
        engine: Engine,
        store: ConversationStore,
        replies: Replies,
        options: Options,
        at_once: int,
        report: Report,
    ) -> None:
        self._engine = engine
        self._store = store
        self._replies = replies
        self._options = options
        self._line = Line(at_once)
        self._report = report
        self._log = structlog.get_logger("answer")
        self._kept: dict[int, int] = {}  # how long each answer was at its last checkpoint
        self._closed = threading.Event()
        threading.Thread(target=self._keep_checkpoints, name="checkpoints", daemon=True).start()

    def start(self, answer: Message, history: Sequence[Message]) -> Reply:
        """Begins to write `answer`, one of the store, as what comes after `history`; goes on where it has a text."""
        run = 1 if answer.problem == ServerStopped.code else 0
        reply = self._replies.open(answer.id, answer.conversation_id, answer.choice, run)
        reply.begin_with(answer.thinking, answer.text)
        so_far = [answer] if answer.text else []
        task = Task(model=answer.choice, turns=turns([*history, *so_far]), options=self._options)
        threading.Thread(target=self._write, args=(reply, task), name=f"answer-{answer.id}", daemon=True).start()
        return reply

    def carry_on(self) -> None:
        """Goes on with the answers that a former run of the server left unfinished."""
        for answer in self._store.left_behind():
            history = path(self._store.messages(answer.conversation_id), answer.id)
            before = [message for message in history if message.id < answer.id]
            self.start(replace(answer, problem=ServerStopped.code), before)

    def expect_idle(self, conversation_id: str) -> None:
        """Raises StillAnswering where an answer of this conversation is being written."""
        if any(reply.conversation_id == conversation_id for reply in self._replies.live()):
            raise StillAnswering

    def stop(self, answer_id: int) -> None:
        """Ends an answer now, at the engine too; one that has ended stays as it is."""
        if reply := self._replies.get(answer_id):
            reply.stop.ask()

    def stop_conversation(self, conversation_id: str) -> None:
        for reply in self._replies.live():
            if reply.conversation_id == conversation_id:
                reply.stop.ask()

    def close(self) -> None:
        """Keeps what is written and takes no more checkpoints: the server is about to end."""
        self._closed.set()
        self._checkpoint()

    def _write(self, reply: Reply, task: Task) -> None:
        try:
            with self._line.turn(reply.stop) as my_turn:
                if my_turn:
                    reply.enter(State.READING, reply.model)  # until the engine says more
                outcome = self._take(reply, task) if my_turn else reply.outcome(State.STOPPED)
        except EngineError as error:
            outcome = _broken(reply, error)
        except Exception as error:  # a fault of ours must not leave an answer that never ends
            self._log.error("answer broke", answer=reply.id, exc_info=error)
            outcome = _broken(reply, EngineBroke())
        self._end(reply, outcome)

    def _take(self, reply: Reply, task: Task) -> Outcome:
        done: Done | None = None
        for event in self._engine.stream(task, reply.stop):
            if isinstance(event, Piece):
                reply.append(event.text, thought=event.thought)
            elif isinstance(event, Stage):
                reply.enter(State(event.name), event.model)
            else:
                done = event
        if done is None:
            return reply.outcome(State.STOPPED)
        return reply.outcome(State.DONE, done, problem=LengthReached.code if done.reason == "length" else "")

    def _end(self, reply: Reply, outcome: Outcome) -> None:
        seconds = time.monotonic() - reply.began
        while True:
            try:
                self._store.finish(reply.id, outcome)
                break
            except Exception as error:  # a full disk, a locked file: what is written stays here until it is kept
                self._log.error("answer not kept yet", answer=reply.id, exc_info=error)
                if self._closed.wait(CHECKPOINT_SECONDS):
                    break
        # Readers look into the database once the reply has ended, so it must be there first.
        self._kept.pop(reply.id, None)
        self._replies.close(reply)
        reply.end(outcome)
        self._report(
            state=outcome.state.value,
            problem=outcome.problem,
            seconds=seconds,
            first_text_seconds=outcome.first_text_seconds,
            prompt_tokens=outcome.prompt_tokens,
            answer_tokens=outcome.answer_tokens,
        )

    def _keep_checkpoints(self) -> None:
        while not self._closed.wait(CHECKPOINT_SECONDS):
            try:
                self._checkpoint()
            except Exception as error:  # a full disk now may be a free one in a second
                self._log.error("checkpoint failed", exc_info=error)

    def _checkpoint(self) -> None:
        grown = []
        for reply in self._replies.live():
            if self._kept.get(reply.id, 0) != reply.position:
                self._kept[reply.id] = reply.position
                grown.append((reply.id, reply.thinking.since(0), reply.answer.since(0)))
        if grown:
            self._store.checkpoint(grown)


def _broken(reply: Reply, error: EngineError) -> Outcome:
    return reply.outcome(State.INTERRUPTED if reply.position else State.FAILED, problem=error.code)
