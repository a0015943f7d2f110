"""An answer in a conversation: its turn, its wait for an engine that is away, and what of the conversation is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from insight_app.chat import memory
from insight_app.chat.instructions import Instructions
from insight_app.chat.messages import Message, Outcome, State
from insight_app.chat.patience import Patience
from insight_app.chat.reply import Activity, Reply
from insight_app.chat.temporary import Conversations
from insight_app.chat.writing import Writing, broken, last_prompt
from insight_app.engines.base import Options, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.errors import ContextFull, DatabaseError, EngineError, RulesUnreadable, ServerStopped
from insight_app.moderation.moderating import Hold, Moderation

# For an engine that would answer its own last turn instead of going on with it.
GO_ON = "Go on with your answer exactly where it breaks off. Begin with the very next word, and repeat nothing."
# Around each exchange with the engine, for who asked that it be recorded.
Watching = Callable[[Reply, Task], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that is written into `reply`, as what comes after `history`, which ends with its prompt.

    `patience` is for an engine that cannot be reached. `wanted`: somebody asked that it go on where it has a text, so
    an engine that does not do so by itself is told to in words; unasked that could double what was written.
    """

    reply: Reply
    answer: Message
    history: Sequence[Message]
    patience: Patience
    wanted: bool


class Conversing:
    """Has answers written in their conversations, kept or temporary."""

    def __init__(
        self,
        *,
        writing: Writing,
        engine: Fallback,
        store: Conversations,
        moderation: Moderation,
        instructions: Instructions,
        asked_for: Callable[[Message], Options],
        watching: Watching,
        picture: Callable[[str], bytes],
    ) -> None:
        """`picture` gives the bytes of an attachment, by its id."""
        self._writing = writing
        self._engine = engine
        self._store = store
        self._moderation = moderation
        self._instructions = instructions
        self._asked_for = asked_for
        self._watching = watching
        self._picture = picture

    def outcome(self, begun: Begun) -> Outcome:
        """Writes it to its end. Raises InsightError where rules cannot be read, and what else is a fault of ours."""
        reply, choice, patience = begun.reply, begun.answer.choice, begun.patience
        before = reply.position
        while True:
            try:
                with self._writing.turn(reply, choice) as my_turn:
                    return self._take(begun) if my_turn else reply.outcome(State.STOPPED)
            except (EngineError, DatabaseError, RulesUnreadable) as caught:
                error = caught.__cause__ if isinstance(caught, RulesUnreadable) else caught
                if not isinstance(error, (EngineError, DatabaseError)):
                    raise
                if reply.stop.asked:
                    return reply.outcome(State.STOPPED)
                pause = None if reply.position > before else patience.pause(error)
                if pause is None:
                    return broken(reply, error)
                reply.enter(Activity(State.QUEUED, choice, problem=error.code))
            self._wait(reply, choice, pause, patience)

    def _wait(self, reply: Reply, model: str, pause: float, patience: Patience) -> None:
        """Until it makes sense to ask again: after the pause, and not before somebody has the model."""
        while not reply.stop.wait(pause) and not self._engine.has(model) and not patience.is_over:
            pass

    def _take(self, begun: Begun) -> Outcome:
        """Its turn. Raises EngineError, DatabaseError and RulesUnreadable."""
        reply, answer, history = begun.reply, begun.answer, begun.history
        options = self._asked_for(answer)
        stage = self._writing.prepare(reply, answer.choice, options, self._store.usual_loading_seconds)
        goes_on = stage is not None and (not answer.text or self._engine.continues(stage.model, reply.stop))
        if stage is None or reply.stop.asked:
            return reply.outcome(State.STOPPED)
        if not goes_on and not begun.wanted:
            return reply.outcome(State.INTERRUPTED, problem=ServerStopped.code)
        hold = self._moderation.earlier()  # the rules may have changed since
        system = self._instructions.system_prompt(answer.conversation_id, hold)
        memory.check(history[-1], stage.context, system)
        room = memory.room(stage.context, options)
        before = reply.position
        while True:
            reading = memory.choose(history, answer, room, system, partial(self._pictures, stage.model))
            reply.receipt = reading.receipt(stage.context)
            try:
                turns = [_held(turn, hold) for turn in reading.turns]
                told = [] if goes_on else [Turn("user", GO_ON)]
                task = Task(stage.model, (*turns, *told), options)
                with self._watching(reply, task):
                    return self._writing.follow(reply, task, prompt=last_prompt(turns))
            except ContextFull:
                if (room := reading.smaller_room) is None or reply.position > before:
                    raise

    def _pictures(self, model: str, message: Message) -> tuple[bytes, ...]:
        """Those of a message, for a model that sees: another one goes on with the words of the conversation."""
        if self._engine.sees(model) is False:
            return ()
        return tuple(body for each in message.images if (body := self._picture(each.id)))


def _held(turn: Turn, hold: Hold) -> Turn:
    """A turn as it may be sent now; the system prompt is made of what was held already."""
    return turn if turn.role == "system" else replace(turn, text=hold(turn.text, turn.role == "assistant"))
