"""The JSON of /v1/chat/completions, field by field; openapi.py describes it by these same types."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct

from insight_app.engines.base import MOST_TOKENS
from insight_app.errors import NotACompletion, NotJson

MOST_MESSAGES, MOST_TOOLS, MOST_STOPS = 2_000, 128, 16
LONGEST_NAME = 255
_SEED = 2**63
_WHOLE_NUMBERS = frozenset({"n", "max_tokens", "max_completion_tokens", "seed", "num_ctx"})

Tokens = Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class ImageUrl(Struct):
    url: Annotated[str, Meta(description="A data: address with base64; nothing is fetched")]


class Part(Struct):
    """A part of a message's content: "text", or "image_url" in what a user says."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class CalledFunction(Struct):
    name: Name
    arguments: str  # JSON, as a text


class Call(Struct):
    """A call of a tool that an answer made."""

    function: CalledFunction
    id: str | None = None


class SentMessage(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: Annotated[list[Call], Meta(max_length=MOST_TOOLS)] | None = None
    tool_call_id: str | None = None


class Function(Struct):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Struct):
    type: Literal["function"]
    function: Function


class JsonSchema(Struct):
    schema: dict[str, Any]


class ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    include_usage: bool | None = None


class CompletionRequest(Struct):
    """The fields that mean something here; all others are passed over."""

    messages: Annotated[list[SentMessage], Meta(min_length=1, max_length=MOST_MESSAGES)]
    model: Annotated[str, Meta(max_length=LONGEST_NAME)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=1)] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=-_SEED, le=_SEED - 1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=MOST_STOPS)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: Annotated[str | dict[str, Any] | None, Meta(description="Only “auto” and “none” are possible")] = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    # Ollama's own, which OpenAI does not have.
    num_ctx: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    keep_alive: Annotated[
        int | float | str | None, Meta(description="Seconds, or a duration such as “10m”; -1 is for good")
    ] = None
    think: bool | Literal["low", "medium", "high"] | None = None


def read(body: bytes) -> CompletionRequest:
    """Raises NotJson, or NotACompletion, which names the field that is wrong and quotes nothing of what was sent."""
    given = json_of(body)
    if not isinstance(given, dict):
        raise NotJson
    try:
        return msgspec.convert({name: _whole(name, value) for name, value in given.items()}, CompletionRequest)
    except msgspec.ValidationError as error:
        raise _in_words(str(error)) from None  # without its cause: that one can quote what was sent


def _whole(name: str, value: Any) -> Any:
    """37.0 is a whole number too: JSON has only one kind."""
    return int(value) if name in _WHOLE_NUMBERS and isinstance(value, float) and value.is_integer() else value


def json_of(text: bytes) -> Any:
    """Raises NotJson, also for numbers that JSON has not."""
    try:
        return json.loads(text, parse_constant=_never, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NotJson from None


def _never(_: str) -> NoReturn:
    raise ValueError("JSON has no such number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _never(text)


def wrong(param: str, problem: str) -> NotACompletion:
    """That a field, named by the way to it, is or has what `problem` says."""
    return NotACompletion(param=param, problem=problem)


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _in_words(said: str) -> NotACompletion:
    """What msgspec says of a value, without the value: it quotes some."""
    what, _, where = said.rpartition(" - at `$")
    what, param = (what, where.rstrip("`").lstrip(".")) if what else (said, "")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", what):
        return wrong(f"{param}.{missing[1]}".lstrip("."), "is missing")
    expected = re.match(r"Expected `([a-z |]+)`( of length)?(?: ([<>]=) (-?[\d.]+))?", what)
    if not expected:
        return wrong(param, "has a value that is not possible")
    kinds, length, sign, number = expected.groups()
    if not sign:
        return wrong(param, "must be " + " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | ")))
    bound = "at least" if sign == ">=" else "at most"
    if not length:
        return wrong(param, f"must be {bound} {number.removesuffix('.0')}")
    if (sign, number) == (">=", "1"):
        return wrong(param, "must not be empty")
    return wrong(param, f"must have {bound} {number} {'characters' if kinds == 'str' else 'entries'}")
