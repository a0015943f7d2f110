"""The page where admins say how much people of each role may ask, and of which models."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.forms import ROLES
from insight_app.accounts.guards import expect_admin
from insight_app.errors import NotThere
from insight_app.limits.forms import RoleForm
from insight_app.web import add_settings_page, services
from insight_app.words import N_

roles = Blueprint("roles", __name__, url_prefix="/settings/roles")
roles.before_request(expect_admin)


@roles.get("")
def page() -> str:
    return _page(saved=request.args.get("saved", ""))


@roles.post("/<role>")
def save(role: str) -> ResponseReturnValue:
    if role not in ROLES:
        raise NotThere
    form = _form(role, is_sent=True)
    if not form.validate():
        return _page(wrong=(role, form)), 422
    services().limits.set_role(role, form.rules)
    return redirect(url_for("roles.page", saved=role), 303)


def _form(role: str, *, is_sent: bool = False) -> RoleForm:
    there = [model.name for model in services().engine.standing.models]
    return RoleForm(services().limits.role(role), there, is_sent=is_sent)


def _page(*, saved: str = "", wrong: tuple[str, RoleForm] | None = None) -> str:
    forms = {role: _form(role) for role in ROLES}
    if wrong is not None:
        forms[wrong[0]] = wrong[1]
    return render_template("accounts/roles.html", forms=forms, roles=ROLES, saved=saved)


def register(app: Flask) -> None:
    if app.extensions["insight"].settings.auth_mode != "local":
        app.register_blueprint(roles)
        add_settings_page(app, N_("Roles"), "roles.page", for_admins=True)
