"""The page where people see and change what lets them in: their password, where they are signed in, their keys."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.forms import ChangePasswordForm, KeyForm
from insight_app.accounts.guards import expect_passwords, me, my_entry
from insight_app.accounts.tokens import Scope
from insight_app.limits import rates
from insight_app.web import add_settings_page, services
from insight_app.words import N_, _, lazy

account = Blueprint("account", __name__, url_prefix="/settings/account")
DONE = {
    "password": lazy("Your password is changed. Everywhere else you are signed out."),
    "ended": lazy("That browser is signed out."),
    "alone": lazy("Everywhere else you are signed out."),
    "revoked": lazy("The key is revoked. Programs that use it are refused from now on."),
}


@account.get("")
def page() -> str:
    return _page()


@account.post("/password")
@rates.trying_ones_own
def change_password() -> ResponseReturnValue:
    expect_passwords()
    form = ChangePasswordForm()
    found = services().accounts
    if form.validate():
        known = found.knows(me().name, form.password.data or "")
        if known is not None:
            found.change_password(known, form.new_password.data, but=my_entry().session_id)
            return _back("password")
        form.password.errors = [_("This is not your password.")]
    return _page(password_form=form), 422


@account.post("/sessions/<session_id>/end")
def end_session(session_id: str) -> ResponseReturnValue:
    services().accounts.sessions.end(session_id, me().id)
    return _back("ended")


@account.post("/sessions/end")
def end_others() -> ResponseReturnValue:
    services().accounts.sessions.end_all(me().id, but=my_entry().session_id)
    return _back("alone")


@account.post("/keys")
def make_key() -> ResponseReturnValue:
    """The page with the new key, which is shown this once."""
    form = KeyForm()
    if not me().is_admin:
        form.admin.data = False
    if not form.validate():
        return _page(key_form=form), 422
    key = services().accounts.keys.make(me().id, form.name, form.scopes, form.expires_at)
    return _page(new_key=key)


@account.post("/keys/<key_id>/revoke")
def revoke_key(key_id: str) -> ResponseReturnValue:
    services().accounts.keys.revoke(key_id, me().id)
    return _back("revoked")


def _page(
    *, password_form: ChangePasswordForm | None = None, key_form: KeyForm | None = None, new_key: str = ""
) -> str:
    found, person = services().accounts, me()
    mode = services().settings.auth_mode
    return render_template(
        "accounts/account.html",
        person=person,
        mode=mode,
        done=DONE.get(request.args.get("done", "")),
        password_form=password_form or ChangePasswordForm(formdata=None),
        sessions=[] if mode == "proxy" else found.sessions.all(person.id),
        this_session=my_entry().session_id,
        keys=found.keys.all(person.id),
        key_form=key_form or KeyForm(formdata=None),
        new_key=new_key,
        scopes=SCOPES,
    )


SCOPES = {Scope.CHAT: lazy("Asks"), Scope.MODELS: lazy("Lists models"), Scope.ADMIN: lazy("Sees everybody’s use")}


def _back(done: str) -> ResponseReturnValue:
    return redirect(url_for("account.page", done=done), 303)


def register(app: Flask) -> None:
    if app.extensions["insight"].settings.auth_mode != "local":
        app.register_blueprint(account)
        add_settings_page(app, N_("Account"), "account.page")
