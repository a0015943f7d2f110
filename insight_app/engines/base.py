"""What the rest of the product knows of an engine: the values it takes and gives, the protocol it keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from insight_app.engines.tools import ToolCall

# More is no count of tokens but a fault, and more than a database can keep: then nobody knows how many.
MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as the engine reads it.

    `tool_calls` are those that an answer made; a turn of the role "tool" is what the tool `tool_name` gave for one.
    `images` are PNG or JPEG.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    images: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """How to write; None leaves it to the engine. Sent the same each time: another `num_ctx` reloads the model."""

    max_tokens: int | None = None
    num_ctx: int | None = None
    keep_alive: str | None = None
    think: bool | Literal["low", "medium", "high"] | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @property
    def sampling(self) -> dict[str, Any]:
        """How the next word is chosen, by the names that every engine has for it; without what is left open."""
        names = ("temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Task:
    """What to answer, and with which model ("" = the engine's first one).

    `raw` is a text that the model goes on with as it is, without its template, in the place of turns. `format` is the
    JSON Schema that the answer must keep, or "json". `tools` are what the model may call, as OpenAI and Ollama have it.
    """

    model: str
    turns: tuple[Turn, ...]
    options: Options = field(default_factory=Options)
    raw: str = ""
    format: str | dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A model that an engine has, on this machine unless it is `remote`."""

    name: str
    size: int = 0  # bytes
    details: str = ""  # "8B · Q4_K_M", for people
    abilities: frozenset[str] = frozenset()  # Ollama's capabilities: completion, thinking, vision, tools ...
    family: str = ""  # "llama"
    context: int | None = None  # how many tokens it was made to read at once; None where the engine does not say
    digest: str = ""  # the same for two names of one model
    remote: bool = False  # True: it would run on another machine
    refused: bool = False  # True: and therefore may not be asked here


@dataclass(frozen=True, slots=True)
class About:
    """What an engine says of a model; None where it does not say.

    `temperature` and `num_ctx` are what the model is asked with unless a request says otherwise, `longest_context` is
    how many tokens it can see at most, `thinks` whether it can be told to think.
    """

    temperature: float | None = None
    num_ctx: int | None = None
    longest_context: int | None = None
    thinks: bool | None = None


def full_name(model: str) -> str:
    """The name with its tag, as lists have it: "llama3.2" is "llama3.2:latest"."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def key_of(model: str) -> str:
    """The same for all names of one model: its tag may be left out, and case does not matter. "" for no name."""
    return full_name(model).casefold() if model else ""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the engine is doing before the first piece. `model` is the name it really uses.

    `context` is how many tokens the model sees at once, as it runs now; None where the engine did not say (yet).
    """

    name: Literal["loading", "reading"]
    model: str
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text, as it comes; `thought` where it is reasoning and not yet the answer."""

    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The end mark. Counts are tokens, durations seconds; None where the engine did not say."""

    reason: Literal["stop", "length"]
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    load_seconds: float | None = None
    prompt_seconds: float | None = None
    answer_seconds: float | None = None


Event = Piece | ToolCall | Done


class Stop:
    """Somebody's wish that an answer end now. Thread-safe; what must happen then registers itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._then: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        return self._asked

    def ask(self) -> None:
        """Calls everything that registered, once; later calls do nothing."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
            actions, self._then = self._then, []
        for action in actions:
            action()

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until stop is asked; returns whether it was."""
        asked = threading.Event()
        forget = self.then(asked.set)
        try:
            return asked.wait(seconds)
        finally:
            forget()

    def then(self, action: Callable[[], None]) -> Callable[[], None]:
        """Registers `action` (called at once where stop was asked already); returns what takes it back."""
        with self._lock:
            if not self._asked:
                self._then.append(action)
                return lambda: self._forget(action)
        action()
        return lambda: None

    def _forget(self, action: Callable[[], None]) -> None:
        with self._lock:
            if action in self._then:
                self._then.remove(action)


class Engine(Protocol):
    """What writes answers."""

    name: str  # "ollama", "openai", "embedded": a word for logs, metrics and the page
    url: str
    words: Mapping[str, str] = MappingProxyType({})  # what errors call it, where that is not Ollama

    def prepare(self, model: str, options: Options, stop: Stop) -> Iterator[Stage]:
        """Brings a model ("" = the first one) into memory: "loading" where it is not there, then always "reading".

        Ends without "reading" only after stop.ask(); else raises EngineError.
        """
        ...

    def stream(self, task: Task, stop: Stop) -> Generator[Event, None, None]:
        """Events as they come, Done last. Ends without it only after stop.ask(); else raises EngineError."""
        ...

    def continues(self, model: str, stop: Stop) -> bool:
        """Whether a text of the model's own as the last turn is gone on with, and not answered; may ask the engine.

        Raises EngineError where nobody can say. Worth nothing after stop.ask().
        """
        ...

    def about(self, model: str, stop: Stop) -> About:
        """Raises EngineError. Worth nothing after stop.ask()."""
        return About()

    def models(self) -> list[Model]:
        """What is installed, the engine's first choice first. Waits at most a second; raises EngineError."""
        ...
