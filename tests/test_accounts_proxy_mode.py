"""AUTH_MODE=proxy: a proxy says who somebody is, and nobody else does."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_page import running
from flask import Flask
from flask.testing import FlaskClient
from own_app import Start
from people import ALICE, BOB, CAROL
from scripted_ollama import ScriptedOllama
from visitor import Visitor
from werkzeug.test import TestResponse

from insight_app.accounts.people import Role
from insight_app.accounts.tokens import Scope
from insight_app.services import Services

PROXY, STRANGER = "10.0.0.1", "203.0.113.7"
WHO = "X-Forwarded-Email"


@pytest.fixture
def serving(start: Start) -> Start:
    told = {"auth_mode": "proxy", "trusted_proxies": (f"{PROXY}/32",), "admin_emails": (ALICE,)}
    return lambda **others: start(**{**told, **others})


@pytest.fixture
def app(serving: Callable[..., Flask]) -> Flask:
    return serving()


def named(app: Flask, email: str | None, *, peer: str = PROXY, **headers: str) -> FlaskClient:
    """Somebody's browser whose requests come from there, with the header in which a proxy says who it is."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = peer
    given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    client.environ_base.update({**({"HTTP_X_FORWARDED_EMAIL": email} if email is not None else {}), **given})
    return client


def services_of(app: Flask) -> Services:
    found: Services = app.extensions["insight"]
    return found


def test_somebody_whom_the_proxy_names_is_in(app: Flask) -> None:
    page = named(app, " Alice@Example.ORG ").get("/settings/account").text
    assert ALICE in page
    assert "an admin of this server" in page
    assert "Sign out" not in page
    assert "where it let you in, you sign out" in page
    assert "New password" not in page
    assert named(app, BOB).get("/settings/people").status_code == 403
    assert [(each.email, each.role) for each in services_of(app).accounts.store.all()] == [
        (ALICE, Role.ADMIN),
        (BOB, Role.MEMBER),
    ]


def test_somebody_comes_again_to_the_same_account(app: Flask, ollama: ScriptedOllama) -> None:
    visitor = Visitor(named(app, BOB))
    visitor.open("/")
    ollama.script("Hello")
    visitor.asks_and_waits("xylophage")
    assert "xylophage" in named(app, BOB.upper()).get(visitor.url).text
    assert named(app, CAROL).get(visitor.url).status_code == 404


def refused(response: TestResponse) -> bool:
    return response.status_code == 401 and "The proxy in front of this server did not say who you are" in response.text


def test_nobody_is_named_by_a_stranger(app: Flask) -> None:
    assert refused(named(app, ALICE, peer=STRANGER).get("/"))
    assert refused(named(app, ALICE, peer="127.0.0.1").get("/"))
    assert refused(named(app, ALICE, peer=STRANGER, x_forwarded_for=PROXY).get("/"))
    assert not services_of(app).accounts.store.all()


@pytest.mark.parametrize(
    "email", [None, "", "alice", f"{ALICE},{BOB}", f"{ALICE}, {ALICE}", "a b@c", "@", f"<{ALICE}>"]
)
def test_what_is_not_one_address_names_nobody(app: Flask, email: str | None) -> None:
    assert refused(named(app, email).get("/"))
    assert not services_of(app).accounts.store.all()


def test_only_the_header_that_is_set_names_somebody(serving: Callable[..., Flask]) -> None:
    app = serving(proxy_user_header="Remote-Email")
    assert refused(named(app, ALICE).get("/"))
    assert named(app, None, remote_email=ALICE).get("/").status_code == 200


def test_nobody_new_comes_where_that_is_closed_but_admins(serving: Callable[..., Flask]) -> None:
    app = serving(sign_up="closed")
    services_of(app).accounts.store.create(CAROL, Role.MEMBER)
    page = named(app, BOB).get("/")
    assert (page.status_code, "lets nobody new in" in page.text) == (403, True)
    (sheet,) = (
        re.findall(r'href="(/assets/app[^"]*css)"', page.text)
        or re.findall(r'href="(/assets/[^"]+css)"', page.text)[:1]
    )
    assert named(app, BOB).get(sheet).status_code == 200  # or the page that says so would look broken
    assert named(app, CAROL).get("/").status_code == 200
    assert named(app, ALICE).get("/settings/people").status_code == 200


def test_who_is_switched_off_is_told_so_at_once(app: Flask) -> None:
    bob, alice = named(app, BOB), named(app, ALICE)
    assert bob.get("/").status_code == 200
    alice.get("/")
    (account,) = [each for each in services_of(app).accounts.store.all() if each.email == BOB]
    services_of(app).accounts.store.change(account.id, is_disabled=True)
    page = bob.get("/")
    assert (page.status_code, "Your account on this server is switched off." in page.text) == (403, True)


def test_an_admin_by_the_settings_becomes_one_with_an_account_of_before(app: Flask) -> None:
    services_of(app).accounts.store.create(ALICE, Role.MEMBER)
    assert named(app, ALICE).get("/settings/people").status_code == 200


def test_what_was_written_before_is_not_for_whoever_comes_first(app: Flask) -> None:
    home = services_of(app).conversations.ask("Before", model="")[0].conversation_id
    assert named(app, BOB).get(f"/c/{home}").status_code == 404
    assert named(app, ALICE).get(f"/c/{home}").status_code == 200


