"""The list of conversations drawn: a line each, under the days on which something was last said."""

from __future__ import annotations

import time
from functools import lru_cache

from flask import render_template, request, url_for
from markupsafe import Markup

from insight_app.accounts.guards import me
from insight_app.chat import days
from insight_app.chat.messages import Conversation, Listed
from insight_app.languages import language
from insight_app.rendering.swaps import announce
from insight_app.web import draw, services


def place() -> tuple[bool, float, str] | None:
    """The place in the list after which a page asks to go on, by ?pinned=, ?before= and ?id=; None: at its start."""
    before = request.args.get("before", type=float)
    if before is None:
        return None
    return request.args.get("pinned") == "1", before, request.args.get("id", "")


def rows(listed: Listed, template: str = "chat/_conversation_rows.html") -> str:
    """Lines of the list for the page that asks for them."""
    return render_template(template, listed=listed, current=_open_one(), base=conversations_base(), after=place())


def line(found: Conversation) -> str:
    """The line of one conversation, for the page that asks for it."""
    return _line(found, conversations_base(), found.id == _open_one(), language())


def lines(listed: Listed, base: str, current: str, after: tuple[bool, float, str] | None = None) -> Markup:
    """Those conversations, a line each, with what day it was above those of each day; `after` one of such a place."""
    spoken, zone = language(), days.zone_named(request.cookies.get("zone", ""))
    today, drawn = days.day_in(zone, time.time()), list[str]()
    last = days.group(after[1], after[0], today, zone) if after else ""
    for each in listed.conversations:
        if (here := days.group(each.updated_at, each.is_pinned, today, zone)) != last:
            drawn.append(_heading(here, spoken))
            last = here
        drawn.append(_line(each, base, each.id == current, spoken))
    return Markup("\n".join(drawn))


@lru_cache(maxsize=1000)
def _heading(group: str, _language: str) -> str:
    return draw("chat/_conversation_day.html", day=days.heading(group))


@lru_cache(maxsize=1000)
def _line(found: Conversation, base: str, is_current: bool, _language: str) -> str:
    """Most lines are the same on each page that anybody opens: to draw all would take as long as the rest of it."""
    return draw("chat/_conversation_line.html", conversation=found, address=base + found.id, is_current=is_current)


def listed_anew(why: str) -> str:
    """The beginning of the list for a page whose list is in another order now, and why."""
    listed = rows(services().conversations.newest_conversations(owner=me().id))
    # Of a response without anything to swap htmx leaves the list as it is, and a line stayed where the last one went.
    return (listed.strip() or "<li hidden></li>") + announce(why)


def _open_one() -> str:
    """The id of the conversation of the page that asks, "" where it is none."""
    return request.headers.get("HX-Current-URL", "").partition("?")[0].rpartition("/c/")[2]


def conversations_base() -> str:
    """The address of conversations, without an id."""
    return url_for("chat.conversation", conversation_id="-").removesuffix("-")


def forget() -> None:
    """Nothing of what was deleted stays in memory."""
    _line.cache_clear()
