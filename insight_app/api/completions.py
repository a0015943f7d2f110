"""What a program asks for at /v1/chat/completions: JSON in OpenAI's words becomes a task, or a field is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct

from insight_app.api.pictures import Sent, from_address
from insight_app.chat.prompts import clean
from insight_app.engines.base import MOST_TOKENS, Options, Task, Turn
from insight_app.engines.tools import DEEPEST, ToolCall, each_text
from insight_app.errors import NotACompletion, NotJson, PromptTooLarge

MOST_MESSAGES, MOST_TOOLS, MOST_STOPS = 2_000, 128, 16
LONGEST_NAME = 255
LONGEST_KEPT_SECONDS = 10**9
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What to write, and how to send it. The task's options say only what the program says.

    `pictures` are those of its turns, as they came.
    """

    task: Task
    stream: bool = False
    with_usage: bool = False
    pictures: tuple[Sent, ...] = ()

    def seeing(self, pictures: Sequence[bytes]) -> Asked:
        """The same with these in the place of those that came."""
        turns = list(self.task.turns)
        for sent, each in zip(self.pictures, pictures, strict=True):
            turns[sent.turn] = replace(turns[sent.turn], images=(*turns[sent.turn].images, each))
        return replace(self, task=replace(self.task, turns=tuple(turns)), pictures=())


def read(body: bytes, longest: int) -> Asked:
    """What is asked for; `longest` is how many characters all texts may have together.

    Raises NotJson, NotACompletion, NotAPicture or PromptTooLarge.
    """
    given = _json(body)
    if not isinstance(given, dict):
        raise NotJson
    try:
        request = msgspec.convert({name: _whole(name, value) for name, value in given.items()}, CompletionRequest)
    except msgspec.ValidationError as error:
        raise _in_words(str(error)) from None  # without its cause: that one can quote what was sent
    turns = _turns(request.messages)
    tools = _tools(request)
    format = _format(request.response_format)
    _expect_no_more(longest, turns, [*tools, format] if tools or format else [])
    usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    task = Task(clean(request.model or ""), turns, _options(request), format=format, tools=tools)
    return Asked(task, bool(request.stream), usage, _pictures(request.messages))


def _whole(name: str, value: Any) -> Any:
    """37.0 is a whole number too: JSON has only one kind."""
    return int(value) if name in _WHOLE_NUMBERS and isinstance(value, float) and value.is_integer() else value


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_never, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NotJson from None


def _never(_: str) -> NoReturn:
    raise ValueError("JSON has no such number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _never(text)


def _wrong(param: str, problem: str) -> NotACompletion:
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
        return _wrong(f"{param}.{missing[1]}".lstrip("."), "is missing")
    expected = re.match(r"Expected `([a-z |]+)`( of length)?(?: ([<>]=) (-?[\d.]+))?", what)
    if not expected:
        return _wrong(param, "has a value that is not possible")
    kinds, length, sign, number = expected.groups()
    if not sign:
        return _wrong(param, "must be " + " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | ")))
    bound = "at least" if sign == ">=" else "at most"
    if not length:
        return _wrong(param, f"must be {bound} {number.removesuffix('.0')}")
    if (sign, number) == (">=", "1"):
        return _wrong(param, "must not be empty")
    return _wrong(param, f"must have {bound} {number} {'characters' if kinds == 'str' else 'entries'}")


