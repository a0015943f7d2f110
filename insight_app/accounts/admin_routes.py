"""The page where admins let people in and out: accounts, roles, invitations, new passwords, sessions."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.forms import ROLES, InvitationForm
from insight_app.accounts.guards import expect_admin, expect_passwords
from insight_app.accounts.people import Account, Role
from insight_app.errors import InputError
from insight_app.limits.forms import AllowanceForm, texts
from insight_app.web import add_settings_page, services
from insight_app.words import N_, _, lazy, said_number

people = Blueprint("people", __name__, url_prefix="/settings/people")
people.before_request(expect_admin)
DONE = {
    "role": lazy(
        "The role is changed. If it was an admin’s, all links for coming in and for new passwords are withdrawn."
    ),
    "off": lazy(
        "The account is switched off: nobody comes in with it, and its keys are refused. If it was an admin’s, all"
        " links for coming in and for new passwords are withdrawn."
    ),
    "on": lazy("The account is switched on again."),
    "out_there": lazy("They are signed out there."),
    "out": lazy("They are signed out everywhere."),
    "limits": lazy("Saved. It holds from the next question on."),
    "deleted": lazy(
        "The account and all that was theirs is deleted. If it was an admin’s, all links for coming in and for new"
        " passwords are withdrawn."
    ),
    "withdrawn": lazy("The invitation is withdrawn."),
}


@people.get("")
def page() -> str:
    return _page()


@people.post("/invitations")
def invite() -> ResponseReturnValue:
    """The page with the new link, which is shown this once."""
    expect_passwords()
    form = InvitationForm()
    if not form.validate():
        return _page(form=form), 422
    secret = services().accounts.links.invite(form.address, Role(form.role.data))
    link = url_for("doors.invitation", secret=secret, _external=True)
    return _page(link=link, link_for=form.address)


@people.post("/invitations/<link_id>/withdraw")
def withdraw(link_id: str) -> ResponseReturnValue:
    services().accounts.links.withdraw(link_id)
    return _back("withdrawn")


@people.get("/<account_id>")
def one(account_id: str) -> str:
    """All about one account."""
    return _one(account_id)


@people.post("/<account_id>/role")
def change_role(account_id: str) -> ResponseReturnValue:
    if request.form.get("role") not in ROLES:
        raise InputError
    services().accounts.store.change(account_id, role=Role(request.form["role"]))
    return _back_to(account_id, "role")


@people.post("/<account_id>/limits")
def limit(account_id: str) -> ResponseReturnValue:
    """How much they may ask, where that is not what their role may."""
    form = AllowanceForm()
    if not form.validate():
        return _one(account_id, limits_form=form), 422
    services().limits.set_account(account_id, form.allowance)
    return _back_to(account_id, "limits")


@people.post("/<account_id>/switch")
def switch(account_id: str) -> ResponseReturnValue:
    """On or off, as the button said. Who is switched off is out at once."""
    is_off = request.form.get("is_off") == "yes"
    services().accounts.store.change(account_id, is_disabled=is_off)
    if is_off:
        services().accounts.sessions.end_all(account_id)
    return _back_to(account_id, "off" if is_off else "on")


@people.post("/<account_id>/sign-out")
def sign_out(account_id: str) -> ResponseReturnValue:
    found = services().accounts
    found.sessions.end_all(found.store.one(account_id).id)
    return _back_to(account_id, "out")


@people.post("/<account_id>/sessions/<session_id>/end")
def end_session(account_id: str, session_id: str) -> ResponseReturnValue:
    services().accounts.sessions.end(session_id, account_id)
    return _back_to(account_id, "out_there")


@people.post("/<account_id>/new-password")
def new_password(account_id: str) -> ResponseReturnValue:
    """The page with a link to a new password, which is shown this once."""
    expect_passwords()
    found = services().accounts
    secret = found.links.renew_password(found.store.one(account_id))
    return _one(account_id, link=url_for("doors.new_password", secret=secret, _external=True))


@people.post("/<account_id>/delete")
def delete(account_id: str) -> ResponseReturnValue:
    """Deletes an account with all conversations and everything else of it."""
    services().delete_person(services().accounts.store.one(account_id))
    return _back("deleted")


def _page(*, form: InvitationForm | None = None, link: str = "", link_for: str = "") -> str:
    found = services().accounts
    return render_template(
        "accounts/people.html",
        accounts=found.store.all(),
        seen=found.store.last_seen(),
        roles=ROLES,
        invitations=found.links.invitations(),
        form=form or InvitationForm(formdata=None),
        link=link,
        link_for=link_for,
        done=DONE.get(request.args.get("done", "")),
        settings=services().settings,
    )


def _one(account_id: str, *, link: str = "", limits_form: AllowanceForm | None = None) -> str:
    found, limits = services().accounts, services().limits
    account = found.store.one(account_id)
    return render_template(
        "accounts/person.html",
        account=account,
        limits_form=limits_form or AllowanceForm(formdata=None, **texts(limits.account(account_id))),
        limits_hints=_hints(account),
        sessions=found.sessions.all(account_id),
        keys=found.keys.all(account_id),
        roles=ROLES,
        link=link,
        done=DONE.get(request.args.get("done", "")),
        mode=services().settings.auth_mode,
    )


def _hints(account: Account) -> dict[str, str]:
    """What is used of each limit, and what it would be without one of the account's own."""
    of_role = services().limits.role(account.role.value).allowance
    hints = {}
    for each in services().limits.standing(account.id, account.role.value):
        theirs = getattr(of_role, each.name)
        used = said_number(each.used)
        hints[each.name] = (
            _("%(used)s used. Empty: as the role, %(limit)s.", used=used, limit=said_number(theirs))
            if theirs
            else _("%(used)s used. Empty: as the role, no limit.", used=used)
        )
    return hints


def _back(done: str) -> ResponseReturnValue:
    return redirect(url_for("people.page", done=done), 303)


def _back_to(account_id: str, done: str) -> ResponseReturnValue:
    return redirect(url_for("people.one", account_id=account_id, done=done), 303)


def register(app: Flask) -> None:
    if app.extensions["insight"].settings.auth_mode != "local":
        app.register_blueprint(people)
        add_settings_page(app, N_("People"), "people.page", for_admins=True)
