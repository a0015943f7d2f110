"""Rows that are made where there are none, whoever else makes them at the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert as insert_in_postgres
from sqlalchemy.dialects.sqlite import insert as insert_in_sqlite


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Sets columns of the row with that key."""
    _upsert(connection, table, key, values, values)


def add(connection: Connection, table: Table, key: Mapping[str, Any], more: Mapping[str, float]) -> None:
    """Adds to columns of the row with that key."""
    _upsert(connection, table, key, more, {name: table.c[name] + value for name, value in more.items()})


def _upsert(
    connection: Connection, table: Table, key: Mapping[str, Any], new: Mapping[str, Any], grown: Mapping[str, Any]
) -> None:
    insert = insert_in_sqlite if connection.dialect.name == "sqlite" else insert_in_postgres
    connection.execute(insert(table).values(**key, **new).on_conflict_do_update(index_elements=[*key], set_=grown))
