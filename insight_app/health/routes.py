"""The page Health, the test stream that it asks for, and one that people see with their own eyes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from flask import Blueprint, Flask, Response, render_template, request
from markupsafe import escape

from insight_app.accounts.guards import expect_admin, for_everybody
from insight_app.errors import NotThere
from insight_app.health import findings, streaming
from insight_app.health.checks import Parts, all_checks
from insight_app.web import EVENTS, NOR_PACKED, add_settings_page, services, streamed
from insight_app.words import N_, _

health = Blueprint("health", __name__)
MARK = "<!-- here they come -->"


@health.get("/settings/health")
def page() -> str:
    expect_admin()
    found = services()
    parts = Parts(found.settings, lambda: found.database, found.engine.engines, found.settings.public_url)
    checked = findings.run(all_checks(parts))
    first = findings.worst_first(checked)
    return render_template("health/page.html", checked=first, worst=first[0].finding.state.value)


@health.get("/settings/health/streamed")
def seen() -> Response:
    """A page whose lines come one by one, where nothing between here and the browser holds them back."""
    expect_admin()
    before, _mark, after = render_template("health/streamed.html", mark=MARK, gap=streaming.GAP_SECONDS).partition(MARK)

    def parts() -> Iterator[str]:
        yield before
        for number, _piece in enumerate(streaming.pieces(), 1):
            sent = datetime.now(timezone.utc).isoformat(timespec="milliseconds")[11:23]
            said = _(
                "Line %(number)s of %(count)s, sent at %(time)s (UTC)", number=number, count=streaming.PIECES, time=sent
            )
            yield f"<li>{escape(said)}</li>\n"
        yield after

    return streamed(parts(), "text/html; charset=utf-8", NOR_PACKED)


@health.get(streaming.PATH)
@for_everybody
def stream() -> Response:
    """The test, for who can sign its address. Raises NotThere for everybody else."""
    secret = services().settings.secret_key
    if not streaming.is_allowed(secret, request.args.get("at", ""), request.args.get("by", "")):
        raise NotThere
    return streamed(streaming.pieces(), EVENTS, NOR_PACKED)


def register(app: Flask) -> None:
    app.register_blueprint(health)
    add_settings_page(app, N_("Health"), "health.page", for_admins=True)