def test_forms_are_of_the_browser_that_opened_the_page(app: Flask, ollama: ScriptedOllama) -> None:
    """A page of another site can have the proxy name Bob, but has no token of his session."""
    bob = Visitor(named(app, BOB))
    bob.open("/")
    assert bob.client.post("/messages", data={"message": "Hi"}).status_code == 400
    carol = Visitor(named(app, CAROL))
    carol.open("/")
    stolen = {"message": "Hi", "key": "k", "csrf_token": carol.field("csrf_token")}
    assert bob.client.post("/messages", data=stolen).status_code == 400
    ollama.script("Hello")
    assert bob.send("/messages", message="Hi", key="k").status_code == 303


def test_a_program_needs_a_key_whatever_the_proxy_says(app: Flask, ollama: ScriptedOllama) -> None:
    client = named(app, BOB)
    client.get("/")
    assert client.post("/api/chat", json={"message": "Hi"}).status_code == 401
    (account,) = services_of(app).accounts.store.all()
    key = services_of(app).accounts.keys.make(account.id, "a program", [Scope.CHAT], None)
    ollama.script("Hello")
    own = app.test_client().post("/api/chat", json={"message": "Hi"}, headers={"Authorization": f"Bearer {key}"})
    assert own.text == "Hello"


def test_behind_tls_the_cookie_is_never_sent_without_it(app: Flask) -> None:
    for said, expected in (("https", True), ("http", False), ("", False)):
        (cookie,) = named(app, BOB, x_forwarded_proto=said).get("/").headers.getlist("Set-Cookie")
        assert ("Secure" in cookie) is expected, said


def test_a_stranger_does_not_say_what_the_cookie_is_like(start: Start) -> None:
    app = start(auth_mode="accounts", trusted_proxies=(f"{PROXY}/32",))
    for peer, expected in ((STRANGER, False), (PROXY, True)):
        found = named(app, None, peer=peer, x_forwarded_proto="https").get("/first-account")
        (cookie,) = found.headers.getlist("Set-Cookie")
        assert ("Secure" in cookie) is expected  # else it would never come back


def test_a_host_that_is_not_ours_gets_no_page(serving: Callable[..., Flask]) -> None:
    app = serving(allowed_hosts=("chat.example",))
    assert named(app, BOB, x_forwarded_host="chat.example").get("/").status_code == 200
    for host in ("evil.example", "chat.example, evil.example", "chat.example@evil.example"):
        assert named(app, BOB, x_forwarded_host=host).get("/").status_code == 400, host
    stranger = named(app, None, peer=STRANGER, x_forwarded_host="evil.example")
    assert stranger.get("/healthz").status_code == 200  # nobody listens to it


def test_nothing_breaks_on_pages_that_are_about_passwords(app: Flask) -> None:
    alice = Visitor(named(app, ALICE))
    alice.open("/")
    named(app, BOB).get("/")
    (bob,) = [each for each in services_of(app).accounts.store.all() if each.email == BOB]
    for path, parts in (
        ("/settings/people", ("Make a link",)),
        (f"/settings/people/{bob.id}", ("password",)),
        ("/settings/account", ("password", "session")),
    ):
        page = named(app, ALICE).get(path)
        assert page.status_code == 200
        main = page.text.partition("<main")[2]
        assert not [each for each in parts if each in main], path
    for path in (
        "/settings/people/invitations",
        f"/settings/people/{bob.id}/new-password",
        "/settings/account/password",
    ):
        said = alice.send(path, email="", role="member", password="x", new_password="another one entirely")
        assert said.status_code == 404, path


# The real server: what gunicorn itself makes of headers.


def said_by(server: str, *lines: str, path: str = "/settings/account") -> tuple[int, str]:
    """A request by hand, as no client would send it."""
    port = int(server.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *lines]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        whole = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return int(whole.split(" ", 2)[1]), whole


@pytest.fixture
def real(request: pytest.FixtureRequest, tmp_path: Path, ollama: ScriptedOllama) -> Iterator[str]:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="proxy", TRUSTED_PROXIES=request.param) as server:
        yield server


@pytest.mark.parametrize("real", ["127.0.0.1"], indirect=True)
def test_the_real_server_believes_its_proxy(real: str) -> None:
    status, whole = said_by(real, f"{WHO}: {BOB}", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7")
    assert status == 200
    assert BOB in whole
    assert re.search(r"(?i)set-cookie: [^\r]*; Secure", whole)
    assert said_by(real)[0] == 401
    for line in ("X_Forwarded_Email: alice@example.org", "x-forwarded_email: alice@example.org"):
        assert said_by(real, line)[0] == 401, line
        assert BOB in said_by(real, f"{WHO}: {BOB}", line)[1], line
    assert said_by(real, f"{WHO}: {BOB}", f"{WHO}: {CAROL}")[0] == 401  # the proxy's own, and one that it let through


@pytest.mark.parametrize("real", ["10.0.0.1"], indirect=True)
def test_the_real_server_believes_nobody_else_on_its_machine(real: str) -> None:
    for line in (f"{WHO}: {BOB}", f"X_Forwarded_Email: {BOB}"):
        assert said_by(real, line, "X-Forwarded-For: 10.0.0.1")[0] == 401


def test_the_real_server_lets_nobody_on_its_machine_say_how_a_request_came(
    tmp_path: Path, ollama: ScriptedOllama
) -> None:
    with running(tmp_path, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="accounts") as server:
        for line in (
            "X-Forwarded-Proto: https",
            "X-Forwarded-Ssl: on",
            "X-Forwarded-Protocol: ssl",
            "Script_Name: /evil",
        ):
            status, whole = said_by(server, line, path="/first-account")
            assert status == 200
            assert "insight-" in whole
            assert "; Secure" not in whole, line
            assert "/evil" not in whole
