"""Types of columns that mean the same in every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

# As large as SQLite's, which has one size.
Whole = BigInteger().with_variant(Integer(), "sqlite")


class Words(TypeDecorator[str]):
    """Text of any length, with U+FFFD for what Postgres (NUL) or no database at all (lone surrogates) takes."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Name(Words):
    """Text of at most so many characters."""

    impl = String
    cache_ok = True


def storable(value: str) -> str:
    """`value` with U+FFFD for NUL and lone surrogates."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
