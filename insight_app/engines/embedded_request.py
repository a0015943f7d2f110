"""What a request to the built-in engine asks for, or why it is refused, in Ollama's words."""

from __future__ import annotations

import json
from typing import Any

from insight_app.engines.embedded_model import CONTEXT, NAME
from insight_app.engines.tools import each_text

# Ollama's options by their type there. llama.cpp knows them by the same names; others are ignored.
NUMBERS = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)
WHOLE_NUMBERS = ("num_predict", "top_k", "seed", "repeat_last_n")
# At Ollama's temperature of 0.8 a model this small rambles, and without a penalty it goes round in circles.
USUAL = {"temperature": 0.2, "top_p": 0.9, "repeat_penalty": 1.05}


class Refusal(Exception):
    """A request that gets `status` and Ollama's error object instead of an answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def asked_of_us(body: bytes) -> dict[str, Any]:
    """The request in `body`, once it is clear that it means our model."""
    if not body:
        raise Refusal(400, "missing request body")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the request is not valid JSON") from None
    if not isinstance(asked, dict):
        raise Refusal(400, "the request must be a JSON object")
    name = asked.get("model") or asked.get("name")
    if not isinstance(name, str):
        raise Refusal(400, "model is required")
    if name != NAME:
        raise Refusal(404, f"model '{name}' not found")
    return asked


def messages_of(asked: dict[str, Any]) -> list[dict[str, str]]:
    messages = asked.get("messages", [])
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise Refusal(400, "messages must be a list of objects")
    for each in messages:
        if each.get("role") == "tool" or each.get("tool_calls"):
            raise Refusal(400, f'"{NAME}" does not support tools')
        if each.get("role") not in ("system", "user", "assistant"):
            raise Refusal(400, "a message's role must be system, user or assistant")
        if not isinstance(each.get("content", ""), str):
            raise Refusal(400, "a message's content must be a string")
        if each.get("images"):
            raise Refusal(400, f'"{NAME}" does not support images')
    return [{"role": each["role"], "content": _whole_characters(each.get("content", ""))} for each in messages]


def choices_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The request's options, and the format of its answer, in llama.cpp's words."""
    options = asked.get("options", {})
    if not isinstance(options, dict):
        raise Refusal(400, "options must be an object")
    for names, kinds, word in ((NUMBERS, (int, float), "float32"), (WHOLE_NUMBERS, (int,), "integer")):
        for name in names:
            if not isinstance(options.get(name, 0), kinds) or isinstance(options.get(name), bool):
                raise Refusal(400, f'option "{name}" must be of type {word}')
    stop = options.get("stop", [])
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(each, str) for each in stop):
        raise Refusal(400, 'option "stop" must be of type array')
    most = min(options.get("num_predict", -1), CONTEXT)
    given = {name: options[name] for name in (*NUMBERS, *WHOLE_NUMBERS) if name in options and name != "num_predict"}
    told = {"stop": [each for each in stop if each], "max_tokens": most if most > 0 else -1}
    return {**USUAL, **given, **told, **_format_of(asked)}


def _format_of(asked: dict[str, Any]) -> dict[str, Any]:
    wanted = asked.get("format")
    if not wanted:
        return {}
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    texts: set[str] = set()

    def seen(text: str) -> str:
        texts.add(text)
        return _whole_characters(text)

    try:
        wanted = each_text(wanted, seen)
    except ValueError:
        raise Refusal(400, "invalid format: nested too deeply") from None
    if not isinstance(wanted, dict):
        raise Refusal(400, 'invalid format: expected "json" or a JSON schema')
    if "pattern" in texts:  # llama.cpp writes one that it cannot use to standard error, and then ignores it
        raise Refusal(400, f'"{NAME}" does not support patterns in formats')
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": wanted}}}


def _whole_characters(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair: JSON can carry those, llama.cpp cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
