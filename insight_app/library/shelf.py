"""What Ollama has, as it was when somebody last looked: a page never waits for Ollama."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from insight_app.engines.base import Model, key_of
from insight_app.engines.ollama_models import Loaded
from insight_app.errors import EngineError

# What was seen so lately is good enough.
FRESH_SECONDS = 1.0
# An Ollama that is well has answered by then, so that a first page is complete; nobody notices the wait.
PATIENCE_SECONDS = 0.15
Look = Callable[[], tuple[Sequence[Model], Sequence[Loaded]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """`problem`: why the last look found nothing; `known` is False until there was one."""

    models: tuple[Model, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    problem: EngineError | None = None
    known: bool = False

    def find(self, name: str) -> Model | None:
        return next((each for each in self.models if same(each.name, name)), None)

    def loaded_as(self, name: str) -> Loaded | None:
        return next((each for each in self.loaded if same(each.name, name)), None)


def same(one: str, other: str) -> bool:
    """Whether both names are of one model: its tag may be left out, and case does not matter."""
    return key_of(one) == key_of(other)


class Shelf:
    """Looks by `look`, which may take seconds, in a thread of its own, and only when somebody asks."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._seen = Seen()
        self._looked = 0.0
        self._lock = threading.Lock()
        self._looking: threading.Event | None = None

    def now(self) -> Seen:
        """What was last seen; has somebody look again where that was a while ago, and waits a moment for it."""
        if time.monotonic() - self._looked > FRESH_SECONDS or not self._seen.known:
            self._begin().wait(PATIENCE_SECONDS)
        return self._seen

    def changed(self) -> None:
        """What was seen is no longer so."""
        self._looked = 0.0

    def _begin(self) -> threading.Event:
        with self._lock:
            if self._looking is None:
                self._looking = threading.Event()
                threading.Thread(target=self._look_once, args=(self._looking,), name="shelf", daemon=True).start()
            return self._looking

    def _look_once(self, done: threading.Event) -> None:
        began = time.monotonic()
        try:
            models, loaded = self._look()
            self._seen = Seen(tuple(models), tuple(loaded), known=True)
        except EngineError as problem:
            self._seen = Seen(problem=problem, known=True)
        except Exception as error:  # a fault of ours must not leave a page that waits for ever
            structlog.get_logger("shelf").error("looking at the models failed", exc_info=error)
        finally:
            with self._lock:
                self._looked, self._looking = began, None
            done.set()
