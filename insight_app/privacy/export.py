"""Everything about a person as one JSON document, made piece by piece: docs/privacy.md describes the format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

FORMAT = "insightsphere-export"
VERSION = 1
Row = Mapping[str, Any]


def document(
    at: float,
    preferences: Row | None,
    conversations: Iterable[tuple[Row, Iterable[Row]]],
    diagnostics: Iterable[Row],
    *,
    account: Row | None = None,
    usage: Iterable[Row] = (),
    presets: Iterable[Row] = (),
    saved_prompts: Iterable[Row] = (),
) -> Iterator[str]:
    """The document's pieces. Each conversation comes with its messages, the account with its `sessions` and `keys`.

    Times are seconds since 1970.
    """
    head = {"format": FORMAT, "version": VERSION, "exported_at": at}
    yield f'{{{_inside(head)},\n"account": {_json(account and _with_parts(account))},'
    yield f'\n"preferences": {_json(preferences and with_dates(preferences))},\n"usage": ['
    yield from _list(usage)
    yield '\n],\n"conversations": ['
    for number, (conversation, messages) in enumerate(conversations):
        yield f'{"," if number else ""}\n{{{_inside(conversation)}, "messages": ['
        yield from _list(messages)
        yield "]}"
    for name, rows in (("presets", presets), ("saved_prompts", saved_prompts)):
        yield f'\n],\n"{name}": ['
        yield from _list(rows)
    yield '\n],\n"diagnostics": ['
    yield from _list(diagnostics)
    yield "]}\n"


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Each row as a line of JSON."""
    return (f"{_json(row)}\n" for row in rows)


def with_dates(row: Row) -> dict[str, Any]:
    """The row, and beside each time (“…_at”, “…_until”) the same as an ISO 8601 text in UTC: “…_at_iso”."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        found[name] = value
        if name.endswith(("_at", "_until")) and not isinstance(value, str):
            found[f"{name}_iso"] = None if value is None else _iso(value)
    return found


def _with_parts(account: Row) -> dict[str, Any]:
    """An account with its dates, and those of what it has."""
    parts = {name: [with_dates(each) for each in rows] for name, rows in account.items() if isinstance(rows, list)}
    return {**with_dates(account), **parts}


def _iso(seconds: float) -> str | None:
    """None for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _list(rows: Iterable[Row]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{_json(with_dates(row))}"


def _inside(row: Row) -> str:
    """The members of a JSON object, without its braces."""
    return _json(with_dates(row))[1:-1]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
