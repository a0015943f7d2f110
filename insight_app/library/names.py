"""Names of models as Ollama takes them: HOST/NAMESPACE/MODEL:TAG, of which most are left out."""

from __future__ import annotations

import re

from insight_app.engines.base import full_name
from insight_app.errors import NotAModelName

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_HOST = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}(?::\d{1,5})?/)"
_NAMESPACE = r"(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,79}/)"
_NAME = re.compile(rf"(?:{_HOST}?{_NAMESPACE})?{_PART}(?::{_PART})?", re.ASCII)
_COMMAND = re.compile(r"^\s*(?:ollama\s+(?:pull|run)\s+)?(?:https?://)?(?:(?:www\.)?ollama\.com/(?:library/)?)?")


def model_name(typed: str) -> str:
    """The full name that was meant: also from a command, or an address of the library. Raises NotAModelName."""
    name = _COMMAND.sub("", typed[:500], count=1).strip().removeprefix("library/")
    # What is longer does not fit into the database, and is no name of a model.
    if len(typed) > 500 or not _NAME.fullmatch(name) or len(full_name(name)) > 255:
        raise NotAModelName
    return full_name(name)
