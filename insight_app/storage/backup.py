"""All rows of a database into a file, as they are at one moment, and out of it into a database of either kind."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Column, Connection, MetaData, Table, delete, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from insight_app.errors import BackupRefused
from insight_app.storage.backup_file import LARGEST, PART, Backup, Part, Told, damaged, is_number, newer, write
from insight_app.storage.columns import storable
from insight_app.storage.database import NEWEST, Database, migrate, version_of
from insight_app.storage.product import Product
from insight_app.storage.tables import metadata

AT_ONCE = 500  # rows
COUNTED = {name for name, table in metadata.tables.items() if table.autoincrement_column is not None}
RESTORER = "a restored backup"  # who changed the rules


def back_up(database: Database, path: Path, told: Told) -> dict[str, int]:
    """Writes everything there is, and returns how many rows of each table; others may write meanwhile.

    Raises BackupRefused where there is nothing, or no place for it.
    """
    with database.snapshot() as connection:
        revision = version_of(connection)
        if revision is None:
            raise BackupRefused("There is nothing to back up.", "Check DATABASE_URL and DATA_DIR.")
        if revision > NEWEST:
            raise BackupRefused("The database is one of a newer version.", "Make the backup with that version.")
        return write(path, revision, time.time(), _parts(connection, database.product), told)


def restore(database: Database, file: BinaryIO, told: Told) -> dict[str, int]:
    """Puts what the file holds in the place of everything there is, all or nothing; returns how many rows of each.

    Raises BackupRefused, before anything is changed, where the file cannot be used.
    """
    backup = Backup(file)
    backup.check()
    if backup.revision > NEWEST:
        raise newer()
    with database.writing("schema", at_leisure=True) as connection:
        given = _given(connection, database.product)
        changes = given.get("moderation_changes")
        _empty(connection, database.product, backup.revision)
        tables = _tables(connection)
        counts = {part.table: _fill(connection, tables, part, told, given) for part in backup.parts()}
        if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
            raise damaged()
        if backup.revision != NEWEST:
            migrate(connection, "head")
        for table, last in given.items():
            database.product.count_from(connection, table, last)
        if changes:
            _note_new_rules(connection)
    database.forget()
    return counts


def is_empty(database: Database) -> bool:
    """Whether nobody would miss what a restore replaces."""
    with database.reading() as connection:
        tables = _tables(connection)
        own = [tables[name] for name in ("conversations", "accounts") if name in tables]
        return all(connection.execute(select(table.c.id).limit(1)).first() is None for table in own)


def _tables(connection: Connection) -> dict[str, Table]:
    """As they are there, those first to which others point; an older version may have fewer."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in metadata.tables)
    return {table.name: table for table in found.sorted_tables}


def _given(connection: Connection, product: Product) -> dict[str, int]:
    """The last id that each table gave: none of them is ever given again."""
    there = _tables(connection) if version_of(connection) else {}
    return {name: product.counted_to(connection, name) for name in there if name in COUNTED}


def _parts(connection: Connection, product: Product) -> Iterator[Part]:
    given = _given(connection, product)
    streamed = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
    for name, table in _tables(connection).items():
        rows = streamed.execute(select(table).order_by(*table.primary_key.columns))
        yield Part(name, tuple(table.c.keys()), given.get(name), (tuple(row) for row in rows))


def _empty(connection: Connection, product: Product, revision: str) -> None:
    """Leaves the tables of that revision, without a row."""
    there = version_of(connection)
    if there is None:
        product.prepare(connection)
    elif there != revision:
        migrate(connection, "base", down=True)
    if there != revision:
        migrate(connection, revision)
    tables = _tables(connection)
    product.keep_out_writers(connection, list(tables))
    for table in reversed(tables.values()):
        connection.execute(delete(table))


def _fill(connection: Connection, tables: dict[str, Table], part: Part, told: Told, given: dict[str, int]) -> int:
    if part.table not in tables or set(part.columns) != set(tables[part.table].c.keys()):
        raise damaged()
    table, rows, count = tables[part.table], iter(part.rows), 0
    if part.last_id is not None:
        given[part.table] = max(part.last_id, given.get(part.table, 0))
    columns = [table.c[name] for name in part.columns]
    while some := [dict(zip(part.columns, map(_value, columns, row), strict=True)) for row in islice(rows, AT_ONCE)]:
        try:
            connection.execute(insert(table), some)
        except (IntegrityError, DataError):  # rows that cannot be together; a text that is too long
            raise damaged() from None
        count += len(some)
        if count % PART < len(some):
            told(part.table, count)
    told(part.table, count)
    return count


def _value(column: Column[Any], value: object) -> object:
    """As the column takes it. What it does not take would be quoted in a database's log, so it is not tried."""
    kind = column.type.python_type
    if isinstance(value, str) and kind is str:
        return storable(value)
    if isinstance(value, str) and kind is bytes:
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            raise damaged() from None
    is_right = type(value) is kind or (value is None and column.nullable)
    if kind in (int, float) and value is not None:
        is_right = is_number(value, LARGEST, *((int,) if kind is int else ()))
    if not is_right:
        raise damaged()
    return value


def _note_new_rules(connection: Connection) -> None:
    """Has a server that runs see that its rules are others now: it looks for a newer change only."""
    changes = metadata.tables["moderation_changes"]
    values = {"at": time.time(), "who": RESTORER, "before": "{}", "after": "{}"}
    connection.execute(insert(changes).values(values))
