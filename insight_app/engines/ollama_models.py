"""Which models Ollama has: its lists of the installed and of the loaded ones, read loosely since they vary."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeGuard

from insight_app.engines.base import MOST_TOKENS, About, Model, full_name

_PARAMETERS = re.compile(r"^(temperature|num_ctx)[ \t]+([\d.]{1,12})[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Running:
    """A model in memory; `context` is how many tokens it sees at once, None where the server does not say."""

    context: int | None


def installed(body: bytes) -> list[Model]:
    """The models of /api/tags that can chat, in its order. ValueError where the body is no such list."""
    models = (_model(entry) for entry in _entries(body))
    return [each for each in models if each.name and (not each.abilities or "completion" in each.abilities)]


def running(model: str, body: bytes) -> Running | None:
    """What /api/ps says of a model; None where it does not name it. ValueError where the body is no such list."""
    wanted = full_name(model).casefold()
    for entry in _entries(body):
        if full_name(_text(entry, "name", "model")).casefold() == wanted:
            context = entry.get("context_length")
            return Running(context if isinstance(context, int) and 0 < context <= MOST_TOKENS else None)
    return None


def runs_elsewhere(name: str) -> bool:
    """Whether the name is one of Ollama's cloud models."""
    return name.casefold().endswith("cloud")


def judges_only(name: str) -> bool:
    """Whether the model says nothing but verdicts, so that nobody wants it to answer unasked."""
    return re.search(r"llama[-_.]?guard|shield[-_]?gemma|guardian", name.casefold()) is not None


def shown_elsewhere(body: bytes) -> bool:
    """Whether /api/show says so of a model; a body that says nothing that can be read does not."""
    try:
        return _is_remote(object_in(body))
    except ValueError:
        return False


def shown(body: bytes) -> About:
    """What /api/show says of a model."""
    try:
        said = object_in(body)
    except ValueError:
        return About()
    parameters = dict(_PARAMETERS.findall(_text(said, "parameters")))
    info, abilities = said.get("model_info"), said.get("capabilities")
    contexts = [value for name, value in info.items() if name.endswith(".context_length")] if _is_object(info) else []
    return About(
        temperature=_number(parameters.get("temperature", "")),
        num_ctx=_tokens(_number(parameters.get("num_ctx", ""))),
        longest_context=next((each for each in map(_tokens, contexts) if each), None),
        thinks="thinking" in abilities if isinstance(abilities, list) else None,
    )


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _tokens(number: object) -> int | None:
    return int(number) if isinstance(number, (int, float)) and 0 < number <= MOST_TOKENS else None


def _model(entry: dict[str, Any]) -> Model:
    name = _text(entry, "name", "model")
    size = entry.get("size")
    abilities = entry.get("capabilities")  # older servers do not say
    about = entry.get("details")
    about = about if isinstance(about, dict) else {}
    details = (_text(about, "parameter_size"), _text(about, "quantization_level"))
    return Model(
        name=name,
        size=size if isinstance(size, int) else 0,
        details=" · ".join(part for part in details if part),
        abilities=frozenset(map(str, abilities)) if isinstance(abilities, list) else frozenset(),
        remote=_is_remote(entry) or runs_elsewhere(name),
    )


def _is_remote(entry: dict[str, Any]) -> bool:
    return bool(_text(entry, "remote_host", "remote_model"))


def _entries(body: bytes) -> list[dict[str, Any]]:
    entries = object_in(body).get("models") or []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def object_in(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError("not an object")
    return said


def _text(entry: dict[str, Any], *keys: str) -> str:
    """The first of these that is a text, with what no page can show replaced."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return ""
