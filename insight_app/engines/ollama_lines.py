"""The lines of an answer: bytes as they come from Ollama's socket become pieces of text and the end mark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from insight_app.engines.base import Done, Event
from insight_app.engines.lines import Said, count, joined, whole
from insight_app.engines.ollama_errors import meaning
from insight_app.engines.tools import ToolCall, calls_in, each_text
from insight_app.errors import EngineBroke, RanElsewhere

_NANOSECONDS = 1e9
_LONGEST = 2**63  # nanoseconds, as Ollama counts them


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: object = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    response: str | None = None  # where there was a prompt and no turns
    error: object = None
    remote_host: str | None = None
    remote_model: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None


_decode = msgspec.json.Decoder(_Line).decode


def events(lines: Iterable[bytes], *, model: str, url: str, may_come_from_elsewhere: bool = False) -> Iterator[Event]:
    """What the lines say, up to the end mark; raises EngineError at an error line, after what came before it.

    A line that another machine wrote is such an error too, unless it may come from elsewhere.
    """
    return joined(_each(lines, model, url, may_come_from_elsewhere))


def _each(lines: Iterable[bytes], model: str, url: str, from_elsewhere: bool) -> Iterator[Said]:
    """Each text, with whether it is reasoning, each call of a tool, and the end mark."""
    for raw in lines:
        if not raw or raw.isspace():
            continue
        try:
            line = _decode(raw)
        except ValueError:  # a lone surrogate, broken UTF-8, a type of its own
            line = _decode_leniently(raw)
        if (line.remote_host or line.remote_model) and not from_elsewhere:
            raise RanElsewhere(model=model, url=url)
        if line.error:
            raise meaning(str(line.error).lower(), model=model, url=url)
        message = line.message
        if message is not None:
            if message.thinking:
                yield True, message.thinking
            if message.content:
                yield False, message.content
            if message.tool_calls:
                yield from _calls(message.tool_calls)
        if line.response:
            yield False, line.response
        if line.done:
            yield _done(line)
            return


def _calls(said: object) -> list[ToolCall]:
    """The calls, with texts that are valid and not nested beyond all measure. Raises EngineBroke."""
    try:
        return calls_in(each_text(said, whole))
    except (ValueError, RecursionError):
        raise EngineBroke(because="a line that is not Ollama's") from None


def _done(line: _Line) -> Done:
    return Done(
        reason="length" if line.done_reason == "length" else "stop",
        prompt_tokens=count(line.prompt_eval_count),
        answer_tokens=count(line.eval_count),
        load_seconds=_seconds(line.load_duration),
        prompt_seconds=_seconds(line.prompt_eval_duration),
        answer_seconds=_seconds(line.eval_duration),
    )


def _seconds(nanoseconds: int | None) -> float | None:
    return nanoseconds / _NANOSECONDS if nanoseconds is not None and 0 <= nanoseconds < _LONGEST else None


def _decode_leniently(raw: bytes) -> _Line:
    try:
        line = msgspec.convert(json.loads(raw.decode("utf-8", "replace")), _Line, strict=False)
    except (ValueError, RecursionError):
        # Without its cause: that one carries the line, and the line the answer.
        raise EngineBroke(because="a line that is not Ollama's") from None
    if line.message is not None:
        line.message.content = _valid(line.message.content)
        line.message.thinking = _valid(line.message.thinking)
    line.response = _valid(line.response)
    return line


def _valid(text: str | None) -> str | None:
    return None if text is None else whole(text)
