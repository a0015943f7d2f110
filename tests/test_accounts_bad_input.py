"""What goes wrong at the doors on purpose: planted sessions, forms sent twice, guesses by the time that a no takes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from chat_page import running
from flask import Flask
from own_app import Start
from people import ALICE, BOB, PASSWORD, signed_in
from scripted_ollama import ScriptedOllama
from visitor import RealClient, Visitor
from werkzeug import formparser

from insight_app.accounts import passwords
from insight_app.accounts.people import Role
from insight_app.services import Services

NEW = {"email": "dora@example.org", "new_password": PASSWORD}


def by_signing_up(app: Flask) -> tuple[str, dict[str, str]]:
    return "/sign-up", NEW


def by_an_invitation(app: Flask) -> tuple[str, dict[str, str]]:
    secret = app.extensions["insight"].accounts.links.invite("", Role.MEMBER)
    return f"/invitations/{secret}", NEW


def by_a_new_password(app: Flask) -> tuple[str, dict[str, str]]:
    found = app.extensions["insight"].accounts
    return f"/new-password/{found.links.renew_password(found.store.of_email(BOB))}", {"new_password": PASSWORD}


def of_session(visitor: Visitor) -> str:
    """What a page's token is about; its rest says when it was signed."""
    return visitor.field("csrf_token").partition(".")[0]


@pytest.mark.parametrize("door", [by_signing_up, by_an_invitation, by_a_new_password])
def test_a_session_that_was_planted_is_gone_behind_every_door(
    start: Start, door: Callable[[Flask], tuple[str, dict[str, str]]]
) -> None:
    app = start(auth_mode="accounts", sign_up="open")
    services: Services = app.extensions["insight"]
    for email, role in ((ALICE, Role.ADMIN), (BOB, Role.MEMBER)):
        services.accounts.create(email, PASSWORD, role)
    name = app.config["SESSION_COOKIE_NAME"]
    thief = Visitor(app.test_client())
    thief.open("/sign-in")
    planted = thief.client.get_cookie(name)
    assert planted
    victim = Visitor(app.test_client())
    victim.client.set_cookie(name, planted.value)
    path, form = door(app)
    victim.open(path)
    assert of_session(victim) == of_session(thief)  # it is the planted one indeed
    assert victim.send(path, **form).status_code == 303
    victim.open("/")
    assert of_session(victim) != of_session(thief)
    assert thief.client.get("/").status_code == 303
    forged = {"csrf_token": thief.field("csrf_token"), "message": "Hi"}
    assert victim.client.post("/messages", data=forged).status_code == 400


def test_who_signs_in_over_somebody_else_is_only_themselves(shared: Flask, alice: Visitor) -> None:
    alice.open("/settings/account")
    token = alice.field("csrf_token")
    bob = signed_in(shared, BOB, alice.client.application.test_client())
    bob.client.set_cookie(shared.config["SESSION_COOKIE_NAME"], alice.client.get_cookie("insight-8000").value)
    data = {"csrf_token": token, "email": BOB, "password": PASSWORD}
    assert bob.client.post("/sign-in", data=data).status_code == 303
    assert BOB in bob.open("/settings/account")
    assert bob.client.get("/settings/people").status_code == 403


def test_a_form_that_is_sent_many_times_at_once_is_one_prompt(
    shared: Flask, bob: Visitor, ollama: ScriptedOllama
) -> None:
    services: Services = shared.extensions["insight"]
    ollama.script("Hello")
    bob.open("/")
    form = {"csrf_token": bob.field("csrf_token"), "key": bob.field("key"), "message": "Once"}
    cookie = bob.client.get_cookie(shared.config["SESSION_COOKIE_NAME"])
    assert cookie
    together = threading.Barrier(8)

    def send() -> tuple[int, str]:
        client = shared.test_client()
        client.set_cookie(cookie.key, cookie.value)
        together.wait(10)
        response = client.post("/messages", data=form)
        return response.status_code, response.location

    with ThreadPoolExecutor(8) as pool:
        answers = [each.result() for each in [pool.submit(send) for _ in range(8)]]
    assert len(set(answers)) == 1
    assert answers[0][0] == 303
    bob.open(answers[0][1])
    assert bob.page.count('class="answer"') == 1
    owner = services.accounts.store.of_email(BOB)
    assert owner
    assert len(services.conversations.newest_conversations(owner=owner.id).conversations) == 1
    bob.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', bob.page)[0]))
    assert len(ollama.chats()) == 1


