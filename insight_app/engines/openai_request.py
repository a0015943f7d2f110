"""A task as a request to an OpenAI-compatible server."""

from __future__ import annotations

import base64
import json
from typing import Any

from insight_app.engines.base import Task, Turn
from insight_app.engines.openai_servers import Kind, going_on

# Those whose templates can be told whether the model is to think.
_TOLD_TO_THINK = ("llama.cpp", "vllm")


def path_of(task: Task) -> str:
    return "/v1/completions" if task.raw else "/v1/chat/completions"


def request(task: Task, model: str, kind: Kind, most: int | None, think: bool | str | None) -> bytes:
    """The body; `most` is how many tokens the answer may have. What is left open is as the server has it.

    It is the server's own business how long it keeps a model and how many tokens that sees: nothing is said of it.
    """
    said: dict[str, Any] = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    if task.raw:
        said["prompt"] = task.raw
    else:
        said["messages"] = _messages(task.turns)
        said |= _thinking(think, kind)
        if task.turns and task.turns[-1].role == "assistant" and not task.turns[-1].tool_calls:
            said |= going_on(kind)
    if kind == "llama.cpp":
        # It notices that nobody listens any more when it says something, and says nothing else while it reads.
        said["return_progress"] = True
    if task.format is not None:
        said["response_format"] = _format(task.format)
    if task.tools:
        said["tools"] = task.tools
    if most is not None:
        said["max_tokens"] = most
    return json.dumps(said | task.options.sampling).encode()  # json, not msgspec: its escapes carry lone surrogates


def _thinking(think: bool | str | None, kind: Kind) -> dict[str, Any]:
    if isinstance(think, str):
        return {"reasoning_effort": think}
    if think is None or kind not in _TOLD_TO_THINK:
        return {}
    return {"chat_template_kwargs": {"enable_thinking": think}}


def _format(wanted: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(wanted, str):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": wanted}}


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    """The text alone where there is no picture: not every server takes parts."""
    if not turn.images:
        return turn.text
    pictures = [{"type": "image_url", "image_url": {"url": _data_address(each)}} for each in turn.images]
    return [*pictures, {"type": "text", "text": turn.text}] if turn.text else pictures


def _data_address(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _messages(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    """The turns. Each call needs an id here, by which what its tool gave is known."""
    found: list[dict[str, Any]] = []
    nameless = ""
    for number, turn in enumerate(turns):
        message: dict[str, Any] = {"role": turn.role, "content": _content(turn)}
        if turn.tool_calls:
            nameless = f"call_{number}"
            message["tool_calls"] = [
                {
                    "id": call.id or f"{nameless}_{place}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for place, call in enumerate(turn.tool_calls)
            ]
        if turn.role == "tool":
            message["tool_call_id"] = turn.tool_call_id or f"{nameless}_0"
        found.append(message)
    return found
