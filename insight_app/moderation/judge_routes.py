"""The page where a model is made the judge of messages and answers."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_admin
from insight_app.moderation import wording
from insight_app.moderation.judge_forms import JudgeForm
from insight_app.moderation.judge_settings import FAMILIES, JUDGE, JudgeSettings
from insight_app.moderation.pages import announcement
from insight_app.moderation.store import Entry
from insight_app.web import add_settings_page, from_htmx, services, who
from insight_app.words import N_, _

judge = Blueprint("judge", __name__, url_prefix="/settings/moderation/judge")
judge.before_request(expect_admin)


@judge.get("")
def page() -> str:
    return _page(JudgeForm.of(_settings() or JudgeSettings()), saved="saved" in request.args)


@judge.post("")
def save() -> ResponseReturnValue:
    before = _settings() or JudgeSettings()
    form = JudgeForm().offer(_installed(), before.model)
    if not form.validate():
        return _page(form), 422
    services().rules.change(who(), {JUDGE: Entry(JUDGE, 0, form.settings(before).as_json())})
    services().moderation.refresh()  # the next page says already that a message will be judged
    return redirect(url_for("judge.page", saved=""), 303)


@judge.post("/categories")
def categories() -> str:
    """What the chosen model looks for, before it is saved."""
    form = JudgeForm().offer(_installed(), _chosen())
    if not from_htmx():
        return _page(form)
    said = _("Below: what the judge %(model)s looks for.", model=form.family.name) if form.family else _("No judge.")
    return render_template("moderation/_categories.html", **_names(form)) + announcement(said)


def _settings() -> JudgeSettings | None:
    """What is set; None where it cannot be used."""
    body = next((entry.body for entry in services().rules.as_kept()[1] if entry.id == JUDGE), {})
    try:
        return JudgeSettings.from_json(body)
    except (ValueError, TypeError):
        return None


def _chosen() -> str:
    settings = _settings()
    return settings.model if settings else ""


def _installed() -> list[str]:
    """Nothing that would run elsewhere: what somebody writes stays here."""
    return [model.name for model in services().engine.standing.models if not model.remote]


def _page(form: JudgeForm, *, saved: bool = False) -> str:
    form.offer(_installed(), _chosen())
    return render_template(
        "moderation/judge.html",
        saved=saved,
        families=FAMILIES,
        can_fetch=services().models.is_managed,
        is_on=services().settings.enable_moderation,
        unreadable=_settings() is None,
        **_names(form),
    )


def _names(form: JudgeForm) -> dict[str, object]:
    return {
        "form": form,
        "family": form.family,
        "counted": services().rules.counted(),
        "how_often": wording.how_often,
    }


def register(app: Flask) -> None:
    app.register_blueprint(judge)
    add_settings_page(app, N_("Judge"), "judge.page", for_admins=True)