def test_an_invitation_that_is_taken_many_times_at_once_is_one_account(shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    path, _ = by_an_invitation(shared)
    together = threading.Barrier(4)

    def accept(number: int) -> int:
        visitor = Visitor(shared.test_client())
        visitor.open(path)
        together.wait(10)
        return visitor.send(path, email=f"dora{number}@example.org", new_password=PASSWORD).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(accept, range(4))) == [303, 410, 410, 410]
    assert sum(each.email.startswith("dora") for each in services.accounts.store.all()) == 1


@pytest.mark.parametrize("who", ["nobody", "a wrong password", "switched off", "without a password", "no address"])
def test_a_no_takes_the_same_work_whatever_it_is_for(shared: Flask, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    services: Services = shared.extensions["insight"]
    stranger = Visitor(shared.test_client())
    stranger.open("/sign-in")
    stranger.send("/sign-in", email=ALICE, password="wrong")  # what is made once is made
    account = services.accounts.store.of_email(BOB)
    assert account
    services.accounts.store.change(account.id, is_disabled=who == "switched off")
    if who == "without a password":
        services.accounts.store.change(account.id, password="")
    looked = list[str]()
    fits = passwords._fits
    monkeypatch.setattr(passwords, "_fits", lambda hashed, given: looked.append(hashed) or fits(hashed, given))
    email = {"nobody": "nobody@example.org", "no address": "nobody"}.get(who, BOB)
    assert stranger.send("/sign-in", email=email, password="wrong").status_code == 422
    assert len(looked) == 1
    assert looked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_nobody_waits_while_others_passwords_are_hashed(tmp_path: Path, ollama: ScriptedOllama) -> None:
    """The real server, whose requests are greenlets of one thread: hashing in it would stop all others."""
    with running(
        tmp_path, OLLAMA_BASE_URL=ollama.url, AUTH_MODE="accounts", SIGN_IN_RATE_LIMIT="1000 per minute"
    ) as server:
        door = Visitor(RealClient(server))  # type: ignore[arg-type]
        door.open("/first-account")
        code = re.findall(r'"code": "([A-Z2-7-]+)"', (tmp_path / "server.log").read_text())[-1]
        assert door.send("/first-account", code=code, **NEW).status_code == 303

        def tries() -> int:
            visitor = Visitor(RealClient(server))  # type: ignore[arg-type]
            visitor.open("/sign-in")
            return visitor.send("/sign-in", email=NEW["email"], password="a wrong password").status_code

        with ThreadPoolExecutor(10) as pool:
            signing_in = [pool.submit(tries) for _ in range(40)]
            answered = 0
            while not all(each.done() for each in signing_in):
                assert requests.get(f"{server}/healthz", timeout=5).status_code == 200
                answered += not all(each.done() for each in signing_in)
        assert {each.result() for each in signing_in} == {422}
        assert answered > 40  # one for each hash at the most, if each held up all


FORM = "application/x-www-form-urlencoded"


def test_who_is_not_signed_in_sends_no_more_than_a_form_for_signing_in_needs(shared: Flask, bob: Visitor) -> None:
    """All of it is read before anything can be counted, and nothing else goes on meanwhile."""
    stranger = Visitor(shared.test_client())
    stranger.open("/sign-in")
    response = stranger.send("/sign-in", email=BOB, password="%" * 100_000)
    assert response.status_code == 413
    assert "larger than 64 kB" in response.text
    assert stranger.send("/sign-in", email=BOB, password="\U0001f511" * passwords.LONGEST).status_code == 422
    assert bob.send("/messages", message="x" * 90_000).status_code == 303


@pytest.mark.parametrize("who", ["alice", "stranger"])
def test_a_form_of_countless_fields_is_not_taken_apart(
    shared: Flask, alice: Visitor, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million of them take seconds, in which nothing else goes on."""
    sender = alice if who == "alice" else Visitor(shared.test_client())
    token = (sender.open("/sign-in" if who == "stranger" else "/"), sender.field("csrf_token"))[1]
    taken: list[int] = []
    from_all = formparser.parse_qsl
    monkeypatch.setattr(
        formparser, "parse_qsl", lambda said, **how: (taken.append(len(said)), from_all(said, **how))[1]
    )
    for body in ("a&" * 20_000, "&".join(f"{number:x}=" for number in range(8_000))):
        form = {"data": f"csrf_token={token}&message=Hi&{body}", "content_type": FORM}
        assert sender.client.post("/messages" if who == "alice" else "/sign-in", **form).status_code == 422
    assert not any(taken)
