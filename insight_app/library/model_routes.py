"""The page Models: what is on this machine, what is on its way, and what would suit it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_admin, me
from insight_app.engines.base import full_name
from insight_app.errors import DatabaseError, InsightError, ModelInUse
from insight_app.library import wording
from insight_app.library.forms import ModelForm
from insight_app.library.jobs import Pull
from insight_app.library.models_wanted import LOOKED_UP, WANTED, best, fit
from insight_app.library.shelf import same
from insight_app.limits import rates
from insight_app.limits.guards import may_use
from insight_app.rendering.swaps import announce, swap
from insight_app.web import add_settings_page, services
from insight_app.words import N_

models = Blueprint("models", __name__, url_prefix="/models")
# Of a page that polls: pulls it shows, and how long what it says of them may be.
MOST_SHOWN, LONGEST_SHOWN = 50, 300
# What was done, by the word in the address of the page that tells it.
DONE = ("begun", "under-way", "removed", "unloaded")


@models.get("")
def page() -> str:
    return _page(ModelForm(formdata=None))


@models.get("/now")
def now() -> ResponseReturnValue:
    """What is there and on its way, for a page that says what of it (`at`) it shows."""
    try:
        names = _names()
    except DatabaseError as error:  # what the page shows stays there, and looks again
        return "", error.status, {"HX-Reswap": "none"}
    shown = _shown()
    coming: list[tuple[Pull, float | None]] = names["pulls"]
    news = [said for pull, _ in coming if (said := wording.news(pull, shown.get(pull.name)))]
    drawn = render_template("library/_now.html", **names)
    if news:
        drawn += announce(" ".join(news))
        drawn += swap("#wanted", "outerMorph", render_template("library/_wanted.html", **names))
    return drawn


@models.post("/pull")
@rates.sending
def pull() -> ResponseReturnValue:
    expect_admin()
    form = ModelForm()
    if not form.validate():
        return _page(form), 422
    return _done(lambda: "begun" if services().models.pull(form.full_name) else "under-way", form)


@models.post("/cancel")
def cancel() -> ResponseReturnValue:
    return _change(services().models.cancel, "")


@models.post("/forget")
def forget() -> ResponseReturnValue:
    return _change(services().models.forget, "")


@models.post("/remove")
@rates.sending
def remove() -> ResponseReturnValue:
    def unless_in_use(name: str) -> None:
        if any(same(model, name) for model in services().line.models()):
            raise ModelInUse
        services().models.remove(name)

    return _change(unless_in_use, "removed")


@models.post("/unload")
@rates.sending
def unload() -> ResponseReturnValue:
    return _change(services().models.unload, "unloaded")


def _change(change: Callable[[str], None], told: str) -> ResponseReturnValue:
    expect_admin()
    name = request.form.get("name", "")[:LONGEST_SHOWN]

    def act() -> str:
        change(name)
        return told

    return _done(act, ModelForm(formdata=None))


def _done(act: Callable[[], str], form: ModelForm) -> ResponseReturnValue:
    """Back to the page, which tells what was done; or the page with what kept it from being done."""
    try:
        told = act()
    except InsightError as error:
        return _page(form, problem=error), error.status
    return redirect(url_for("models.page", done=told or None), 303)


def _page(form: ModelForm, problem: InsightError | None = None) -> str:
    done = request.args.get("done", "") if request.method == "GET" else ""
    told = done if done in DONE else ""
    return render_template("library/page.html", form=form, problem=problem, told=told, **_names())


def _names() -> dict[str, Any]:
    found, person = services(), me()
    library = found.models
    machine = library.machine() if person.is_admin else None
    suits = best(machine) if machine else None
    return {
        "library": library,
        "seen": library.seen(),
        "entries": [entry for entry in library.entries() if entry.is_built_in or may_use(entry.model.name)],
        "pulls": library.pulls() if person.is_admin else [],
        "may_change": person.is_admin and library.is_managed,
        "machine": machine,
        "wanted": [
            (each, fit(each, machine), each is suits)
            for each in sorted(WANTED, key=lambda one: (one is not suits, one.size))
        ]
        if machine
        else [],
        "looked_up": LOOKED_UP,
        "say": wording,
        "full_name": full_name,
        "engine_url": found.settings.engine_url,
        "may_run_elsewhere": found.settings.allow_remote_models,
        "time": time.time(),
    }


def _shown() -> dict[str, tuple[int, str]]:
    """Percent and state of each pull that the page shows; what cannot be read is not shown."""
    shown = {}
    for each in request.args.getlist("at")[:MOST_SHOWN]:
        percent, state, name = (*each[:LONGEST_SHOWN].split(" ", 2), "", "")[:3]
        if percent.isascii() and percent.isdigit() and len(percent) <= 3:
            shown[name] = (int(percent), state)
    return shown


def register(app: Flask) -> None:
    app.register_blueprint(models)
    add_settings_page(app, N_("Models"), "models.page")
