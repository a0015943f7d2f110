"""Answers while they are written: what is kept of them, by which run, and how long such take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

from sqlalchemy import Float, Row, and_, bindparam, func, select, type_coerce, update

from insight_app.chat.messages import FROM_A_FILE, LIVE, Figures, Message, Outcome, State
from insight_app.errors import ServerStopped
from insight_app.storage.database import Database
from insight_app.storage.tables import messages

_FIGURES = Figures.__dataclass_fields__
_PARTS = ("figures", "attached")
MESSAGE = [messages.c[name] for name in (*Message.__dataclass_fields__, *_FIGURES) if name not in _PARTS]
_ALL, _OWN = len(MESSAGE), len(MESSAGE) - len(_FIGURES)
_NAMES = [each.name for each in MESSAGE[:_OWN]]
_NOTHING, _EMPTY = Figures(), (None,) * len(_FIGURES)
IS_LIVE = messages.c.state.in_([state.value for state in LIVE])
BY_ID = messages.c.id == bindparam("message_id")
# What every answer needs is composed once: that takes three times as long as running it.
_FIND_LIVE = select(messages.c.id).where(IS_LIVE)
FIND_LIVE_IN = _FIND_LIVE.where(messages.c.conversation_id == bindparam("conversation_id"))
_STAGES = ("loading", "reading", "thinking", "writing")
_TURN = sum(func.coalesce(messages.c[f"{stage}_seconds"], 0.0) for stage in _STAGES)
_LAST_TURNS = (
    select(messages.c.model, messages.c.state, messages.c.run, type_coerce(_TURN, Float).label("seconds"))
    .order_by(messages.c.id.desc())
    .limit(400)
    .subquery()
)
_FIND_TURNS = (
    select(_LAST_TURNS.c.seconds)
    .where(
        _LAST_TURNS.c.model == bindparam("model"),
        _LAST_TURNS.c.state == State.DONE.value,
        _LAST_TURNS.c.run > FROM_A_FILE,
    )
    .limit(20)
)
# An answer that is still this run's to write: a process that was taken for dead may come back.
_FILL = update(messages).where(BY_ID, messages.c.finished_at.is_(None), messages.c.run == bindparam("of_run"))


class AnswerStore:
    """The answers of a database, as their writers need them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checkpoint(self, written: Iterable[tuple[int, int, str, str]]) -> None:
        """Keeps what is written so far: (message id, run, thinking, text) of any number of answers at once.

        An answer that has ended meanwhile stays as it is: what comes here late is older than its end.
        """
        rows = [
            {"message_id": message_id, "of_run": run, "thinking": thinking, "text": text}
            for message_id, run, thinking, text in sorted(written)  # so that no two wait for each other
        ]
        with self._database.writing() as connection:
            connection.execute(_FILL, rows)

    def finish(self, message_id: int, outcome: Outcome, run: int = 0) -> None:
        """Keeps an answer's end; does nothing where another process goes on with it."""
        values: dict[str, Any] = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
        values |= {**asdict(values.pop("figures")), "state": outcome.state.value, "finished_at": time.time()}
        with self._database.writing() as connection:
            connection.execute(_FILL, {"message_id": message_id, "of_run": run, **values})

    def usual_loading_seconds(self, model: str) -> float | None:
        """How long this model took to load here, in the median of its last loads; None where nobody has seen it."""
        query = (
            select(messages.c.loading_seconds)
            .where(messages.c.model == model, messages.c.loading_seconds.is_not(None), messages.c.run > FROM_A_FILE)
            .order_by(messages.c.id.desc())
            .limit(5)
        )
        with self._database.reading() as connection:
            seen = list(connection.execute(query).scalars())
        return median(seen) if seen else None

    def usual_turn_seconds(self, model: str) -> float | None:
        """How long this model held its turn, in the median of its answers among the last ones here; None: nobody knows.

        An index would lead to all of its answers; the last ones of any model are few, and lie together.
        """
        with self._database.reading() as connection:
            seen = list(connection.execute(_FIND_TURNS, {"model": model}).scalars())
        return median(seen) if seen else None

    def unfinished(self, conversation_id: str | None = None) -> list[int]:
        """The answers that have not ended, of one conversation or of all."""
        query = _FIND_LIVE if conversation_id is None else FIND_LIVE_IN
        with self._database.reading() as connection:
            return list(connection.execute(query, {"conversation_id": conversation_id}).scalars())

    def unfinished_of(self, owner: str) -> list[int]:
        """The same of one person."""
        with self._database.reading() as connection:
            return list(connection.execute(_FIND_LIVE.where(messages.c.owner == owner)).scalars())

    def left_behind(self, message_id: int) -> Message | None:
        """An answer whose writer is gone, as it left it; from now on it is its next run's. None where it has ended.

        One that has `problem` server_stopped already has met the sudden end of two servers.
        """
        left = and_(messages.c.id == message_id, IS_LIVE)
        with self._database.writing() as connection:
            row = connection.execute(select(*MESSAGE).where(left).with_for_update()).first()
            connection.execute(update(messages).where(left).values(problem=ServerStopped.code, run=messages.c.run + 1))
        return None if row is None else message_of(row)

    def taken(self, runs: Mapping[int, int]) -> list[int]:
        """Those of these answers, each given with its run, that are another run's by now."""
        query = select(messages.c.id, messages.c.run).where(messages.c.id.in_(runs))
        with self._database.reading() as connection:
            return [found for found, run in connection.execute(query) if run != runs[found]]

    def hand_over(self, answers: Iterable[int]) -> None:
        """Notes that these are not to blame for the end of their server."""
        with self._database.writing() as connection:
            connection.execute(update(messages).where(messages.c.id.in_(answers), IS_LIVE).values(problem=""))


def message_of(row: Row[Any]) -> Message:
    """A row of a query that begins with MESSAGE. By place: a prompt reads all that was said before it."""
    figures = row[_OWN:_ALL]
    own = dict(zip(_NAMES, row, strict=False))
    own["state"] = State(own["state"])
    return Message(**own, figures=_NOTHING if figures == _EMPTY else Figures(*figures))
