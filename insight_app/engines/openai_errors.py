"""What OpenAI-compatible servers mean when they refuse: each has its own words for the same few things.

Texts are matched loosely and never passed on, as with Ollama's (ollama_errors.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from insight_app import errors
from insight_app.engines.ollama_errors import NO_MEMORY
from insight_app.errors import EngineError

_TOO_LONG = (
    "exceed_context_size",  # llama.cpp
    "exceeds the available context",
    "maximum context length",  # vLLM, OpenAI
    "context_length_exceeded",
    "longer than the maximum model length",
    "context length of only",  # LM Studio
    "greater than the context length",
    "context window",
)
_NO_SUCH_MODEL = ("does not exist", "not found", "not_found", "invalid model")
_BUSY = ("loading model", "overloaded", "server busy", "queue is full", "too many requests")
_LACKS_A_SWITCH = ("--jinja", "--enable-auto-tool-choice", "--tool-call-parser")


def error_text(body: bytes) -> str:
    """What the error object says, lower case, with its type; "" where the body is no such thing (a proxy's page)."""
    try:
        said = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ""
    return text_of(said.get("error") or said) if isinstance(said, dict) else ""


def text_of(said: object) -> str:
    """The text of the value of "error": an object as OpenAI has it, or a text."""
    if not isinstance(said, dict):
        return str(said).lower()
    known = (said.get(name) for name in ("message", "type", "code", "detail"))
    return " ".join(str(each) for each in known if each).lower()


def meaning(text: str, status: int = 200, *, model: str, facts: Mapping[str, str]) -> EngineError:
    """The error that a lower case `text` stands for; one in a stream that had begun has status 200."""
    known = {**facts, "model": model, "because": f"HTTP {status}"}
    if any(words in text for words in NO_MEMORY):
        return errors.OutOfMemory(**known)
    if any(words in text for words in _TOO_LONG):
        return errors.ContextFull(**known)
    if status in (401, 403):
        return errors.EngineForbids(**known)
    if "no models loaded" in text:  # LM Studio
        return errors.NoModel(**known)
    if "model" in text and any(words in text for words in _NO_SUCH_MODEL):
        return errors.ModelMissing(**known)
    if any(words in text for words in _LACKS_A_SWITCH):
        return errors.RequestUnsuited(**known)
    if status in (429, 503) or any(words in text for words in _BUSY):
        return errors.EngineBusy(**known)
    return errors.EngineUnreachable(**known) if status in (502, 504) and not text else errors.EngineBroke(**known)


def room_left(text: str) -> int | None:
    """How many tokens the context has for an answer, where a refusal says so; None where it does not.

    vLLM refuses a prompt that fits because prompt and longest answer together would not.
    """
    context = re.search(r"maximum context length is (\d+)", text)
    prompt = re.search(r"(\d+) (?:input tokens|in the messages)", text)
    room = int(context[1]) - int(prompt[1]) if context and prompt else 0
    return room if room > 0 else None
