"""The page where people search their conversations: a plain form, and while one types where there is JavaScript."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import pages
from insight_app.chat.searching import LONGEST, Search, parse
from insight_app.limits import rates
from insight_app.rendering.swaps import announce
from insight_app.web import from_htmx, services
from insight_app.words import _, ngettext

search = Blueprint("search", __name__)


@search.get("/search")
@rates.searching
def page() -> ResponseReturnValue:
    """What is found of ?q=; older than the message ?before=."""
    given = request.args.get("q", "")
    wanted, before = parse(given), pages.number(request.args.get("before", ""))
    store, person = services().search, me().id
    titles = store.titles(wanted, person) if before is None else []
    found = store.messages(wanted, person, before)
    names = {"q": given[:LONGEST], "wanted": wanted, "titles": titles, "found": found, "before": before}
    if not from_htmx():
        return render_template("chat/search.html", **names)
    said = announce(_said(wanted, len(titles), len(found.hits), has_more=found.has_more))
    return render_template("chat/_found.html", **names) + said


def _said(wanted: Search, titles: int, hits: int, *, has_more: bool) -> str:
    if not wanted.terms:
        return ""
    if has_more:
        return _("More than %(num)s found", num=titles + hits)
    return ngettext("%(num)s found", "%(num)s found", titles + hits) if titles + hits else _("Nothing found")


def register(app: Flask) -> None:
    app.register_blueprint(search)