def _turns(messages: Sequence[SentMessage]) -> tuple[Turn, ...]:
    names: dict[str, str] = {}  # of the tools that were called, by the id of the call
    found: list[Turn] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        text = _text(message.content, where)
        calls = [_call(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
        names |= {call.id: call.name for call in calls if call.id}
        if message.role == "tool":
            call_id = clean(message.tool_call_id or "")
            found.append(Turn("tool", text, tool_name=names.get(call_id, ""), tool_call_id=call_id))
        elif message.role == "assistant":
            found.append(Turn("assistant", text, tool_calls=tuple(calls)))
        else:
            found.append(Turn("system" if message.role == "developer" else message.role, text))
    return tuple(found)


def _text(content: str | Sequence[Part] | None, where: str) -> str:
    if content is None or isinstance(content, str):
        return clean(content or "")
    for number, part in enumerate(content):
        if (part.text if part.type == "text" else part.image_url if part.type == "image_url" else None) is None:
            raise _wrong(f"{where}.content[{number}]", "is neither text nor a picture, and nothing else can be sent")
    return clean("".join(part.text or "" for part in content if part.type == "text"))


def _pictures(messages: Sequence[SentMessage]) -> tuple[Sent, ...]:
    found = []
    for number, message in enumerate(messages):
        for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if part.type == "image_url" and part.image_url is not None:
                where = f"messages[{number}].content[{place}].image_url.url"
                if message.role != "user":
                    raise _wrong(where, "can only be in what a user says")
                found.append(Sent(where, from_address(part.image_url.url, where), number))
    return tuple(found)


def _call(call: Call, where: str) -> ToolCall:
    try:
        arguments = _json((call.function.arguments.strip() or "{}").encode("utf-8", "surrogatepass"))
    except NotJson:
        arguments = None
    if not isinstance(arguments, dict):
        raise _wrong(f"{where}.function.arguments", "must be a JSON object, as text")
    return ToolCall(clean(call.function.name), _cleaned(arguments, f"{where}.function.arguments"), clean(call.id or ""))


def _tools(request: CompletionRequest) -> tuple[dict[str, Any], ...]:
    """The tools as Ollama takes them, which is as OpenAI has them."""
    if request.tool_choice not in (None, "auto", "none"):
        raise _wrong("tool_choice", "can only be “auto” or “none”: the model itself decides whether it calls a tool")
    if request.tool_choice == "none":
        return ()
    return tuple(_tool(tool.function, f"tools[{number}].function") for number, tool in enumerate(request.tools or ()))


def _tool(function: Function, where: str) -> dict[str, Any]:
    parameters = function.parameters or {"type": "object", "properties": {}}
    about = {
        "name": clean(function.name),
        "description": clean(function.description or ""),
        "parameters": _cleaned(parameters, f"{where}.parameters"),
    }
    return {"type": "function", "function": about}


def _format(wanted: ResponseFormat | None) -> str | dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return "json"
    if wanted.json_schema is None:
        raise _wrong("response_format.json_schema", "is missing")
    where = "response_format.json_schema.schema"
    return _cleaned(wanted.json_schema.schema, where) or "json"


def _cleaned(value: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        cleaned: dict[str, Any] = each_text(value, clean)
        return cleaned
    except ValueError:
        raise _wrong(where, f"has more than {DEEPEST} objects or lists in each other") from None


def _expect_no_more(longest: int, turns: Sequence[Turn], schemas: Sequence[Any]) -> None:
    called = [call.arguments for turn in turns for call in turn.tool_calls]
    length = sum(len(turn.text) for turn in turns) + sum(len(json.dumps(each)) for each in (*called, *schemas))
    if length > longest:
        raise PromptTooLarge(length=f"{length:,}", limit=f"{longest:,}")


def _options(request: CompletionRequest) -> Options:
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    return Options(
        max_tokens=request.max_completion_tokens or request.max_tokens,
        num_ctx=request.num_ctx,
        keep_alive=_keep_alive(request.keep_alive),
        think=_think(request),
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        stop=tuple(clean(stop) for stop in stops if stop) or None,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
    )


def _think(request: CompletionRequest) -> bool | Literal["low", "medium", "high"] | None:
    if request.think is not None:
        return request.think
    match request.reasoning_effort:
        case None:
            return None
        case "none":
            return False
        case "minimal":
            return "low"
        case "xhigh":
            return "high"
        case effort:
            return effort


def _keep_alive(given: int | float | str | None) -> str | None:
    """As Ollama takes it. Nothing that it would refuse, or count beyond what it can."""
    if given is None:
        return None
    if isinstance(given, str):
        if not re.fullmatch(r"-?(?=.)(\d{1,5}h)?(\d{1,6}m)?(\d{1,9}s)?(\d{1,9}ms)?|-?\d{1,9}", given, re.ASCII):
            raise _wrong("keep_alive", "must be seconds or a duration such as “10m”; -1 is for good, 0 not at all")
        return given
    if not -LONGEST_KEPT_SECONDS <= given <= LONGEST_KEPT_SECONDS:
        raise _wrong("keep_alive", f"must be at most {LONGEST_KEPT_SECONDS:,} seconds")
    return str(math.floor(given))
