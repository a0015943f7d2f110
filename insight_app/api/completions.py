"""What a program asks for at /v1/chat/completions: OpenAI's words become a task, or a field is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from insight_app.api import completion_request
from insight_app.api.completion_request import (
    Call,
    CompletionRequest,
    Function,
    Part,
    ResponseFormat,
    SentMessage,
    json_of,
    wrong,
)
from insight_app.api.pictures import Sent, from_address
from insight_app.chat.prompts import clean
from insight_app.engines.base import Options, Task, Turn
from insight_app.engines.tools import DEEPEST, ToolCall, each_text
from insight_app.errors import NotJson, PromptTooLarge

LONGEST_KEPT_SECONDS = 10**9


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
    request = completion_request.read(body)
    turns = _turns(request.messages)
    tools = _tools(request)
    format = _format(request.response_format)
    _expect_no_more(longest, turns, [*tools, format] if tools or format else [])
    usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    task = Task(clean(request.model or ""), turns, _options(request), format=format, tools=tools)
    return Asked(task, bool(request.stream), usage, _pictures(request.messages))


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
            raise wrong(f"{where}.content[{number}]", "is neither text nor a picture, and nothing else can be sent")
    return clean("".join(part.text or "" for part in content if part.type == "text"))


def _pictures(messages: Sequence[SentMessage]) -> tuple[Sent, ...]:
    found = []
    for number, message in enumerate(messages):
        for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if part.type == "image_url" and part.image_url is not None:
                where = f"messages[{number}].content[{place}].image_url.url"
                if message.role != "user":
                    raise wrong(where, "can only be in what a user says")
                found.append(Sent(where, from_address(part.image_url.url, where), number))
    return tuple(found)


def _call(call: Call, where: str) -> ToolCall:
    try:
        arguments = json_of((call.function.arguments.strip() or "{}").encode("utf-8", "surrogatepass"))
    except NotJson:
        arguments = None
    if not isinstance(arguments, dict):
        raise wrong(f"{where}.function.arguments", "must be a JSON object, as text")
    return ToolCall(clean(call.function.name), _cleaned(arguments, f"{where}.function.arguments"), clean(call.id or ""))


def _tools(request: CompletionRequest) -> tuple[dict[str, Any], ...]:
    """The tools as Ollama takes them, which is as OpenAI has them."""
    if request.tool_choice not in (None, "auto", "none"):
        raise wrong("tool_choice", "can only be “auto” or “none”: the model itself decides whether it calls a tool")
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
        raise wrong("response_format.json_schema", "is missing")
    where = "response_format.json_schema.schema"
    return _cleaned(wanted.json_schema.schema, where) or "json"


def _cleaned(value: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        cleaned: dict[str, Any] = each_text(value, clean)
        return cleaned
    except ValueError:
        raise wrong(where, f"has more than {DEEPEST} objects or lists in each other") from None


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
            raise wrong("keep_alive", "must be seconds or a duration such as “10m”; -1 is for good, 0 not at all")
        return given
    if not -LONGEST_KEPT_SECONDS <= given <= LONGEST_KEPT_SECONDS:
        raise wrong("keep_alive", f"must be at most {LONGEST_KEPT_SECONDS:,} seconds")
    return str(math.floor(given))
