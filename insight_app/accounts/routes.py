"""Signing in and out, whoever says who somebody is."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user

from insight_app.accounts import agents, guards, times
from insight_app.accounts.forms import SignInForm
from insight_app.accounts.guards import SignedIn, for_everybody, my_entry, somebody
from insight_app.accounts.people import Account
from insight_app.web import services
from insight_app.words import lazy

accounts = Blueprint("accounts", __name__)
SAID = {
    "over": lazy("That took too long, or was begun in another browser. Please sign in again."),
    "denied": lazy("The sign-in provider did not let you in, or you said no there. You can try again."),
}


@accounts.get("/sign-in")
@for_everybody
def sign_in() -> ResponseReturnValue:
    if somebody() is not None:
        return redirect("/", 303)
    if services().settings.auth_mode == "accounts" and not services().accounts.store.any():
        return redirect(url_for("doors.first"), 303)
    return sign_in_page(SignInForm(formdata=None, next=request.args.get("next", "")))


@accounts.post("/sign-out")
@for_everybody
def sign_out() -> ResponseReturnValue:
    if somebody() is not None:
        entry = my_entry()
        services().accounts.sessions.end(entry.session_id, entry.person.id)
    logout_user()
    session.clear()
    response = redirect(url_for("accounts.sign_in"), 303)
    response.headers["Clear-Site-Data"] = '"storage"'  # drafts
    return response


def let_in(account: Account, way_on: str = "/") -> ResponseReturnValue:
    """Signs somebody in, in a session that nobody knew of before: what a stranger may have planted is gone."""
    found = services().accounts
    if somebody() is not None:
        found.sessions.end(my_entry().session_id, my_entry().person.id)
    session.clear()
    token = found.sessions.begin(account, agents.in_words(request.user_agent.string), request.remote_addr or "")
    entry = found.entries.by_session(token)
    assert entry is not None, "it was begun just now"
    session.permanent = True
    login_user(SignedIn(token, entry))
    return redirect(way_on, 303)


def sign_in_page(form: SignInForm) -> str:
    settings = services().settings
    return render_template(
        "accounts/sign_in.html",
        form=form,
        provider=urlsplit(settings.oidc_issuer).hostname if settings.auth_mode == "oidc" else None,
        is_open=settings.sign_up == "open",
        said=SAID.get(request.args.get("said", "")),
    )


def register(app: Flask) -> None:
    for word in (times.ago, times.last_day, agents.agent):
        app.jinja_env.globals[word.__name__] = word
    if app.extensions["insight"].settings.auth_mode in ("accounts", "oidc"):
        guards.register(app)
        app.register_blueprint(accounts)
