"""Who asks, and what they may: every route decides with these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, request
from flask_login import LoginManager, UserMixin, current_user

from insight_app.accounts.entries import Entry
from insight_app.accounts.people import THE_ONE_PERSON, Account, Person, clean_email
from insight_app.accounts.proxies import BY_PROXY, SAID_SO
from insight_app.accounts.tokens import Scope
from insight_app.errors import (
    AccountOff,
    AdminsOnly,
    KeyRefused,
    KeyTooNarrow,
    NobodyVouches,
    NotThere,
    SignInNeeded,
    SignUpClosed,
)

View = TypeVar("View", bound=Callable[..., Any])
_PROGRAMS = ("/api/", "/v1/")


class SignedIn(UserMixin):  # type: ignore[misc]
    """What Flask-Login knows of somebody: by the token of their session, so that each can be ended by itself."""

    def __init__(self, token: str, entry: Entry) -> None:
        self.id = token
        self.entry = entry


def me() -> Person:
    """Who sent the request. Raises SignInNeeded where nobody knows."""
    return my_entry().person


def my_entry() -> Entry:
    """How they came in. Raises SignInNeeded."""
    entry = g.get("entry")
    if entry is None:
        raise SignInNeeded
    return cast(Entry, entry)


def somebody() -> Person | None:
    """Who sent the request, None where nobody is known: for what every page has, those of strangers too."""
    entry = g.get("entry")
    return None if entry is None else cast(Entry, entry).person


def for_program() -> bool:
    """Whether the address is one for programs, which know keys and no pages."""
    return f"{request.path}/".startswith(_PROGRAMS)


def for_everybody(view: View) -> View:
    """A view that needs nobody to be signed in."""
    view.for_everybody = True  # type: ignore[attr-defined]
    return view


def is_near() -> bool:
    """Whether the request comes from this machine itself, and nobody says that it was handed on."""
    return request.remote_addr in ("127.0.0.1", "::1") and not request.environ[SAID_SO]


def is_handed_on() -> bool:
    """Whether a proxy that we know handed the request over."""
    return bool(request.environ[BY_PROXY])


def expect_admin() -> None:
    """Before the views of a blueprint that is about everybody. Raises AdminsOnly."""
    if not me().is_admin:
        raise AdminsOnly


def expect_passwords() -> None:
    """Raises NotThere where others vouch for people: there are no doors then that passwords or invitations open."""
    if current_app.extensions["insight"].settings.auth_mode != "accounts":
        raise NotThere


def expect_scope(scope: Scope) -> None:
    """Raises KeyTooNarrow where the program's key is not for this."""
    if scope not in my_entry().scopes:
        raise KeyTooNarrow(scope=scope.value)


def tried_at_the_door() -> str:
    """What somebody tries to open: an account, by the address that finds it, or what their link is for."""
    given = request.form.get("email", "").strip()
    return clean_email(given) or given.casefold() or request.path


def still_in() -> Callable[[], bool]:
    """A question for streams: whether who asked for it may still be here."""
    entry, entries = my_entry(), current_app.extensions["insight"].accounts.entries
    return lambda: bool(entries.holds(entry))


def recognise() -> None:
    """Before every request, and before all else: finds out who it is. Raises SignInNeeded where somebody must be."""
    needs_nobody = getattr(current_app.view_functions.get(request.endpoint or ""), "for_everybody", False)
    g.entry = None
    try:
        g.entry = _entry()
    except (AccountOff, SignUpClosed):
        if not needs_nobody:  # the page that says so has style sheets too
            raise
    if g.entry is None and not needs_nobody:
        raise _nobody()


def _nobody() -> SignInNeeded:
    if for_program():
        return KeyRefused()
    return NobodyVouches() if current_app.extensions["insight"].settings.auth_mode == "proxy" else SignInNeeded()


def _entry() -> Entry | None:
    services = current_app.extensions["insight"]
    mode = services.settings.auth_mode
    if mode == "local":
        return Entry(THE_ONE_PERSON)
    if for_program():  # a browser's cookie opens nothing there, so no page can misuse it
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        found = services.accounts.entries.by_key(token.strip()) if kind.lower() == "bearer" else None
        return cast("Entry | None", found)
    if mode == "proxy":
        return _vouched_for()
    return current_user.entry if current_user.is_authenticated else None


def _vouched_for() -> Entry | None:
    """Whom the proxy names, who gets an account the first time. Raises SignUpClosed, AccountOff."""
    settings = current_app.extensions["insight"].settings
    email = clean_email(request.headers.get(settings.proxy_user_header, ""))
    if not email or not request.environ.get(BY_PROXY):
        return None
    account: Account = current_app.extensions["insight"].accounts.vouching.account(email)
    return Entry(account.person)


def register(app: Flask) -> None:
    """Flask-Login, which keeps who is signed in in the session's cookie."""
    manager = LoginManager()
    manager.session_protection = None  # people's addresses change, and sessions can be ended
    # Pages have our `somebody`. To look for the user again would break the page that says that the database is away.
    manager.init_app(app, add_context_processor=False)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def signed_in(token: str) -> SignedIn | None:
        entry = current_app.extensions["insight"].accounts.entries.by_session(token)
        return None if entry is None else SignedIn(token, entry)
