"""The page where whoever runs this server says what the model is told in every conversation."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_admin
from insight_app.chat.forms import PromptSettingsForm
from insight_app.chat.prompts import Parts
from insight_app.errors import RulesUnreadable
from insight_app.web import add_settings_page, from_htmx, services, who
from insight_app.words import N_

EXAMPLE = "(what somebody sets for one conversation)"
instructions = Blueprint("instructions", __name__, url_prefix="/settings/prompt")
instructions.before_request(expect_admin)


@instructions.get("")
def page() -> str:
    parts = _kept()
    form = PromptSettingsForm(formdata=None, **asdict(parts or Parts()))
    return _page(form, saved="saved" in request.args, unreadable=parts is None)


@instructions.post("")
def save() -> ResponseReturnValue:
    form = PromptSettingsForm()
    if not form.validate():
        return _page(form), 422
    services().instructions.set(form.parts, who())
    return redirect(url_for("instructions.page", saved=""), 303)


@instructions.post("/preview")
def preview() -> str:
    """What would be sent, if this were saved."""
    form = PromptSettingsForm()
    form.validate()
    return render_template("chat/_composed.html", composed=_composed(form)) if from_htmx() else _page(form)


def _kept() -> Parts | None:
    """What is set; None where this version cannot read it."""
    try:
        return services().instructions.parts()
    except RulesUnreadable as error:
        if isinstance(error.__cause__, ValueError):
            return None
        raise


def _page(form: PromptSettingsForm, *, saved: bool = False, unreadable: bool = False) -> str:
    return render_template(
        "chat/prompt_settings.html", form=form, composed=_composed(form), saved=saved, unreadable=unreadable
    )


def _composed(form: PromptSettingsForm) -> str:
    return services().instructions.composed(form.parts, EXAMPLE)


def register(app: Flask) -> None:
    app.register_blueprint(instructions)
    add_settings_page(app, N_("Instructions"), "instructions.page", for_admins=True)
