"""What Ollama means when it refuses: a status and an error text become one of the product's own errors.

Statuses seldom change between versions of Ollama and wordings often, so texts are matched loosely. They are
never passed on: what a person reads is of errors/engines.py, and no text of the engine can carry a prompt into a log.
"""

from __future__ import annotations

import json

from insight_app import errors
from insight_app.errors import EngineError

NO_MEMORY = (
    "out of memory",
    "outofmemory",
    "outofdevicememory",
    "more system memory",
    "insufficient memory",
    "not enough memory",
    "cudamalloc failed",
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
    "signal: killed",
)
_TOO_LONG = ("longer than the context", "exceeds the context", "exceeds the available context")
_BUSY = ("server busy", "maximum pending requests")


def error_text(body: bytes) -> str:
    """The text of {"error": ...}, lower case; "" where the body is no such thing (a proxy's page)."""
    try:
        said = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ""
    return str(said.get("error", "")).lower() if isinstance(said, dict) else ""


def without(think: bool | str | None, status: int, text: str) -> bool | str | None:
    """How to ask again for thinking of which Ollama refused that much; `think` itself where that was not the reason."""
    if status != 400 or not think:
        return think
    if "think value" in text and think is not True:
        return True  # it thinks, and cannot be told how long
    return None if "does not support" in text and "thinking" in text else think


def meaning(text: str, status: int = 200, *, model: str, url: str) -> EngineError:
    """The error that a lower case `text` stands for; a line in a stream that had begun has status 200."""
    facts = {"model": model, "url": url, "because": f"HTTP {status}"}
    if any(words in text for words in NO_MEMORY):
        return errors.OutOfMemory(**facts)
    if any(words in text for words in _TOO_LONG):
        return errors.ContextFull(**facts)
    if status in (401, 403):
        return errors.EngineForbids(**facts)
    if "does not support" in text:
        return errors.ModelUnsuited(**facts)
    if "model" in text and ("not found" in text or ("invalid" in text and "name" in text)):
        return errors.ModelMissing(**facts)
    if status in (429, 503) or any(words in text for words in _BUSY):
        return errors.EngineBusy(**facts)
    if status in (502, 504) and not text:  # a proxy in between that found no Ollama behind it
        return errors.EngineUnreachable(**facts)
    return errors.EngineBroke(**facts)
