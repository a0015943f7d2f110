"""An answer as OpenAI has it: whole, or as the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from insight_app.chat.messages import Figures
from insight_app.engines.base import Piece
from insight_app.engines.tools import ToolCall
from insight_app.errors import AnswerRefused, ContextEnded, InsightError, LengthReached

ENDED_EARLY = frozenset({LengthReached.code, ContextEnded.code})


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer's own facts: `id`, when it was asked for (seconds since 1970), and who answers."""

    id: str
    created: int
    model: str

    def whole(
        self, text: str, thinking: str, calls: Sequence[ToolCall], problem: InsightError | None, took: Figures
    ) -> dict[str, Any]:
        """The answer in one object. `problem` is what ended it early."""
        message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else ""), "refusal": None}
        if thinking:
            message["reasoning"] = thinking
        if calls:
            message["tool_calls"] = [called(call, place) for place, call in enumerate(calls)]
        message |= refusal_of(problem)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(problem, calls)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage_of(took)}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """A piece of the answer; the last one says why it ended."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self, took: Figures) -> dict[str, Any]:
        """What comes behind the last piece, for who asked for it."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage_of(took)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def delta_of(piece: Piece | ToolCall, place: int) -> dict[str, Any]:
    """What a chunk says of a piece, or of the call at a place among the answer's calls."""
    if isinstance(piece, ToolCall):
        return {"tool_calls": [{"index": place, **called(piece, place)}]}
    return {"reasoning" if piece.thought else "content": piece.text}


def called(call: ToolCall, place: int) -> dict[str, Any]:
    """A call; each of an answer has an id of its own, also where the engine gives none."""
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id or f"call_{place}", "type": "function", "function": function}


def finish_of(problem: InsightError | None, calls: Sequence[ToolCall]) -> str:
    """Why it ended, in OpenAI's words; `problem` is none that broke it."""
    if isinstance(problem, AnswerRefused):
        return "content_filter"
    if problem is not None and problem.code in ENDED_EARLY:
        return "length"
    return "tool_calls" if calls else "stop"


def refusal_of(problem: InsightError | None) -> dict[str, str]:
    """What a rule that ended the answer says."""
    return {"refusal": problem.cause} if isinstance(problem, AnswerRefused) else {}


def breaks(problem: InsightError | None) -> bool:
    """Whether there is no whole answer, and not because it was ended on purpose."""
    return problem is not None and not isinstance(problem, AnswerRefused) and problem.code not in ENDED_EARLY


def usage_of(took: Figures) -> dict[str, int]:
    """The tokens; 0 where the engine did not say."""
    read, written = took.prompt_tokens or 0, took.answer_tokens or 0
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
