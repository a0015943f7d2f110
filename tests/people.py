"""Alice, Bob and Carol, whom all tests about accounts know: Alice is an admin, Bob and Carol are members."""

from __future__ import annotations

from functools import cache

from flask import Flask
from flask.testing import FlaskClient
from visitor import Visitor

from insight_app.accounts.passwords import Passwords
from insight_app.accounts.people import Role
from insight_app.services import Services

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
ROLES = {ALICE: Role.ADMIN, BOB: Role.MEMBER, CAROL: Role.MEMBER}
PASSWORD = "correct horse battery staple"


def add_people(services: Services) -> dict[str, str]:
    """The ids of their accounts, which all have the same password."""
    store = services.accounts.store
    return {email: store.create(email, role, password=hashed()).id for email, role in ROLES.items()}


@cache
def hashed() -> str:
    """The password's hash, made but once: each takes its time on purpose."""
    return Passwords().hashed(PASSWORD)


def signed_in(app: Flask, email: str, client: FlaskClient | None = None) -> Visitor:
    """Somebody who has just signed in, with the first page open."""
    visitor = Visitor(client or app.test_client())
    visitor.open("/sign-in")
    response = visitor.send("/sign-in", email=email, password=PASSWORD)
    assert response.status_code == 303, response.text
    visitor.open("/")
    return visitor
