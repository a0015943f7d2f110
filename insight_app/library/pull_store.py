"""The pulls of all processes: a row for each model, written by the one process that has it fetched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update

from insight_app.library.jobs import Job, Pull, State
from insight_app.storage.database import Database
from insight_app.storage.tables import pulls

_RUNS = tuple(state.value for state in State if state.runs)
_ALONE = "pulls"


class PullStore:
    """A run is named by its model and `started_at`: who is no longer the one that fetches it changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, now: float) -> list[Pull]:
        """Those that are told of, the newest first."""
        with self._database.reading() as connection:
            found = [_pull(row).as_of(now) for row in connection.execute(select(pulls))]
        return sorted((each for each in found if each.is_told(now)), key=lambda each: -each.started_at)

    def begin(self, name: str, now: float) -> Pull | None:
        """A new run, which shows what the last one had; None where one is under way, by whichever process."""
        with self._database.writing(_ALONE) as connection:
            connection.execute(delete(pulls).where(pulls.c.state == State.DONE.value, pulls.c.name != name))
            before = _find(connection, name)
            if before is not None and before.as_of(now).state.runs:
                return None
            return _begun(connection, name, before, now)

    def left(self, since: float) -> list[Pull]:
        """As their rows are, those written since then: runs of whoever lives or not, and what was interrupted."""
        unended = pulls.c.state.in_((*_RUNS, State.INTERRUPTED.value))  # and no state of a newer version
        with self._database.reading() as connection:
            return [_pull(row) for row in connection.execute(select(pulls).where(unended, pulls.c.updated_at > since))]

    def carry_on(self, pull: Pull, now: float) -> Pull | None:
        """A new run instead of this one; None where somebody has said anything of it since, or goes on with it."""
        with self._database.writing(_ALONE) as connection:
            if _find(connection, pull.name) != pull:
                return None
            return _begun(connection, pull.name, pull, now)

    def keep(self, pull: Pull, job: Job, now: float) -> bool:
        """Writes where the run is, and that somebody sees to it; False where it is no longer to be fetched."""
        changed = {"state": job.state.value, "problem": job.problem, "updated_at": now}
        if job.total:  # until Ollama tells more, what the last run had is shown
            changed |= {"total": job.total, "completed": job.completed}
        with self._database.writing() as connection:
            return bool(connection.execute(update(pulls).where(_is_run(pull)).values(changed)).rowcount)

    def cancel(self, name: str, now: float) -> None:
        """Whichever process has it fetched; that one notices within a second."""
        changed = {"state": State.CANCELLED.value, "problem": "", "updated_at": now}
        with self._database.writing(_ALONE) as connection:
            connection.execute(update(pulls).where(pulls.c.name == name, pulls.c.state.in_(_RUNS)).values(changed))

    def forget(self, name: str, now: float) -> None:
        """Takes away what is told of a pull that has ended."""
        with self._database.writing(_ALONE) as connection:
            found = _find(connection, name)
            if found is not None and not found.as_of(now).state.runs:
                connection.execute(delete(pulls).where(pulls.c.name == found.name))


def _is_run(pull: Pull) -> ColumnElement[bool]:
    return and_(pulls.c.name == pull.name, pulls.c.started_at == pull.started_at, pulls.c.state.in_(_RUNS))


def _begun(connection: Connection, name: str, before: Pull | None, now: float) -> Pull:
    if before is not None:
        connection.execute(delete(pulls).where(pulls.c.name == before.name))
    is_new = before is None or before.state is State.DONE
    had = (0, 0) if before is None or is_new else (before.total, before.completed)
    # Later than the last run, also where the clock was set back: it names the run.
    started = now if before is None else max(now, before.started_at + 1e-3)
    pull = Pull(name, State.PULLING, had[0], had[1], started_at=started, updated_at=now)
    connection.execute(insert(pulls).values(_values(pull)))
    return pull


def _find(connection: Connection, name: str) -> Pull | None:
    """By a name that differs in case only too: to Ollama it is the same model."""
    rows = connection.execute(select(pulls))
    return next((_pull(row) for row in rows if row.name.casefold() == name.casefold()), None)


def _pull(row: Row[Any]) -> Pull:
    state = State(row.state) if row.state in set(State) else State.INTERRUPTED  # a newer version's
    return Pull(row.name, state, row.total, row.completed, row.problem, row.started_at, row.updated_at)


def _values(pull: Pull) -> dict[str, Any]:
    return {
        "name": pull.name,
        "state": pull.state.value,
        "total": pull.total,
        "completed": pull.completed,
        "problem": pull.problem,
        "started_at": pull.started_at,
        "updated_at": pull.updated_at,
    }
