"""What an OpenAI-compatible server says of itself and its models; each says it in its own way, or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from insight_app.engines.base import MOST_TOKENS, Model
from insight_app.engines.lines import whole
from insight_app.engines.ollama_models import object_in

Kind = Literal["llama.cpp", "vllm", "lmstudio", ""]
_OWNERS: dict[str, Kind] = {"llamacpp": "llama.cpp", "vllm": "vllm"}

# A conversation whose last turn is the model's own, to see whether a template leaves it open.
BEGUN = "One, two, thr"
_TRIAL = [{"role": "user", "content": "Count to ten."}, {"role": "assistant", "content": BEGUN}]


@dataclass(frozen=True, slots=True)
class Served:
    """A model of a server; `context` is how many tokens it sees at once as it runs, None where nobody says."""

    name: str
    kind: Kind = ""
    context: int | None = None
    size: int = 0
    details: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def model(self) -> Model:
        return Model(self.name, size=self.size, details=self.details)


def served(body: bytes) -> list[Served]:
    """The models of /v1/models, in its order. ValueError where the body is no such list."""
    return [_served(entry) for entry in _entries(body) if _text(entry.get("id"))]


def with_contexts(models: Sequence[Served], body: bytes) -> list[Served]:
    """The models with what LM Studio's /api/v0/models says of them, without those that cannot chat."""
    known = {_text(entry.get("id")): entry for entry in _entries(body)}
    return [
        replace(
            model,
            kind="lmstudio",
            context=_tokens(known.get(model.name, {}).get("loaded_context_length")),
            details=_text(known.get(model.name, {}).get("quantization")),
        )
        for model in models
        if known.get(model.name, {}).get("type") != "embeddings"
    ]


def context_of_slot(body: bytes) -> int | None:
    """How many tokens each conversation has, by llama.cpp's /props; None where it does not say."""
    try:
        settings = object_in(body).get("default_generation_settings")
    except ValueError:
        return None
    return _tokens(settings.get("n_ctx")) if isinstance(settings, dict) else None


def going_on(kind: Kind) -> dict[str, Any]:
    """What a request says so that its last turn, the model's own, is gone on with."""
    if kind == "llama.cpp":  # does so by itself, but not while a thought may come first
        return {"chat_template_kwargs": {"enable_thinking": False}}
    if kind == "vllm":
        return {"add_generation_prompt": False, "continue_final_message": True}
    return {}


def trial(kind: Kind, model: str) -> bytes:
    """A request that has a template fill in a conversation which is to be gone on with."""
    return json.dumps({"model": model, "messages": _TRIAL, **going_on(kind)}).encode()


def filled_in(body: bytes) -> str:
    """The text that a template made, of /apply-template or /detokenize; "" where there is none."""
    try:
        return _text(object_in(body).get("prompt"))
    except ValueError:
        return ""


def tokens_of(body: bytes) -> list[Any]:
    """The tokens of vLLM's /tokenize; none where there are none."""
    try:
        tokens = object_in(body).get("tokens")
    except ValueError:
        return []
    return tokens if isinstance(tokens, list) else []


def _served(entry: dict[str, Any]) -> Served:
    about = entry.get("meta")
    about = about if isinstance(about, dict) else {}
    size, aliases = about.get("size"), entry.get("aliases")
    details = (_count_of(about.get("n_params")), _text(about.get("ftype")))
    return Served(
        name=_text(entry["id"]),
        kind=_OWNERS.get(_text(entry.get("owned_by")), ""),
        context=_tokens(about.get("n_ctx")) or _tokens(entry.get("max_model_len")),
        size=size if isinstance(size, int) else 0,
        details=" · ".join(part for part in details if part),
        aliases=tuple(map(_text, aliases)) if isinstance(aliases, list) else (),
    )


def _count_of(parameters: object) -> str:
    if not isinstance(parameters, int) or parameters <= 0:
        return ""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"


def _tokens(said: object) -> int | None:
    return said if isinstance(said, int) and 0 < said <= MOST_TOKENS else None


def _entries(body: bytes) -> list[dict[str, Any]]:
    entries = object_in(body).get("data")
    if not isinstance(entries, list):
        raise ValueError("no list")
    return [entry for entry in entries if isinstance(entry, dict)]


def _text(said: object) -> str:
    return whole(said) if isinstance(said, str) else ""
