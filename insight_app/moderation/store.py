"""What is set for everybody, as entries under names: each change of them is kept, and how often each acted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, select

from insight_app.errors import ChangedMeanwhile, NotThere
from insight_app.storage import upsert
from insight_app.storage.database import Database
from insight_app.storage.tables import moderation_changes as changes
from insight_app.storage.tables import moderation_counts as counts
from insight_app.storage.tables import moderation_entries as entries

HOUR_SECONDS = 3600
PERIOD_HOURS = {"day": 24, "week": 7 * 24, "month": 30 * 24}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is set. Entries are ordered by `place`; `body` is made for JSON."""

    id: str
    place: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody changed: entries by id as they were and as they became, None where there was none, or is none."""

    id: int
    at: float
    who: str
    before: Mapping[str, Entry | None]
    after: Mapping[str, Entry | None]


# What an entry's body has instead of everything else where it is no JSON object.
UNREADABLE = "unreadable"
CHANGES = "changes"  # one after the other: their ids are versions
_VERSION = select(func.max(changes.c.id))


class ModerationStore:
    """Everything about moderation that is kept. Entries that cannot be read raise ValueError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self) -> int:
        """Grows with each change; 0 before the first."""
        with self._database.reading() as connection:
            return connection.execute(_VERSION).scalar() or 0

    def entries(self) -> tuple[int, list[Entry]]:
        """The version and the entries of it, in their order."""
        version, rows = self._read()
        return version, [_entry(row.id, (row.place, json.loads(row.body))) for row in rows]

    def as_kept(self) -> tuple[int, list[Entry]]:
        """The same, with those that cannot be read as {UNREADABLE: what is there}."""
        version, rows = self._read()
        return version, [Entry(row.id, row.place, _body(row.body)) for row in rows]

    def _read(self) -> tuple[int, Sequence[Row[Any]]]:
        with self._database.reading() as connection:
            # In this order: entries that are newer than the version which stands for them are only read once more.
            version: int = connection.execute(_VERSION).scalar() or 0
            return version, connection.execute(select(entries).order_by(entries.c.place, entries.c.id)).all()

    def change(
        self, who: str, after: Mapping[str, Entry | None], *, only_first: bool = False, seen: int | None = None
    ) -> int:
        """Sets entries by id, removes those that become None, and returns the new version.

        `only_first`: does nothing where there was any change before. `seen`: the version that the change was made
        for; raises ChangedMeanwhile where any of the entries changed since.
        """
        with self._database.writing(CHANGES) as connection:
            version: int = connection.execute(_VERSION).scalar() or 0
            if only_first and version:
                return version
            if seen is not None and seen != version:
                since = connection.execute(select(changes.c.after).where(changes.c.id > seen)).scalars()
                if any(not after.keys().isdisjoint(json.loads(one)) for one in since):
                    raise ChangedMeanwhile
            return _change(connection, who, after)

    def one_change(self, change_id: int) -> Change:
        """Raises NotThere."""
        with self._database.reading() as connection:
            row = connection.execute(select(changes).where(changes.c.id == change_id)).first()
        if row is None:
            raise NotThere
        return _known(row)

    def changes(self, limit: int = 50, before: int | None = None) -> list[Change]:
        """The newest ones first, those before one where `before` names it."""
        query = select(changes).order_by(changes.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(changes.c.id < before)
        with self._database.reading() as connection:
            return [_known(row) for row in connection.execute(query)]

    def undo(self, change_id: int, who: str) -> int:
        """Sets what a change touched as it was before, which is another change. Raises NotThere."""
        with self._database.writing(CHANGES) as connection:
            row = connection.execute(select(changes).where(changes.c.id == change_id)).first()
            if row is None:
                raise NotThere
            return _change(connection, who, _known(row).before)

    def count(self, times: Mapping[str, int]) -> None:
        """Adds to how often each entry acted, in this hour."""
        hour = int(time.time()) // HOUR_SECONDS
        with self._database.writing() as connection:
            for entry_id, more in sorted(times.items()):  # so that no two who count wait for each other
                upsert.add(connection, counts, {"entry_id": entry_id, "hour": hour}, {"times": more})
            connection.execute(delete(counts).where(counts.c.hour < hour - 2 * PERIOD_HOURS["month"]))

    def counted(self) -> dict[str, dict[str, int]]:
        """How often each entry acted in the last "day", "week" and "month"; those that never did are not in it."""
        hour = int(time.time()) // HOUR_SECONDS
        sums = [
            func.sum(case((counts.c.hour > hour - hours, counts.c.times), else_=0)).label(period)
            for period, hours in PERIOD_HOURS.items()
        ]
        with self._database.reading() as connection:
            rows = connection.execute(select(counts.c.entry_id, *sums).group_by(counts.c.entry_id)).all()
        return {row.entry_id: {period: int(getattr(row, period)) for period in PERIOD_HOURS} for row in rows}


def _change(connection: Connection, who: str, after: Mapping[str, Entry | None]) -> int:
    there = connection.execute(select(entries).where(entries.c.id.in_(after))).all()
    before: dict[str, list[Any] | None] = dict.fromkeys(after)
    before |= {row.id: [row.place, _body(row.body)] for row in there}
    connection.execute(delete(entries).where(entries.c.id.in_(after)))
    for entry in after.values():
        if entry is not None:
            body = json.dumps(entry.body, ensure_ascii=False)
            connection.execute(insert(entries).values(id=entry.id, place=entry.place, body=body))
    became = {id: None if entry is None else [entry.place, entry.body] for id, entry in after.items()}
    values = {"at": time.time(), "who": who, "before": _text(before), "after": _text(became)}
    return int(connection.execute(insert(changes).values(values).returning(changes.c.id)).scalar_one())


def _text(by_id: Mapping[str, Any]) -> str:
    return json.dumps(by_id, ensure_ascii=False)


def _body(kept: str) -> Mapping[str, Any]:
    try:
        body = json.loads(kept)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {UNREADABLE: kept}


def _known(row: Any) -> Change:
    before, after = (
        {id: None if kept is None else _entry(id, kept) for id, kept in json.loads(text).items()}
        for text in (row.before, row.after)
    )
    return Change(row.id, row.at, row.who, before, after)


def _entry(id: str, kept: Any) -> Entry:
    place, body = kept
    if not isinstance(body, dict):
        raise ValueError("an entry is not a JSON object")
    return Entry(id, place, body)
