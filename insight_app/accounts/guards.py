"""Who asks, and what they may: every route decides with these."""

from __future__ import annotations

from typing import cast

from flask import g

from insight_app.accounts.people import THE_ONE_PERSON, Person


def me() -> Person:
    """Who sent the request."""
    return cast(Person, g.get("person", THE_ONE_PERSON))
