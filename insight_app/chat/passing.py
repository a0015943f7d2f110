"""Answers that are kept nowhere: a program brings the whole conversation with each request, and takes the answer along.

They go through the same line, the same rules and the same figures as all others.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import structlog

from insight_app.chat.instructions import Instructions
from insight_app.chat.messages import Outcome, State
from insight_app.chat.reply import Reply
from insight_app.chat.writing import Living, Writing, broken, last_prompt
from insight_app.engines.base import Options, Task, Turn
from insight_app.engines.tools import ToolCall, each_text
from insight_app.errors import EngineBroke, InsightError
from insight_app.moderation.moderating import Hold, Moderation
from insight_app.telemetry.request_ids import in_its_name

# What JSON Schema, and the form of a tool, say by themselves: a rule on one of them would take away the whole format.
_WORDS = """
type object array string number integer boolean null properties required items enum const anyOf oneOf allOf not
description title default format pattern minimum maximum minLength maxLength minItems maxItems uniqueItems
additionalProperties $ref $defs definitions function name parameters strict
"""
WORDS_OF_SCHEMA = frozenset(_WORDS.split())


class Passing:
    """Starts answers of which nothing stays."""

    def __init__(
        self,
        *,
        writing: Writing,
        moderation: Moderation,
        instructions: Instructions,
        options: Options,
        living: Living,
    ) -> None:
        self._writing = writing
        self._moderation = moderation
        self._instructions = instructions
        self._options = options
        self._living = living
        self._live: set[Reply] = set()
        self._log = structlog.get_logger("answer")

    def start(self, task: Task, owner: str) -> Reply:
        """Begins to write what comes after the turns of `task`, which are a program's own.

        What `task.options` leave open is as the server has it, and no answer is longer than the server lets it be.
        Raises PromptRefused where a rule does not let the last prompt be sent, and what keeps anybody from knowing.
        """
        turns = list(task.turns)
        last = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=None)
        beside = lambda: _said_beside(task, last, self._moderation.earlier())  # noqa: E731
        held = self._moderation.prompt("" if last is None else turns[last].text, beside=beside)
        if last is not None:
            turns[last] = replace(turns[last], text=held)
        task = replace(task, turns=tuple(turns), options=self._all(task.options))
        reply = Reply(0, "", task.model, owner=owner)
        reply.be_traced(self._writing.tracing.span("answer"))
        self._live.add(reply)
        self._living(1)
        writing = in_its_name(reply.span.around(self._write))
        threading.Thread(target=writing, args=(reply, task), name="passing", daemon=True).start()
        return reply

    def count(self) -> int:
        """How many are being written, or wait."""
        return len(self._live)

    def wake(self) -> None:
        """Has everybody who follows one look again."""
        for reply in list(self._live):
            reply.wake()

    def _all(self, given: Options) -> Options:
        """The server's options, with those that are given in their place."""
        known: dict[str, Any] = {each.name: getattr(given, each.name) for each in fields(given)}
        options = replace(self._options, **{name: value for name, value in known.items() if value is not None})
        most = self._options.max_tokens
        return replace(options, max_tokens=min(options.max_tokens, most)) if options.max_tokens and most else options

    def _write(self, reply: Reply, task: Task) -> None:
        try:
            outcome = self._outcome(reply, task)
        except InsightError as error:
            outcome = reply.outcome(State.STOPPED) if reply.stop.asked else broken(reply, error)
        except Exception as error:  # a fault of ours must not leave an answer that never ends
            self._log.error("answer broke", exc_info=error)
            outcome = broken(reply, EngineBroke())
        reply.receipt = outcome.figures
        self._live.discard(reply)
        self._living(-1)
        try:
            self._writing.report(reply, outcome, time.monotonic() - reply.began)
        finally:
            reply.end(outcome)

    def _outcome(self, reply: Reply, task: Task) -> Outcome:
        with self._writing.turn(reply, task.model) as my_turn:
            stage = self._writing.prepare(reply, task.model, task.options) if my_turn else None
            if stage is None:
                return reply.outcome(State.STOPPED)
            held = self._held(replace(task, model=stage.model))
            return self._writing.follow(reply, held, last_prompt(held.turns))

    def _held(self, task: Task) -> Task:
        """The task as it may be sent now. Whatever a program says is held to the rules, also in its tools."""
        hold = self._moderation.earlier()
        turns = [_held_turn(turn, hold) for turn in task.turns]
        begins = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
        system = self._instructions.before_program("\n\n".join(turn.text for turn in turns[:begins]))
        return replace(
            task,
            turns=(*([Turn("system", system)] if system else []), *turns[begins:]),
            tools=tuple(_held_schema(tool, hold) for tool in task.tools),
            format=_held_schema(task.format, hold) if isinstance(task.format, dict) else task.format,
        )


def _said_beside(task: Task, last: int | None, hold: Hold) -> Iterator[str]:
    """All that a program says but its last prompt, which is the turn `last`, as it may be sent."""
    for place, turn in enumerate(task.turns):
        if place != last:
            held = _held_turn(turn, hold)
            yield held.text
            yield from (f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in held.tool_calls)
    schemas = [*task.tools, *([task.format] if isinstance(task.format, dict) else [])]
    yield from (json.dumps(_held_schema(schema, hold), ensure_ascii=False) for schema in schemas)


def _held_turn(turn: Turn, hold: Hold) -> Turn:
    calls = tuple(_held_call(call, hold) for call in turn.tool_calls)
    if turn.role == "assistant":
        return replace(turn, text=_held_answer(turn.text, hold), tool_calls=calls)
    name, call_id = (_held_answer(each, hold) for each in (turn.tool_name, turn.tool_call_id))
    return replace(turn, text=hold(turn.text, False), tool_calls=calls, tool_name=name, tool_call_id=call_id)


def _held_call(call: ToolCall, hold: Hold) -> ToolCall:
    arguments = each_text(call.arguments, lambda text: _held_answer(text, hold))
    return replace(call, name=_held_answer(call.name, hold), arguments=arguments, id=_held_answer(call.id, hold))


def _held_answer(text: str, hold: Hold) -> str:
    """By the rules for messages too: that it was an answer, only the program says."""
    return hold(hold(text, True), False)


def _held_schema(schema: dict[str, Any], hold: Hold) -> dict[str, Any]:
    held: dict[str, Any] = each_text(schema, lambda text: hold(text, False), but=WORDS_OF_SCHEMA)
    return held
