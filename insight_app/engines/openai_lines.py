"""The stream of an answer as OpenAI has it: lines of server-sent events become pieces of text and the end mark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from insight_app.engines.base import Done, Event
from insight_app.engines.lines import Said, count, joined, whole
from insight_app.engines.openai_errors import meaning, text_of
from insight_app.engines.tools import ToolCall, each_text
from insight_app.errors import AnswerCut, EngineBroke

_MILLISECONDS = 1e3
_LONGEST = 2**53  # milliseconds
_OTHER_FIELDS = (b":", b"event:", b"id:", b"retry:")


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None  # llama.cpp, LM Studio, older vLLM
    reasoning: str | None = None  # newer vLLM
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None  # where there was a prompt and no turns
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Timings(msgspec.Struct, gc=False):
    """llama.cpp's own."""

    cache_n: int = 0
    prompt_n: int | None = None
    predicted_n: int | None = None
    prompt_ms: float | None = None
    predicted_ms: float | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None
    error: object = None
    kind: str | None = msgspec.field(name="object", default=None)
    message: str | None = None  # of an error as older vLLM has it


@dataclass(slots=True)
class _Calling:
    """A call that comes in pieces."""

    id: str = ""
    name: str = ""
    arguments: str = ""


_decode = msgspec.json.Decoder(_Chunk).decode


class Answer:
    """What the lines of one answer have said so far. `facts` are what its errors are told with."""

    def __init__(self, model: str, facts: Mapping[str, str]) -> None:
        self._model = model
        self._facts = facts
        self._reason: str | None = None
        self._usage = _Usage()
        self._timings = _Timings()
        self._calls: dict[int, _Calling] = {}

    @property
    def has_ended(self) -> bool:
        """Whether it is whole: what still comes are figures and the mark."""
        return self._reason is not None

    def feed(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """What the lines say, up to the end mark; raises EngineError at an error, after what came before it."""
        return joined(self._said(lines))

    def end(self) -> Iterator[ToolCall | Done]:
        """The calls that were made, and the end mark. Raises EngineBroke where the server itself gave up."""
        if self._reason == "error":
            raise EngineBroke(**self._facts, because="its own end mark")
        if self._reason == "abort":
            raise AnswerCut(**self._facts, because="its own end mark")
        for call in self._calls.values():
            if (made := self._call(call)) is not None:
                yield made
        usage, timings = self._usage, self._timings
        read = timings.prompt_n if timings.prompt_n is None else timings.cache_n + timings.prompt_n
        yield Done(
            reason="length" if self._reason == "length" else "stop",
            prompt_tokens=count(read if usage.prompt_tokens is None else usage.prompt_tokens),
            answer_tokens=count(timings.predicted_n if usage.completion_tokens is None else usage.completion_tokens),
            prompt_seconds=_seconds(timings.prompt_ms),
            answer_seconds=_seconds(timings.predicted_ms),
        )

    def _said(self, lines: Iterable[bytes]) -> Iterator[Said]:
        for raw in lines:
            line = raw.strip()
            if not line or line.startswith(_OTHER_FIELDS):
                continue
            field, _, value = line.partition(b":") if not line.startswith(b"{") else (b"data", b"", line)
            if field not in (b"data", b"error"):
                raise EngineBroke(**self._facts, because="a line that is no event")
            if value.strip() == b"[DONE]":
                yield from self.end()
                return
            yield from self._hear(self._chunk(value), failed=field == b"error")

    def _chunk(self, data: bytes) -> _Chunk:
        try:
            return _decode(data)
        except ValueError:  # a lone surrogate, broken UTF-8, a type of its own
            pass
        try:
            said = each_text(json.loads(data.decode("utf-8", "replace")), whole)
            return msgspec.convert(said, _Chunk, strict=False)
        except (ValueError, RecursionError):
            # Without its cause: that one carries the line, and the line the answer.
            raise EngineBroke(**self._facts, because="an event that is none of OpenAI's") from None

    def _hear(self, chunk: _Chunk, *, failed: bool) -> Iterator[Said]:
        if chunk.error or failed or chunk.kind == "error":
            raise meaning(text_of(chunk.error or chunk.message or ""), model=self._model, facts=self._facts)
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings
        for choice in (chunk.choices or ())[:1]:
            if (delta := choice.delta) is not None:
                if thought := delta.reasoning_content or delta.reasoning:
                    yield True, thought
                if delta.content:
                    yield False, delta.content
                for call in delta.tool_calls or ():
                    self._grow(call)
            if choice.text:
                yield False, choice.text
            self._reason = choice.finish_reason or self._reason

    def _grow(self, call: _Call) -> None:
        known = self._calls.setdefault(call.index or 0, _Calling())
        known.id = call.id or known.id
        if call.function is not None:
            known.name += call.function.name or ""
            known.arguments += call.function.arguments or ""

    def _call(self, call: _Calling) -> ToolCall | None:
        """The call as a value; None where the answer ended in its middle. Raises EngineBroke where it is none."""
        try:
            arguments = each_text(json.loads(call.arguments or "{}"), whole)
        except (ValueError, RecursionError):
            if self._reason == "length":
                return None
            raise EngineBroke(**self._facts, because="a call that is no JSON") from None
        return ToolCall(whole(call.name), arguments if isinstance(arguments, dict) else {}, whole(call.id))


def _seconds(milliseconds: float | None) -> float | None:
    known = milliseconds is not None and 0 <= milliseconds < _LONGEST
    return milliseconds / _MILLISECONDS if milliseconds is not None and known else None
