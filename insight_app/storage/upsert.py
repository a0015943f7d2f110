"""Rows that are made where there are none, whoever else makes them at the same moment."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Table


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Sets columns of the row with that key."""
    statement = _upsert(connection.dialect.name, table, (*key,), (*values,), grows=False)
    connection.execute(statement, {**key, **values})


def add(connection: Connection, table: Table, key: Mapping[str, Any], more: Mapping[str, float]) -> None:
    """Adds to columns of the row with that key."""
    statement = _upsert(connection.dialect.name, table, (*key,), (*more,), grows=True)
    connection.execute(statement, {**key, **more})


@cache  # making a statement takes longer than what it does
def _upsert(product: str, table: Table, key: tuple[str, ...], names: tuple[str, ...], *, grows: bool) -> Executable:
    # Each product's own insert is imported where it is used: Postgres' are 2 MB for who has none.
    new = importlib.import_module(f"sqlalchemy.dialects.{product}").insert(table)
    values = {name: table.c[name] + new.excluded[name] if grows else new.excluded[name] for name in names}
    made: Executable = new.on_conflict_do_update(index_elements=key, set_=values)
    return made
