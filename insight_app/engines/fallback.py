"""The first engine that answers and has a model: the chosen one, or else the small one that ships with the product.

A thread looks at them now and then, so that nobody waits to know what there is, and so that an engine that is
started later is used without a restart.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from insight_app.engines.base import About, Engine, Event, Model, Options, Stage, Stop, Task, key_of
from insight_app.engines.ollama_models import runs_elsewhere
from insight_app.errors import EngineError, EngineSilent, EngineUnreachable, ModelAway, ModelMissing, NoModel

LOOK_AGAIN_SECONDS = 2.0  # while the first engine is not there: somebody may be starting it just now
LOOK_SELDOM_SECONDS = 15.0
ABOUT_SECONDS = 1.0  # for what an engine says of a model

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to answer with."""

    engine_name: str = ""  # "" = no engine can answer
    wanted: str = ""  # the name of the engine that answers where it can
    url: str = ""
    models: tuple[Model, ...] = ()  # of every engine that answers, the first choice first
    problem: EngineError | None = None  # why no engine can answer
    passed_over: EngineError | None = None  # why it is not the first engine that answers
    known: bool = False  # False: nobody has looked yet


@dataclass(frozen=True, slots=True)
class _View:
    """What one engine said when it was last asked."""

    engine: Engine
    models: tuple[Model, ...] = ()
    problem: EngineError | None = None


