"""The doors of people with a password: signing in, the first account, invitations, new passwords."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from flask import Blueprint, Flask, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.forms import FirstAccountForm, NewPasswordForm, SignInForm, SignUpForm
from insight_app.accounts.guards import for_everybody
from insight_app.accounts.link_store import Purpose
from insight_app.accounts.people import Account, Role
from insight_app.accounts.routes import let_in, sign_in_page
from insight_app.errors import EmailTaken, LinkOver, SignUpClosed
from insight_app.limits import rates
from insight_app.web import services
from insight_app.words import _

doors = Blueprint("doors", __name__)


@doors.post("/sign-in")
@for_everybody
@rates.signing_in
def check() -> ResponseReturnValue:
    form = SignInForm()
    account = services().accounts.knows(form.address, form.password.data or "")
    if account is None:
        form.password.errors = [_("The e-mail address or the password is wrong.")]
        return sign_in_page(form), 422
    return let_in(account, form.way_on)


@doors.get("/first-account")
@for_everybody
def first() -> ResponseReturnValue:
    """Where the first account is made, by who can read the server's log."""
    if services().accounts.store.any():
        return redirect(url_for("accounts.sign_in"), 303)
    tell_first_code(services().accounts.first_code)
    return _door(FirstAccountForm(formdata=None), "first")


@doors.post("/first-account")
@for_everybody
@rates.signing_in
def make_first() -> ResponseReturnValue:
    found = services().accounts
    if found.store.any():
        return redirect(url_for("accounts.sign_in"), 303)
    form = FirstAccountForm()
    if not found.is_first_code(form.code.data or ""):
        form.code.errors = [_("This is not the code. The server’s log has it in its last lines.")]
        return _door(form, "first"), 422
    if not form.validate():
        return _door(form, "first"), 422
    return let_in(found.create(form.address, form.new_password.data, Role.ADMIN, only_first=True))


@doors.get("/sign-up")
@for_everybody
def sign_up() -> ResponseReturnValue:
    """Where anybody makes an account, if SIGN_UP is open."""
    _expect_open()
    return _door(SignUpForm(formdata=None), "sign_up")


@doors.post("/sign-up")
@for_everybody
@rates.signing_up
def make() -> ResponseReturnValue:
    _expect_open()
    form = SignUpForm()
    return _made(form, "sign_up", lambda: services().accounts.create(form.address, form.new_password.data, Role.MEMBER))


@doors.get("/invitations/<secret>")
@for_everybody
def invitation(secret: str) -> ResponseReturnValue:
    link = services().accounts.links.find(Purpose.INVITATION, secret)
    return _door(SignUpForm(formdata=None, email=link.email), "invitation", secret=secret, fixed=link.email)


@doors.post("/invitations/<secret>")
@for_everybody
@rates.signing_in
def accept(secret: str) -> ResponseReturnValue:
    link = services().accounts.links.find(Purpose.INVITATION, secret)
    form = SignUpForm()
    if link.email:
        form.email.data = link.email
    accepting = lambda: services().accounts.accept(link, form.address, form.new_password.data)  # noqa: E731
    return _made(form, "invitation", accepting, secret=secret, fixed=link.email)


@doors.get("/new-password/<secret>")
@for_everybody
def new_password(secret: str) -> ResponseReturnValue:
    link = services().accounts.links.find(Purpose.PASSWORD, secret)
    return _door(NewPasswordForm(formdata=None), "new_password", secret=secret, fixed=link.email)


@doors.post("/new-password/<secret>")
@for_everybody
@rates.signing_in
def renew(secret: str) -> ResponseReturnValue:
    found = services().accounts
    link = found.links.find(Purpose.PASSWORD, secret)
    form = NewPasswordForm()
    if not form.validate():
        return _door(form, "new_password", secret=secret, fixed=link.email), 422
    account = found.renew_password(link, form.new_password.data)
    if account.is_disabled:
        raise LinkOver
    return let_in(account)


def _made(
    form: SignUpForm, door: str, make: Callable[[], Account], *, secret: str = "", fixed: str = ""
) -> ResponseReturnValue:
    """What comes of a form for a new account."""
    if form.validate():
        try:
            return let_in(make())
        except EmailTaken as taken:
            form.email.errors = [str(taken)]
    return _door(form, door, secret=secret, fixed=fixed), 422


def _expect_open() -> None:
    if services().settings.sign_up != "open":
        raise SignUpClosed


def _door(form: SignUpForm | NewPasswordForm, door: str, *, secret: str = "", fixed: str = "") -> str:
    """A page with one form for who is not in yet; `fixed` is the address that it is for, if it is for one."""
    names = {"first": "make_first", "sign_up": "make", "invitation": "accept", "new_password": "renew"}
    action = url_for(f"doors.{names[door]}", secret=secret or None)
    return render_template("accounts/door.html", form=form, door=door, action=action, fixed=fixed)


def tell_first_code(code: str | None) -> None:
    """To the log, which is for whoever runs the server and for nobody else."""
    if code is not None:
        log = structlog.get_logger("accounts")
        log.warning("no account yet: open /first-account in a browser", code=code)


def register(app: Flask) -> None:
    found = app.extensions["insight"]
    if found.settings.auth_mode == "accounts":
        app.register_blueprint(doors)
        tell_first_code(found.accounts.first_code)
