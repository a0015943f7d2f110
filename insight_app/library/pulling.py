"""Models being fetched by this process: a thread that follows Ollama for each, and one that tells all others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog

from insight_app.engines.base import Stop
from insight_app.engines.ollama_pulls import Step
from insight_app.errors import DatabaseError, EngineError, InsightError, PullCut, PullFailed, PullNoRoom
from insight_app.library.carrying import Carrying
from insight_app.library.jobs import Job, Pull, State
from insight_app.library.patience import Patience
from insight_app.library.pull_store import PullStore

TELL_SECONDS = 1.0


class Source(Protocol):
    """What fetches a model; engines/ollama_library.py."""

    def pull(self, model: str, stop: Stop) -> Iterator[Step]: ...


class Run:
    """One pull of this process. `why` is how it ends when its stop is asked."""

    def __init__(self, pull: Pull) -> None:
        self.pull = pull
        self.job = Job()
        self.stop = Stop()
        self.why = State.CANCELLED
        self.over = threading.Event()


class Pulling:
    """`came` is called when a model has come, `report` with how each pull ended; `has_room` is asked about bytes."""

    def __init__(
        self,
        source: Source,
        store: PullStore,
        *,
        came: Callable[[], None] = lambda: None,
        report: Callable[[str, str, float], None] = lambda state, problem, seconds: None,
        has_room: Callable[[int], bool] = lambda size: True,
    ) -> None:
        self._source = source
        self._store = store
        self._came = came
        self._report = report
        self._has_room = has_room
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._log = structlog.get_logger("pull")
        self._carrying = Carrying(store, self.carry_on)

    def begin(self, name: str) -> bool:
        """Fetches a model, or goes on with one; False where somebody is at it already. Raises DatabaseError."""
        return self._start(None if self._closed else self._store.begin(name, time.time()))

    def carry_on(self, pull: Pull) -> bool:
        """Goes on with what somebody left; False where anybody is at it. Raises DatabaseError."""
        with self._lock:
            is_here = pull.name in self._runs
        return not is_here and self._start(self._store.carry_on(pull, time.time()))

    def cancel(self, name: str) -> None:
        """Whichever process is at it. What has come stays, for a while, with Ollama. Raises DatabaseError."""
        self._store.cancel(name, time.time())
        with self._lock:
            run = self._runs.get(name)
        if run is not None:
            run.stop.ask()

    def close(self) -> None:
        """Breaks off all that this process has fetched: somebody may go on with it later."""
        self._carrying.close()
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
        for run in runs:
            run.why = State.INTERRUPTED
            run.stop.ask()
        for run in runs:
            run.over.wait(TELL_SECONDS)

    def _start(self, pull: Pull | None) -> bool:
        """False where there is none."""
        if pull is None:
            return False
        run = Run(pull)
        with self._lock:
            self._runs[pull.name] = run
            is_late = self._closed
        if is_late:
            run.why = State.INTERRUPTED
            run.stop.ask()
        for work in (self._follow, self._tell):
            threading.Thread(target=work, args=(run,), name="pull", daemon=True).start()
        return True

    def _follow(self, run: Run) -> None:
        try:
            self._fetch(run)
        except Exception as error:  # a fault of ours must not leave a pull that never ends
            self._log.error("pull broke", exc_info=error)
            run.job.end(State.FAILED, PullFailed.code)
        finally:
            with self._lock:
                if self._runs.get(run.pull.name) is run:
                    del self._runs[run.pull.name]
        self._end(run)

    def _fetch(self, run: Run) -> None:
        """Until it has ended, however often that takes."""
        patience = Patience()
        while (problem := self._try(run)) is not None and not run.stop.asked:
            pause = patience.pause(problem, run.job.completed)
            if pause is None:
                run.job.end(State.FAILED, problem.code)
                return
            run.job.wait(problem.code)
            run.stop.wait(pause)
        if run.stop.asked:
            run.job.end(run.why)

    def _try(self, run: Run) -> InsightError | None:
        """What kept it from its end, if anything."""
        checked = 0  # for how many bytes there was seen to be room
        try:
            for step in self._source.pull(run.pull.name, run.stop):
                run.job.feed(step)
                if run.job.total > checked:
                    checked = run.job.total
                    self._expect_room(run.job)
        except (PullFailed, EngineError) as error:
            return error
        return None if run.stop.asked or not run.job.state.runs else PullCut()

    def _expect_room(self, job: Job) -> None:
        """Raises PullNoRoom where the rest cannot be had: better now than when the disk is full."""
        if not self._has_room(job.total - job.completed):
            raise PullNoRoom

    def _end(self, run: Run) -> None:
        job = run.job
        try:
            self._store.keep(run.pull, job, time.time())
        except DatabaseError:  # others take it for interrupted, which it is
            self._log.warning("the end of a pull could not be kept")
        run.over.set()
        if job.state is State.DONE:
            self._came()
        self._report(job.state.value, job.problem, time.time() - run.pull.started_at)

    def _tell(self, run: Run) -> None:
        while not run.over.wait(TELL_SECONDS):
            if not run.job.state.runs:
                continue
            try:
                if not self._store.keep(run.pull, run.job, time.time()):
                    run.stop.ask()
            except DatabaseError:
                continue  # the next time
