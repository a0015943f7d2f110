"""What a page can know and do about models: all of it with Ollama, little with a server that brings its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from insight_app.amounts import on_disk
from insight_app.engines.base import Model
from insight_app.engines.fallback import Fallback
from insight_app.engines.ollama_library import OllamaLibrary
from insight_app.engines.ollama_models import Loaded, runs_elsewhere
from insight_app.errors import ModelElsewhere, ModelMissing, ModelsNotManaged, NoRoomForModel
from insight_app.library.jobs import Pace, Pull
from insight_app.library.machine import Machine, this_machine
from insight_app.library.models_wanted import size_of
from insight_app.library.pull_store import PullStore
from insight_app.library.pulling import Pulling
from insight_app.library.shelf import Seen, Shelf, same


@dataclass(frozen=True, slots=True)
class Entry:
    """A model on the page. `same_as` are other names of it: what it takes is free only when all are removed."""

    model: Model
    loaded: Loaded | None = None
    is_built_in: bool = False
    same_as: tuple[str, ...] = ()


class Library(Protocol):
    """`is_managed`: whether models can be fetched and removed; what does so raises ModelsNotManaged else."""

    is_managed: bool

    def seen(self) -> Seen:
        """What the engine has, as it was a moment ago; never waits longer than one notices."""
        ...

    def entries(self) -> list[Entry]:
        """All models, the built-in one last."""
        ...

    def pulls(self) -> list[tuple[Pull, float | None]]:
        """What is on its way or was, with the seconds that it will take where that is known."""
        ...

    def machine(self) -> Machine: ...

    def pull(self, name: str) -> bool:
        """False where it is on its way already. Raises NoRoomForModel, ModelElsewhere."""
        ...

    def cancel(self, name: str) -> None: ...

    def forget(self, name: str) -> None: ...

    def remove(self, name: str) -> None:
        """Raises EngineError."""
        ...

    def unload(self, name: str) -> None:
        """Raises EngineError."""
        ...

    def close(self) -> None: ...


class OllamaModels(Library):
    """Those of an Ollama. `folder` is where it keeps them, "" for the usual place."""

    is_managed = True

    def __init__(
        self,
        ollama: OllamaLibrary,
        store: PullStore,
        engine: Fallback,
        *,
        folder: str = "",
        report: Callable[[str, str, float], None] = lambda state, problem, seconds: None,
    ) -> None:
        self._ollama = ollama
        self._store = store
        self._engine = engine
        self._folder = folder
        self._shelf = Shelf(ollama.look)
        self._pace = Pace()
        self._pulling = Pulling(
            ollama, store, came=self._changed, report=report, has_room=lambda size: self.machine().has_room(size)
        )

    def seen(self) -> Seen:
        return self._shelf.now()

    def entries(self) -> list[Entry]:
        seen = self._shelf.now()
        return [
            Entry(each, seen.loaded_as(each.name), same_as=_same_as(each, seen)) for each in seen.models
        ] + _built_in(self._engine)

    def pulls(self) -> list[tuple[Pull, float | None]]:
        return [(each, self._pace.left(each)) for each in self._store.all(time.time())]

    def machine(self) -> Machine:
        return this_machine(self._folder) if is_near(self._ollama.url) else Machine()

    def pull(self, name: str) -> bool:
        if runs_elsewhere(name) and not self._ollama.may_run_elsewhere:
            raise ModelElsewhere(model=name)
        size, machine = size_of(name), self.machine()
        had = next((pull.completed for pull, _ in self.pulls() if same(pull.name, name)), 0)
        if size is not None and not machine.has_room(size - had):
            raise NoRoomForModel(size=on_disk(size), free=on_disk(machine.free or 0))
        return self._pulling.begin(name)

    def cancel(self, name: str) -> None:
        self._pulling.cancel(name)

    def forget(self, name: str) -> None:
        self._store.forget(name, time.time())

    def remove(self, name: str) -> None:
        with suppress(ModelMissing):  # somebody was quicker
            self._ollama.remove(name)
        self._store.forget(name, time.time())
        self._changed()

    def unload(self, name: str) -> None:
        with suppress(ModelMissing):
            self._ollama.unload(name)
        self._shelf.changed()

    def close(self) -> None:
        self._pulling.close()

    def _changed(self) -> None:
        self._shelf.changed()
        self._engine.look_now()


class NotManaged(Library):
    """Those of a server that was started with its models."""

    is_managed = False

    def __init__(self, engine: Fallback) -> None:
        self._engine = engine

    def seen(self) -> Seen:
        now = self._engine.standing
        models = next((models for name, models in self._engine.found if name != "embedded"), ())
        return Seen(models, problem=now.passed_over or now.problem, known=now.known)

    def entries(self) -> list[Entry]:
        return [Entry(each) for each in self.seen().models] + _built_in(self._engine)

    def pulls(self) -> list[tuple[Pull, float | None]]:
        return []

    def machine(self) -> Machine:
        return Machine()

    def pull(self, name: str) -> bool:
        raise ModelsNotManaged

    def cancel(self, name: str) -> None:
        raise ModelsNotManaged

    def forget(self, name: str) -> None:
        raise ModelsNotManaged

    def remove(self, name: str) -> None:
        raise ModelsNotManaged

    def unload(self, name: str) -> None:
        raise ModelsNotManaged

    def close(self) -> None:
        """There is nothing under way."""


def is_near(url: str) -> bool:
    """Whether a server is on this machine, as far as its address tells."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _built_in(engine: Fallback) -> list[Entry]:
    return [Entry(each, is_built_in=True) for name, models in engine.found if name == "embedded" for each in models]


def _same_as(model: Model, seen: Seen) -> tuple[str, ...]:
    others = (each for each in seen.models if each.digest and each.digest == model.digest)
    return tuple(each.name for each in others if each.name != model.name)
