"""Keys of programs: shown once, kept as a digest, good for what they are for, over as soon as they are revoked."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from people import ALICE, BOB
from sqlalchemy import select
from visitor import Visitor

from insight_app.accounts.key_store import MOST
from insight_app.accounts.people import Role
from insight_app.accounts.tokens import Scope
from insight_app.errors import TooManyKeys
from insight_app.services import Services
from insight_app.storage.tables import api_keys


def id_of(services: Services, email: str) -> str:
    account = services.accounts.store.of_email(email)
    assert account
    return account.id


def made(visitor: Visitor, **fields: str) -> str:
    """A key that somebody makes on the account page."""
    visitor.open("/settings/account")
    page = visitor.send("/settings/account/keys", label="a program", **fields).text
    (key,) = re.findall(r"<code tabindex=\"0\">(isk_[^<]+)</code>", page)
    return str(key)


def asks(client: FlaskClient, key: str | None, **more: Any) -> Any:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return client.post("/api/chat", json={"message": "Hi", **more}, headers=headers)


@pytest.fixture
def shared_services(shared: Flask) -> Services:
    found: Services = shared.extensions["insight"]
    return found


def test_a_program_asks_in_the_name_of_its_owner(shared: Flask, bob: Visitor, shared_services: Services) -> None:
    key = made(bob, chat="y")
    said = asks(shared.test_client(), key)
    assert said.status_code == 200
    assert "scripted" in said.text
    home = said.headers["X-Conversation-Id"]
    assert shared_services.conversations.conversation(home).owner == id_of(shared_services, BOB)
    assert bob.client.get(f"/c/{home}").status_code == 200


def test_a_key_is_shown_once_and_kept_nowhere(bob: Visitor, shared_services: Services) -> None:
    key = made(bob, chat="y", models="y")
    with shared_services.database.reading() as connection:
        row = connection.execute(select(api_keys)).one()
    assert key not in str(row)
    assert key.rpartition("_")[2] not in str(row)
    page = bob.open("/settings/account")
    assert key not in page
    assert key[:13] in page
    assert "Last used: never " in page
    assert "Asks · Lists models" in page


@pytest.mark.parametrize("key", [None, "", "isk_00000000_x", "x" * 9000, "isk_\u00e9", "Bearer"])
def test_without_a_key_that_holds_a_program_is_refused(shared: Flask, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}".encode().decode("latin-1")}
    said = shared.test_client().post("/api/chat", json={"message": "Hi"}, headers=headers)
    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"] == "Bearer"
    assert said.json["error"]["code"] == "key_refused"


def test_a_browsers_cookie_opens_nothing_for_programs(bob: Visitor) -> None:
    assert asks(bob.client, None).status_code == 401


def test_a_key_is_refused_as_soon_as_it_is_revoked(shared: Flask, bob: Visitor) -> None:
    key = made(bob, chat="y")
    assert asks(shared.test_client(), key).status_code == 200
    page = bob.open("/settings/account")
    assert "Last used: just now " in page
    bob.send(re.findall(r'action="(/settings/account/keys/\w+/revoke)"', page)[0])
    assert asks(shared.test_client(), key).status_code == 401


def test_a_key_ends_with_its_last_day(shared: Flask, bob: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    tomorrow = date.today() + timedelta(days=1)
    key = made(bob, chat="y", expires=tomorrow.isoformat())
    assert asks(shared.test_client(), key).status_code == 200
    now = time.time()
    monkeypatch.setattr("insight_app.accounts.key_store.time.time", lambda: now + 2 * 86_400)
    assert asks(shared.test_client(), key).status_code == 401


@pytest.mark.parametrize("expires", ["yesterday", "2000-01-01", "9999-12-31", "2026-13-40"])
def test_a_day_that_cannot_be_is_refused_beside_its_field(bob: Visitor, expires: str) -> None:
    bob.open("/settings/account")
    said = bob.send("/settings/account/keys", label="x", chat="y", expires=expires)
    assert (said.status_code, "expires-problem" in said.text) == (422, True)


@pytest.mark.parametrize("fields", [{"label": "", "chat": "y"}, {"label": " \r\n ", "chat": "y"}, {"label": "x"}])
def test_a_key_needs_a_name_and_a_use(bob: Visitor, fields: dict[str, str], shared_services: Services) -> None:
    bob.open("/settings/account")
    assert bob.send("/settings/account/keys", **fields).status_code == 422
    assert shared_services.accounts.keys.all(id_of(shared_services, BOB)) == []


def test_only_admins_make_keys_that_see_everybodys_use(alice: Visitor, bob: Visitor, shared_services: Services) -> None:
    made(alice, chat="y", admin="y")
    made(bob, chat="y", admin="y")
    scopes = {
        email: shared_services.accounts.keys.all(id_of(shared_services, email))[0].scopes for email in (ALICE, BOB)
    }
    assert scopes == {ALICE: {Scope.CHAT, Scope.ADMIN}, BOB: {Scope.CHAT}}


def test_the_key_of_who_is_no_admin_any_more_sees_nobody_elses_use(alice: Visitor, shared_services: Services) -> None:
    key = made(alice, chat="y", admin="y")
    before = shared_services.accounts.entries.by_key(key)
    assert before
    assert before.scopes == {Scope.CHAT, Scope.ADMIN}
    store = shared_services.accounts.store
    store.change(id_of(shared_services, BOB), role=Role.ADMIN)
    store.change(id_of(shared_services, ALICE), role=Role.MEMBER)
    after = shared_services.accounts.entries.by_key(key)
    assert after
    assert after.scopes == {Scope.CHAT}


def test_a_key_that_is_for_something_else_does_not_ask(shared: Flask, bob: Visitor) -> None:
    said = asks(shared.test_client(), made(bob, models="y"))
    assert (said.status_code, said.json["error"]["code"]) == (403, "key_too_narrow")
    assert "“chat”" in said.json["error"]["message"]


def test_there_are_so_many_keys_and_no_more(shared_services: Services) -> None:
    owner = id_of(shared_services, BOB)
    for number in range(MOST):
        shared_services.accounts.keys.make(owner, str(number), [Scope.CHAT], None)
    with pytest.raises(TooManyKeys):
        shared_services.accounts.keys.make(owner, "one more", [Scope.CHAT], None)


def test_with_an_account_that_is_switched_off_its_keys_are(
    shared: Flask, bob: Visitor, shared_services: Services
) -> None:
    key = made(bob, chat="y")
    shared_services.accounts.store.change(id_of(shared_services, BOB), is_disabled=True)
    assert asks(shared.test_client(), key).status_code == 401


def test_where_nobody_signs_in_no_key_is_needed(client: FlaskClient) -> None:
    assert asks(client, None).status_code == 200
    assert asks(client, "whatever a client sends").status_code == 200
