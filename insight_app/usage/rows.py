"""Rows of usage as other programs read them: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from insight_app.limits.quotas import HOUR_SECONDS
from insight_app.words import N_

AMOUNTS = ("answers", "prompt_tokens", "answer_tokens", "busy_seconds", "writing_seconds")
COLUMNS = ("hour", "person", "model", *AMOUNTS)
DELETED, NOBODY = N_("(deleted)"), N_("(nobody signed in)")
# A table program takes a cell that begins so for a formula, and would carry it out.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def said(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its hour as ISO 8601 (UTC), and the person by their address."""
    hour = datetime.fromtimestamp(row["hour"] * HOUR_SECONDS, timezone.utc).isoformat()
    amounts = {name: round(row[name], 3) for name in AMOUNTS}
    return {"hour": hour, "person": name_of(row["person"], row["email"]), "model": row["model"], **amounts}


def name_of(person: str, email: str | None) -> str:
    return email or (DELETED if person else NOBODY)


def as_csv(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A head, and then a line a row."""
    yield _line(COLUMNS)
    for row in rows:
        yield _line([_harmless(value) for value in said(row).values()])


def as_json(rows: Iterable[Mapping[str, Any]], days: int) -> Iterator[str]:
    """{"days": …, "rows": [{…}]}, piece by piece."""
    yield f'{{"days": {days}, "rows": ['
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{json.dumps(said(row), ensure_ascii=False)}"
    yield "]}\n"


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
