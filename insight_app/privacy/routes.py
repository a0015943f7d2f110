"""The page where people see what becomes of their words, change it, take all along, or delete all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from flask import Blueprint, Flask, Response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from insight_app.accounts.guards import me
from insight_app.amounts import in_words
from insight_app.chat import pages
from insight_app.config import PROJECT
from insight_app.privacy import export
from insight_app.privacy.forms import DiagnosticsForm, KeepForm
from insight_app.rendering.markdown import render
from insight_app.rendering.swaps import announce
from insight_app.web import add_settings_page, as_file, from_htmx, services
from insight_app.words import N_, lazy

privacy = Blueprint("privacy", __name__, url_prefix="/settings/privacy")
DONE = {
    "kept": lazy("Saved."),
    "started": lazy("The record has begun."),
    "stopped": lazy("The record has ended, and what was recorded is deleted."),
    "deleted": lazy("Everything about you is deleted."),
}


@privacy.get("")
def page() -> str:
    return _page(_keep_form())


@privacy.post("/keep")
def keep() -> ResponseReturnValue:
    form = _keep_form()
    if not form.validate():
        return _page(form), 422
    services().personal.choose(me().id, keep_days=form.keep_days)
    return _back("kept")


@privacy.get("/diagnostics")
def diagnostics() -> ResponseReturnValue:
    """The part of the page about the record, as it is now."""
    return render_template("privacy/_diagnostics.html", **_record_now()) if from_htmx() else _back()


@privacy.post("/diagnostics")
def record() -> ResponseReturnValue:
    """Begins a record of what the person sends and gets, or goes on with one for another while."""
    form = DiagnosticsForm()
    if not form.validate():
        return _page(_keep_form()), 422
    services().personal.choose(me().id, diagnostics_until=time.time() + int(form.seconds.data))
    services().diagnostics.of(me().id).look()
    return _recording("started")


@privacy.post("/diagnostics/delete")
def stop_recording() -> ResponseReturnValue:
    services().personal.choose(me().id, diagnostics_until=None)
    services().diagnostics.of(me().id).delete()
    return _recording("stopped")


@privacy.get("/diagnostics/download")
def download_diagnostics() -> Response:
    """The record, a JSON object a line."""
    return _attachment(
        export.lines(services().diagnostics.of(me().id).entries()), "diagnostics.jsonl", "application/jsonl"
    )


@privacy.get("/download")
def download() -> Response:
    """Everything about the person, as docs/privacy.md describes it."""
    personal, person = services().personal, me().id
    conversations = ((each, personal.all_messages(each["id"])) for each in personal.all_conversations(person))
    record = services().diagnostics.of(person).entries()
    services().counting.flush()
    pieces = export.document(
        time.time(),
        personal.all_preferences(person),
        conversations,
        record,
        account=personal.all_about_account(person),
        usage=personal.all_usage(person),
        presets=personal.all_presets(person),
        saved_prompts=personal.all_saved_prompts(person),
    )
    return _attachment(pieces, "everything.json", "application/json")


@privacy.post("/delete")
def delete() -> ResponseReturnValue:
    """Deletes everything about the person: here, and by the response's headers in their browser."""
    services().delete_everything_of(me().id)
    pages.forget()
    if not me().id:  # who signed in stays so
        session.clear()
    response = _back("deleted")
    response.headers["Clear-Site-Data"] = '"storage"'  # drafts; cookies know no ports, so others' would go too
    return response


@privacy.get("/kept")
def kept() -> str:
    """docs/privacy.md."""
    return render_template("privacy/kept.html", text=_kept())


@lru_cache(maxsize=1)
def _kept() -> Markup:
    html = render((PROJECT / "docs" / "privacy.md").read_text(encoding="utf-8").partition("\n")[2])
    # In an answer headings begin two levels further down: this one has the page for itself.
    return Markup(html.replace("<h4", "<h2").replace("</h4>", "</h2>"))


def _keep_form() -> KeepForm:
    return KeepForm(services().retention.most_days, services().personal.preferences(me().id))


def _page(form: KeepForm) -> str:
    retention = services().retention
    now = services().personal.preferences(me().id)
    return render_template(
        "privacy/page.html",
        form=form,
        done=DONE.get(request.args.get("done", "")),
        days_kept=now.days_kept(retention.most_days),
        outdated=retention.count_outdated(now, me().id),
        **_record_now(),
    )


def _recording(done: str) -> ResponseReturnValue:
    """The page's part about the record, after this was done."""
    if not from_htmx():
        return _back(done, "diagnostics")
    said = announce(DONE[done])
    return render_template("privacy/_diagnostics.html", **{**_record_now(), "focus": True}) + said


def _record_now() -> Mapping[str, Any]:
    """What _diagnostics.html needs to know."""
    found = services().diagnostics.of(me().id)
    left = found.seconds_left()
    return {
        "left": in_words(left) if left else "",
        "count": found.count(),
        "record_form": DiagnosticsForm(),
        "focus": False,
    }


def _back(done: str | None = None, anchor: str | None = None) -> Response:
    response = redirect(url_for("privacy.page", done=done, _anchor=anchor), 303)
    assert isinstance(response, Response)
    return response


def _attachment(pieces: Iterator[str], name: str, kind: str) -> Response:
    return as_file(pieces, f"{kind}; charset=utf-8", f"insightsphere-{time.strftime('%Y-%m-%d')}-{name}")


def register(app: Flask) -> None:
    app.register_blueprint(privacy)
    add_settings_page(app, N_("Privacy"), "privacy.page")
    app.extensions["insight"].pruning.on_deletion(pages.forget)
