"""How somebody wants the answers of one conversation: what can be wished, within what the server allows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from insight_app.engines.base import Options

HOTTEST = 2.0
SHORTEST_CONTEXT, LONGEST_CONTEXT = 512, 2_000_000  # tokens
LONGEST_ANSWER = 1_000_000  # tokens
LARGEST_SEED = 2**31 - 1
LONGEST_NAME = 255  # of a model
FOR_EVER = float("inf")
# For how long a model may be kept in memory after an answer, as Ollama reads it.
KEEP_ALIVES = ("0", "5m", "30m", "2h", "24h", "-1")
# As long as Ollama keeps a model where nobody says anything.
USUAL_KEEP_ALIVE = "5m"
THINKING: Mapping[str, bool | Literal["low", "medium", "high"]] = MappingProxyType(
    {"off": False, "on": True, "low": "low", "medium": "medium", "high": "high"}
)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server lets anybody wish.

    `longest` is of an answer and `context` of what a model sees at once, in tokens; `keep_alive` is in seconds. None
    of `context` or `keep_alive`: that is not to be chosen here.
    """

    longest: int = LONGEST_ANSWER
    context: int | None = LONGEST_CONTEXT
    keep_alive: float | None = FOR_EVER

    @property
    def keep_alives(self) -> tuple[str, ...]:
        """Those that can be chosen."""
        most = self.keep_alive
        return () if most is None else tuple(each for each in KEEP_ALIVES if seconds_of(each) <= most)


def limits(*, longest: int, context: int, keep_alive: str, is_shared: bool, is_ollama: bool) -> Limits:
    """What settings allow: MAX_TOKEN_LIMIT, NUM_CTX and KEEP_ALIVE (0 or "" where they are not set).

    Where people share a server, nobody may have a model take more memory, or keep it for longer, than was set. Other
    engines than Ollama decide both by themselves.
    """
    most = context or (None if is_shared else LONGEST_CONTEXT)
    kept = seconds_of(keep_alive or USUAL_KEEP_ALIVE) if is_shared else FOR_EVER
    return Limits(longest or LONGEST_ANSWER, most if is_ollama else None, kept if is_ollama else None)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wished; None leaves it to the model and the server. A model of "" is the best there is.

    `context` is how many tokens the model sees at once, `longest` how many an answer may have.
    """

    model: str | None = None
    temperature: float | None = None
    context: int | None = None
    keep_alive: str | None = None
    thinking: str | None = None
    seed: int | None = None
    longest: int | None = None

    @classmethod
    def from_json(cls, text: str) -> Wishes:
        """What can be read of it: another version may have written it, or nobody."""
        try:
            said = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            return cls()
        return cls(**{name: read(said.get(name)) for name, read in _READ.items()}) if isinstance(said, dict) else cls()

    def as_json(self) -> str:
        """ "" where nothing is wished."""
        wished = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(wished, ensure_ascii=False) if wished else ""

    def over(self, server: Options, limits: Limits, number: int = 0) -> Options:
        """The server's options with the wishes in their place, as far as the limits go.

        `number` counts the answers to one prompt from 0. Each has a seed of its own, or the same would come again.
        """
        context = self.context and limits.context and min(self.context, limits.context)
        seed = None if self.seed is None else (self.seed + number) % (LARGEST_SEED + 1)
        return replace(
            server,
            temperature=_first(self.temperature, server.temperature),
            num_ctx=context or server.num_ctx,
            keep_alive=self.keep_alive if self.keep_alive in limits.keep_alives else server.keep_alive,
            think=server.think if self.thinking is None else THINKING[self.thinking],
            seed=_first(seed, server.seed),
            max_tokens=min(self.longest, limits.longest) if self.longest else server.max_tokens,
        )


NOTHING = Wishes()


def seconds_of(keep_alive: str) -> float:
    """How long that is, as Ollama and Go write durations; less than nothing is for ever."""
    text = keep_alive.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return FOR_EVER if text.startswith("-") and int(text) else float(text)
    if text.startswith("-"):
        return FOR_EVER
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _whole(least: int, most: int) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None

    return read


def _temperature(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= HOTTEST else None


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and value in choices else None


def _name(value: Any) -> str | None:
    fits = isinstance(value, str) and len(value) <= LONGEST_NAME and "\0" not in value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if fits else None


_READ: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "model": _name,
        "temperature": _temperature,
        "context": _whole(SHORTEST_CONTEXT, LONGEST_CONTEXT),
        "keep_alive": _one_of(KEEP_ALIVES),
        "thinking": _one_of(tuple(THINKING)),
        "seed": _whole(0, LARGEST_SEED),
        "longest": _whole(1, LONGEST_ANSWER),
    }
)
