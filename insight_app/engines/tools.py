"""What a model may call, and what it calls: values as JSON has them, read loosely where a model wrote them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 64  # levels of objects and lists in each other; nothing that is meant to be read has so many


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish that the program call one of its tools. `id` is "" where the engine gave it none."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str = ""


def calls_in(said: object) -> list[ToolCall]:
    """The calls of a message's `tool_calls`, as Ollama sends them; what is none is left out."""
    entries = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    found = [(each, each.get("function")) for each in entries]
    return [_call(each, function) for each, function in found if isinstance(function, dict) and function.get("name")]


def each_text(value: Any, change: Callable[[str], str], *, but: frozenset[str] = frozenset()) -> Any:
    """`value` with every text in it changed, keys and numbers too; texts of `but` stay.

    A number that is changed is a text from then on. Raises ValueError where it is nested more than DEEPEST levels.
    """
    return _changed(value, lambda text: text if text in but else change(text), DEEPEST)


def _changed(value: Any, change: Callable[[str], str], levels: int) -> Any:
    if isinstance(value, str):
        return change(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if change(written := json.dumps(value)) == written else change(written)
    if not levels:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {change(str(key)): _changed(each, change, levels - 1) for key, each in value.items()}
    return [_changed(each, change, levels - 1) for each in value]


def _call(entry: dict[str, Any], function: dict[str, Any]) -> ToolCall:
    arguments = function.get("arguments")
    given = entry.get("id")
    return ToolCall(
        name=str(function["name"]),
        arguments=arguments if isinstance(arguments, dict) else {},
        id=given if isinstance(given, str) else "",
    )
