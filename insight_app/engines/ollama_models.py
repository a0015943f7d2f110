"""Which models Ollama has: its lists of the installed and of the loaded ones, read loosely since they vary."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from insight_app.engines.base import MOST_TOKENS, About, Model, key_of

_PARAMETERS = re.compile(r"^(temperature|num_ctx)[ \t]+([\d.]{1,12})[ \t]*$", re.MULTILINE)

# No model and no machine is as large: what says so is mistaken, and no database could keep it.
MOST_BYTES = 2**53


@dataclass(frozen=True, slots=True)
class Running:
    """A model in memory; `context` is how many tokens it sees at once, None where the server does not say."""

    context: int | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, as a page tells of it. Sizes are bytes; `until` is seconds since 1970, None: nobody knows."""

    name: str
    size: int = 0
    on_gpu: int = 0  # of that size
    context: int | None = None
    until: float | None = None


def installed(body: bytes) -> list[Model]:
    """The models of /api/tags that can chat, in its order. ValueError where the body is no such list."""
    return [each for each in everything(body) if not each.abilities or "completion" in each.abilities]


def everything(body: bytes) -> list[Model]:
    """All models of /api/tags, also those that only make vectors of texts. ValueError where it is no such list."""
    return [each for each in (_model(entry) for entry in _entries(body)) if each.name]


def loaded(body: bytes) -> list[Loaded]:
    """What /api/ps lists. ValueError where the body is no such list."""
    return [
        Loaded(
            name=name,
            size=_whole(entry, "size") or 0,
            on_gpu=min(_whole(entry, "size_vram") or 0, _whole(entry, "size") or 0),
            context=_tokens(entry.get("context_length")),
            until=_moment(_text(entry, "expires_at")),
        )
        for entry in _entries(body)
        if (name := _text(entry, "name", "model"))
    ]


def running(model: str, body: bytes) -> Running | None:
    """What /api/ps says of a model; None where it does not name it. ValueError where the body is no such list."""
    for entry in _entries(body):
        if key_of(_text(entry, "name", "model")) == key_of(model):
            return Running(_tokens(entry.get("context_length")))
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
    abilities = entry.get("capabilities")  # older servers do not say
    about = entry.get("details")
    about = about if isinstance(about, dict) else {}
    details = (_text(about, "parameter_size"), _text(about, "quantization_level"))
    return Model(
        name=name,
        size=_whole(entry, "size") or 0,
        details=" · ".join(part for part in details if part),
        family=_text(about, "family"),
        context=_tokens(about.get("context_length")),
        digest=_text(entry, "digest"),
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


def _whole(entry: dict[str, Any], key: str) -> int | None:
    value = entry.get(key)
    return value if isinstance(value, int) and 0 <= value <= MOST_BYTES else None


def _moment(text: str) -> float | None:
    """Go writes nanoseconds, which Python reads only from 3.11 on."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    try:
        return datetime.fromisoformat(parts[1] + parts[2].replace("Z", "+00:00")).timestamp() if parts else None
    except (ValueError, OverflowError):
        return None


def _text(entry: dict[str, Any], *keys: str) -> str:
    """The first of these that is a text, with what no page can show replaced."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return ""