class Fallback(Engine):
    """`engines`, the best first; a task for model "" goes to `preferred` where one of them has it.

    A model that would run on another machine is never chosen for "", unless it is the preferred one and may be asked.
    `report` is told the code of each error of an engine that was asked to prepare or to answer.
    """

    def __init__(
        self, engines: Sequence[Engine], preferred: str = "", report: Callable[[str], None] = lambda problem: None
    ) -> None:
        self._report = report
        self.name, self.url = engines[0].name, engines[0].url
        self._preferred = preferred
        self._views = tuple(_View(engine) for engine in engines)
        self._standing = Standing()
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._keep_looking, name="engines", daemon=True)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All of them, the best first."""
        return tuple(view.engine for view in self._views)

    @property
    def found(self) -> tuple[tuple[str, tuple[Model, ...]], ...]:
        """The name of each engine with the models it had when last looked; never waits."""
        return tuple((view.engine.name, view.models) for view in self._views)

    @property
    def standing(self) -> Standing:
        """What was found when last looked; never waits."""
        return self._standing

    def models(self) -> list[Model]:
        return list(self._standing.models)

    def has(self, model: str) -> bool:
        """Whether somebody had the model ("" = any) when last looked; never waits."""
        return self._find(model) is not None

    def engine_of(self, model: str) -> str:
        """The name of the engine that would answer for a choice ("" = the first); "" where none would; never waits."""
        found = self._find(model)
        return found[0].name if found else ""

    def resolved(self, model: str) -> str:
        """The full name of what would answer for this choice ("" = the first); never waits. Itself where none does."""
        found = self._find(model)
        return found[1] if found else model

    def sees(self, model: str) -> bool | None:
        """Whether the model ("" = the first) reads pictures, None where its engine does not say; never waits."""
        found = self._find(model)
        if found is None:
            return None
        abilities = next((each.abilities for each in self._standing.models if each.name == found[1]), frozenset())
        return "vision" in abilities if abilities else None

    def expect(self, model: str) -> None:
        """Raises the EngineError that keeps a model ("" = any) from being asked, as far as it is known beforehand.

        Looks here and now where nobody was seen to have it: about a second for each engine that hangs.
        """
        if self._find(model) is None:
            self.look()
        if self._find(model) is None and not runs_elsewhere(model):
            try:
                engine, _ = self._last_resort(model)
            except EngineUnreachable as away:
                if not (model and self.standing.models):
                    raise
                raise ModelAway(**{**away.facts, "model": model}) from None
            facts = {"url": engine.url, **engine.words}
            raise ModelMissing(model=model, **facts) if model else NoModel(**facts)

    def prepare(self, model: str, options: Options, stop: Stop) -> Generator[Stage, None, None]:
        engine, name = self._engine_for(model)
        with self._looking_after_losses():
            yield from engine.prepare(name, options, stop)

    def stream(self, task: Task, stop: Stop) -> Generator[Event, None, None]:
        engine, name = self._engine_for(task.model)
        with self._looking_after_losses():
            yield from engine.stream(replace(task, model=name), stop)

    def continues(self, model: str, stop: Stop) -> bool:
        engine, name = self._engine_for(model)
        return engine.continues(name, stop)

    def about(self, model: str, stop: Stop) -> About:
        """As Engine has it, within a second; nothing where nobody was seen to have the model, or nobody answers."""
        found = self._find(model)
        limit = threading.Timer(ABOUT_SECONDS, stop.ask)
        limit.daemon = True
        limit.start()
        try:
            return found[0].about(found[1], stop) if found else About()
        except EngineError:
            return About()
        finally:
            limit.cancel()

    def start(self) -> None:
        """Begins to look; in the process that will answer, since threads do not survive a fork."""
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LOOK_AGAIN_SECONDS)

    def look_now(self) -> None:
        """Has the thread look at once; does not wait for it."""
        self._wake.set()

    def look(self) -> Standing:
        """Asks the engines here and now, about a second for each that hangs."""
        self._views = views = tuple(_ask(view) for view in self._views)
        first = self._find("")
        engine = first[0] if first else views[0].engine
        self.name, self.url = engine.name, engine.url
        self._standing = Standing(
            engine_name=engine.name if first else "",
            wanted=views[0].engine.name,
            url=engine.url,
            models=self._listed(),
            problem=None if first else views[0].problem,
            passed_over=views[0].problem if first else None,
            known=True,
        )
        return self._standing

    @contextmanager
    def _looking_after_losses(self) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            self._report(error.code)
            if isinstance(error, (EngineUnreachable, ModelMissing)):
                self.look_now()
            raise

    def _engine_for(self, model: str) -> tuple[Engine, str]:
        """Who is to be asked for the model, and by which name; looks here and now where nobody was seen to have it."""
        found = self._find(model)
        if found is None:
            self.look()
            found = self._find(model) or self._last_resort(model)
        return found

    def _find(self, model: str) -> tuple[Engine, str] | None:
        """Who has the model ("" = the first choice), and under which name; None where nobody has."""
        wanted = key_of(model or self._preferred)
        known = [(view.engine, each) for view in self._views for each in view.models]
        for engine, each in known:
            if key_of(each.name) == wanted and (model or not each.refused):
                return engine, each.name
        return None if model else next(((engine, each.name) for engine, each in known if not each.remote), None)

    def _last_resort(self, model: str) -> tuple[Engine, str]:
        """For a model that nobody lists: the first engine, to say itself what is wrong with it.

        Raises the problem of an engine that is gone, and so may have had it.
        """
        for view in self._views:
            if view.problem is not None and not (model and isinstance(view.problem, NoModel)):
                raise _fresh(view.problem)
        return self._views[0].engine, model

    def _listed(self) -> tuple[Model, ...]:
        found: dict[str, Model] = {}
        for view in self._views:
            for model in view.models:
                found.setdefault(key_of(model.name), model)
        preferred = key_of(self._preferred)

        def rank(model: Model) -> tuple[bool, bool]:
            return model.refused or key_of(model.name) != preferred, model.remote

        return tuple(sorted(found.values(), key=rank))

    def _keep_looking(self) -> None:
        while True:
            self._wake.clear()
            if self._closed:
                return
            try:
                self.look()
            except Exception:
                # A fault of ours must not blind the product until its next start.
                _log.exception("looking at the engines failed")
            well = self._views[0].models
            self._wake.wait(LOOK_SELDOM_SECONDS if well else LOOK_AGAIN_SECONDS)


def _ask(view: _View) -> _View:
    engine = view.engine
    try:
        models = tuple(engine.models())
    except EngineSilent as problem:
        # It took the connection: busy on all cores is not gone.
        return view if view.models else _View(engine, problem=_fresh(problem))
    except EngineError as problem:
        return _View(engine, problem=_fresh(problem))
    return _View(
        engine, models, None if any(not each.remote for each in models) else NoModel(url=engine.url, **engine.words)
    )


def _fresh(problem: EngineError) -> EngineError:
    """The same error without the frames that a kept or twice raised one would hold on to."""
    return type(problem)(**problem.facts)
