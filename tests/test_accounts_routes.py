"""The doors: who comes in, who does not, and what they hear."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from own_app import Start
from people import ALICE, BOB, CAROL, PASSWORD, signed_in
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.accounts.people import Role
from insight_app.accounts.session_store import MOST
from insight_app.chat.options import NOTHING
from insight_app.services import Services


@pytest.fixture
def stranger(shared: Flask) -> Visitor:
    """Somebody at the door."""
    found = Visitor(shared.test_client())
    found.open("/sign-in")
    return found


@pytest.fixture
def empty(start: Start) -> Flask:
    """A server that nobody has an account on yet."""
    return start(auth_mode="accounts")


def test_who_is_not_signed_in_is_led_to_the_door_and_on_from_there(shared: Flask, stranger: Visitor) -> None:
    response = stranger.client.get("/settings/privacy?done=kept")
    assert (response.status_code, response.location) == (303, "/sign-in?next=/settings/privacy?done%3Dkept")
    stranger.open(response.location)
    assert "Skip to signing in" in stranger.page
    assert "sidebar" not in stranger.page
    response = stranger.send("/sign-in", email=ALICE, password=PASSWORD, next=stranger.field("next"))
    assert response.location == "/settings/privacy?done=kept"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\t/evil.example", "javascript:1"],
)
def test_the_way_on_never_leads_elsewhere(stranger: Visitor, elsewhere: str) -> None:
    response = stranger.send("/sign-in", email=ALICE, password=PASSWORD, next=elsewhere)
    assert response.location == "/"


@pytest.mark.parametrize(
    ("email", "password"),
    [(ALICE, "xylophage"), ("nobody@example.org", PASSWORD), ("", ""), ("a" * 9000, "\x00"), (ALICE, "")],
)
def test_a_wrong_address_and_a_wrong_password_are_told_in_the_same_words(
    stranger: Visitor, email: str, password: str
) -> None:
    response = stranger.send("/sign-in", email=email, password=password)
    assert response.status_code == 422
    assert "The e-mail address or the password is wrong." in response.text
    assert password not in response.text or not password
    assert response.text.count("password-problem") == 2
    assert "autofocus" in response.text
    assert stranger.client.get("/").status_code == 303


def test_an_address_is_found_however_it_is_written(stranger: Visitor) -> None:
    assert stranger.send("/sign-in", email=f" {ALICE.upper()} ", password=PASSWORD).status_code == 303


def test_a_session_that_was_planted_is_gone_after_signing_in(shared: Flask, stranger: Visitor) -> None:
    name = shared.config["SESSION_COOKIE_NAME"]
    before, token = stranger.client.get_cookie(name), stranger.field("csrf_token")
    assert before
    stranger.send("/sign-in", email=BOB, password=PASSWORD)
    after = stranger.client.get_cookie(name)
    assert after
    assert after.value != before.value
    thief = shared.test_client()
    thief.set_cookie(name, before.value)
    assert thief.get("/").status_code == 303
    stranger.open("/")
    assert stranger.client.post("/messages", data={"csrf_token": token, "message": "Hi"}).status_code == 400


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(shared: Flask) -> None:
    client = shared.test_client()
    page = client.get("/sign-in", base_url="https://localhost")
    token = re.findall(r'name="csrf_token" value="([^"]*)"', page.text)[0]
    data = {"csrf_token": token, "email": ALICE, "password": PASSWORD}
    said = client.post("/sign-in", data=data, base_url="https://localhost", headers={"Referer": "https://localhost/"})
    assert said.status_code == 303
    (cookie,) = said.headers.getlist("Set-Cookie")
    for mark in ("HttpOnly", "SameSite=Lax", "Secure", "Expires="):
        assert mark in cookie, cookie


def test_who_signs_out_is_out_with_an_old_cookie_too(shared: Flask, bob: Visitor) -> None:
    name = shared.config["SESSION_COOKIE_NAME"]
    cookie = bob.client.get_cookie(name)
    assert cookie
    response = bob.send("/sign-out")
    assert (response.status_code, response.location) == (303, "/sign-in")
    assert response.headers["Clear-Site-Data"] == '"storage"'
    thief = shared.test_client()
    thief.set_cookie(name, cookie.value)
    assert thief.get("/").status_code == 303


def test_signing_in_is_tried_so_often_and_no_more(start: Start) -> None:
    app = start(auth_mode="accounts", sign_in_rate_limit="2 per minute")
    services: Services = app.extensions["insight"]
    services.accounts.create(ALICE, PASSWORD, Role.ADMIN)
    visitor = Visitor(app.test_client())
    visitor.open("/sign-in")
    for email in (ALICE, "nobody@example.org"):
        for _ in range(2):
            assert visitor.send("/sign-in", email=email, password="wrong").status_code == 422
        refused = visitor.send("/sign-in", email=email.upper(), password=PASSWORD)
        assert refused.status_code == 429
        assert "Signing in was tried too often." in refused.text
        assert int(refused.headers["Retry-After"]) <= 60
    # Ten times as often from one address, whichever accounts are tried.
    tries = [visitor.send("/sign-in", email=f"{n}@example.org", password="x").status_code for n in range(20)]
    assert tries == sorted(tries)
    assert (tries[0], tries[-1]) == (422, 429)


def test_the_first_account_is_made_with_the_code_from_the_log(empty: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    visitor = Visitor(empty.test_client())
    assert visitor.client.get("/sign-in").location == "/first-account"
    visitor.open("/first-account")
    code = re.findall(r'"code": "([A-Z2-7-]+)"', capsys.readouterr().err)[-1]
    form = {"email": "Alice@Example.org", "new_password": PASSWORD}
    assert visitor.send("/first-account", code="AAAA-BBBB-CCCC", **form).status_code == 422
    assert visitor.send("/first-account", code=code, email="no", new_password=PASSWORD).status_code == 422
    assert visitor.send("/first-account", code=code, email=ALICE, new_password="short").status_code == 422
    assert visitor.send("/first-account", code=code.lower(), **form).status_code == 303
    assert "Everything" not in visitor.open("/settings/people")
    assert ALICE in visitor.page
    again = Visitor(empty.test_client())
    again.open("/sign-in")
    assert again.send("/first-account", code=code, email=BOB, new_password=PASSWORD).location == "/sign-in"


def test_what_was_written_before_there_were_accounts_is_the_first_ones(empty: Flask) -> None:
    services: Services = empty.extensions["insight"]
    home = services.conversations.ask("Before", model="")[0].conversation_id
    services.presets.add("", "Pirate", "Arr.", NOTHING)
    services.saved_prompts.add("", "Greeting", "Hello")
    services.accounts.create(ALICE, PASSWORD, Role.ADMIN)
    services.accounts.create(BOB, PASSWORD, Role.MEMBER)
    alice = signed_in(empty, ALICE)
    assert "Before" in alice.open(f"/c/{home}")
    assert re.search("Pirate.*Greeting", alice.open("/settings/presets"), re.DOTALL)
    assert signed_in(empty, BOB).client.get(f"/c/{home}").status_code == 404


def test_nobody_makes_an_account_unasked(stranger: Visitor) -> None:
    assert stranger.client.get("/sign-up").status_code == 403
    assert stranger.send("/sign-up", email="eve@example.org", new_password=PASSWORD).status_code == 403
    assert "/sign-up" not in stranger.page


def test_anybody_makes_an_account_where_that_is_wanted(start: Start) -> None:
    app = start(auth_mode="accounts", sign_up="open")
    app.extensions["insight"].accounts.create(ALICE, PASSWORD, Role.ADMIN)
    visitor = Visitor(app.test_client())
    assert "/sign-up" in visitor.open("/sign-in")
    visitor.open("/sign-up")
    taken = visitor.send("/sign-up", email=ALICE, new_password=PASSWORD)
    assert (taken.status_code, "There is an account with this address" in taken.text) == (422, True)
    assert visitor.send("/sign-up", email="eve@example.org", new_password=PASSWORD).status_code == 303
    assert visitor.client.get("/settings/people").status_code == 403


def link_in(page: str) -> str:
    return re.findall(r'<code tabindex="0">http://[^/]+([^<]+)</code>', page)[0]


def test_an_invitation_serves_once(alice: Visitor, shared: Flask) -> None:
    alice.open("/settings/people")
    link = link_in(alice.send("/settings/people/invitations", email="dora@example.org", role="member").text)
    assert "dora@example.org" in alice.open("/settings/people")
    assert link not in alice.page
    dora = Visitor(shared.test_client())
    assert 'value="dora@example.org" readonly' in dora.open(link)
    assert dora.send(link, email="other@example.org", new_password="short").status_code == 422
    assert dora.send(link, email="other@example.org", new_password=PASSWORD).status_code == 303
    assert "dora@example.org" in dora.open("/settings/account")
    assert shared.test_client().get(link).status_code == 410
    assert "Withdraw" not in alice.open("/settings/people")


def test_an_invitation_that_is_withdrawn_holds_no_longer(alice: Visitor, shared: Flask) -> None:
    alice.open("/settings/people")
    link = link_in(alice.send("/settings/people/invitations", email="", role="admin").text)
    alice.open("/settings/people")
    alice.send(re.findall(r'action="(/settings/people/invitations/[^/]+/withdraw)"', alice.page)[0])
    assert shared.test_client().get(link).status_code == 410


def test_an_admin_ends_one_session_of_somebody_and_reads_just_that(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    elsewhere = signed_in(shared, BOB)
    (one,) = re.findall(rf'href="(/settings/people/\w+)"><bdi>{BOB}', alice.open("/settings/people"))
    ends = re.findall(rf'action="({one}/sessions/\w+/end)"', alice.open(one))
    assert len(ends) == 2
    done = alice.open(alice.send(ends[0]).location)
    assert "They are signed out there." in done
    assert "everywhere." not in done
    assert sorted(each.client.get("/").status_code for each in (bob, elsewhere)) == [200, 303]


def test_a_link_leads_to_a_new_password_once_and_ends_all_sessions(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    (one,) = re.findall(rf'href="(/settings/people/\w+)"><bdi>{BOB}', alice.open("/settings/people"))
    alice.open(one)
    first = link_in(alice.send(f"{one}/new-password").text)
    link = link_in(alice.send(f"{one}/new-password").text)
    assert shared.test_client().get(first).status_code == 410  # the newer one took its place
    other = Visitor(shared.test_client())
    other.open(link)
    assert bob.client.get("/").status_code == 200
    assert other.send(link, new_password="another one entirely").status_code == 303
    assert bob.client.get("/").status_code == 303
    assert shared.test_client().get(link).status_code == 410


def test_people_change_their_password_and_are_out_everywhere_else(bob: Visitor, shared: Flask) -> None:
    elsewhere = signed_in(shared, BOB)
    bob.open("/settings/account")
    wrong = bob.send("/settings/account/password", password="wrong", new_password="another one entirely")
    assert (wrong.status_code, "This is not your password." in wrong.text) == (422, True)
    right = bob.send("/settings/account/password", password=PASSWORD, new_password="another one entirely")
    assert right.status_code == 303
    assert "Your password is changed" in bob.open(right.location)
    assert elsewhere.client.get("/").status_code == 303


def test_sessions_are_listed_and_ended_one_by_one(bob: Visitor, shared: Flask) -> None:
    elsewhere, third = signed_in(shared, BOB), signed_in(shared, BOB)
    page = bob.open("/settings/account")
    ends = re.findall(r'action="(/settings/account/sessions/\w+/end)"', page)
    assert len(ends) == 2
    assert page.count("(this browser)") == 1
    bob.send(ends[0])
    assert sorted(one.client.get("/").status_code for one in (elsewhere, third)) == [200, 303]
    bob.send("/settings/account/sessions/end")
    assert [one.client.get("/").status_code for one in (bob, elsewhere, third)] == [200, 303, 303]


def test_nobody_ends_a_session_or_a_key_of_somebody_else(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    owner = services.accounts.store.of_email(ALICE)
    assert owner
    (session,) = services.accounts.sessions.all(owner.id)
    services.accounts.keys.make(owner.id, "hers", [], None)
    (key,) = services.accounts.keys.all(owner.id)
    bob.open("/settings/account")
    bob.send(f"/settings/account/sessions/{session.id}/end")
    bob.send(f"/settings/account/keys/{key.id}/revoke")
    assert alice.client.get("/").status_code == 200
    assert services.accounts.keys.all(owner.id) == [key]


def test_a_text_that_is_sent_after_the_session_ended_comes_back(bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    bob.open("/")
    account = services.accounts.store.of_email(BOB)
    assert account
    services.accounts.sessions.end_all(account.id)
    plain = bob.send("/messages", message="What I typed", key="k1")
    assert plain.status_code == 401
    assert ">What I typed</textarea>" in plain.text
    assert 'href="/sign-in" target="_blank"' in plain.text
    swapped = bob.send("/messages", htmx=True, message="What I typed", key="k1")
    assert swapped.status_code == 401
    assert "You are not signed in, or no longer." in swapped.text
    picker = bob.client.get("/models/picker", headers={"HX-Request": "true"})
    assert (picker.status_code, picker.headers["HX-Reswap"]) == (401, "none")
    stream = bob.client.get("/answers/1/stream")
    assert (stream.status_code, stream.content_type) == (200, "text/event-stream; charset=utf-8")
    assert "event: done" in stream.text
    assert "You are not signed in" in stream.text


def test_the_last_admin_stays_one(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    mine, theirs = (services.accounts.store.of_email(each) for each in (ALICE, BOB))
    assert mine
    assert theirs
    alice.open("/settings/people")
    for path, fields in (("role", {"role": "member"}), ("switch", {"is_off": "yes"}), ("delete", {})):
        response = alice.send(f"/settings/people/{mine.id}/{path}", **fields)
        assert (response.status_code, "the last admin" in response.text) == (409, True)
    assert services.accounts.store.one(mine.id) == mine
    alice.send(f"/settings/people/{theirs.id}/role", role="admin")
    assert bob.client.get("/settings/people").status_code == 200
    assert alice.send(f"/settings/people/{mine.id}/role", role="member").status_code == 303
    assert alice.client.get("/settings/people").status_code == 403


def test_who_is_switched_off_is_out_and_comes_in_no_more(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    theirs = services.accounts.store.of_email(BOB)
    assert theirs
    alice.open(f"/settings/people/{theirs.id}")
    alice.send(f"/settings/people/{theirs.id}/switch", is_off="yes")
    assert bob.client.get("/").status_code == 303
    bob.open("/sign-in")
    assert bob.send("/sign-in", email=BOB, password=PASSWORD).status_code == 422
    alice.send(f"/settings/people/{theirs.id}/switch", is_off="no")
    assert bob.send("/sign-in", email=BOB, password=PASSWORD).status_code == 303


def test_with_an_account_all_that_was_theirs_is_deleted(alice: Visitor, bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    theirs = services.accounts.store.of_email(BOB)
    assert theirs
    bob.asks_and_waits("xylophage")
    alice.asks_and_waits("Mine")
    alice.open(f"/settings/people/{theirs.id}")
    assert alice.send(f"/settings/people/{theirs.id}/delete").status_code == 303
    assert bob.client.get("/").status_code == 303
    assert not services.conversations.newest_conversations(owner=theirs.id).conversations
    assert "Mine" in alice.open("/")
    assert alice.client.get(f"/settings/people/{theirs.id}").status_code == 404


@pytest.mark.parametrize("mode", ["local", "proxy"])
def test_where_nobody_signs_in_here_there_is_no_door(start: Start, mode: str) -> None:
    app = start(auth_mode=mode, trusted_proxies=("10.0.0.1/32",))
    expected = 404 if mode == "local" else 401
    for path in ("/sign-in", "/first-account", "/sign-up", "/new-password/x", "/invitations/x"):
        assert app.test_client().get(path).status_code == expected, path


@pytest.mark.parametrize("how", ["role", "switch", "delete"])
def test_who_is_no_admin_any_more_leaves_no_links_open(shared: Flask, alice: Visitor, how: str) -> None:
    """They may have made them for themselves, and the links to new passwords of others stand in no list."""
    found = shared.extensions["insight"].accounts
    carol = found.store.of_email(CAROL)
    found.store.change(carol.id, role=Role.ADMIN)
    secrets = [found.links.invite("", Role.ADMIN), found.links.renew_password(found.store.of_email(ALICE))]
    paths = [f"/invitations/{secrets[0]}", f"/new-password/{secrets[1]}"]
    stranger = shared.test_client()
    assert [stranger.get(path).status_code for path in paths] == [200, 200]
    alice.open(f"/settings/people/{carol.id}")
    fields = {"role": {"role": "member"}, "switch": {"is_off": "yes"}, "delete": {}}[how]
    assert alice.send(f"/settings/people/{carol.id}/{how}", **fields).status_code == 303
    assert [stranger.get(path).status_code for path in paths] == [410, 410]


def test_what_is_done_with_a_members_account_leaves_links_as_they_are(shared: Flask, alice: Visitor) -> None:
    found = shared.extensions["insight"].accounts
    secret = found.links.invite("", Role.MEMBER)
    bob = found.store.of_email(BOB)
    alice.open(f"/settings/people/{bob.id}")
    for how, fields in (("role", {"role": "admin"}), ("switch", {"is_off": "no"})):
        assert alice.send(f"/settings/people/{bob.id}/{how}", **fields).status_code == 303
    assert shared.test_client().get(f"/invitations/{secret}").status_code == 200


def test_a_password_that_was_changed_is_changed_by_no_older_link(shared: Flask, bob: Visitor) -> None:
    found = shared.extensions["insight"].accounts
    secret = found.links.renew_password(found.store.of_email(BOB))
    bob.open("/settings/account")
    changed = bob.send("/settings/account/password", password=PASSWORD, new_password="another long password")
    assert changed.status_code == 303
    assert shared.test_client().get(f"/new-password/{secret}").status_code == 410


def test_a_password_with_which_somebody_signs_in_for_ever_fills_no_table(shared: Flask) -> None:
    found = shared.extensions["insight"].accounts
    bob = found.store.of_email(BOB)
    tokens = [found.sessions.begin(bob, "", "") for _ in range(MOST + 5)]
    assert len(found.sessions.all(bob.id)) == MOST
    assert found.entries.by_session(tokens[-1])
    assert not found.entries.by_session(tokens[0])


def test_who_signs_in_anew_leaves_no_session_behind(shared: Flask, bob: Visitor) -> None:
    found = shared.extensions["insight"].accounts
    account = found.store.of_email(BOB)
    (before,) = found.sessions.all(account.id)
    assert bob.send("/sign-in", email=BOB, password=PASSWORD).status_code == 303
    (after,) = found.sessions.all(account.id)
    assert after.id != before.id


def test_strangers_are_not_told_where_the_engine_is(shared: Flask, alice: Visitor, ollama: ScriptedOllama) -> None:
    """A load balancer needs to know whether, and only who runs the server why."""
    shared.extensions["insight"].engine.close()
    url = ollama.url
    ollama.close()
    shared.extensions["insight"].engine.look()
    far = {"REMOTE_ADDR": "203.0.113.7"}
    told = shared.test_client().get("/readyz", environ_overrides=far)
    assert (told.status_code, told.json["engine"]) == (503, False)
    assert "problem" not in told.json
    for who, where in ((alice.client, far), (shared.test_client(), {})):
        assert url in who.get("/readyz", environ_overrides=where).json["problem"]


METHODS = ("GET", "POST")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/v1/models", "/metrics"])
def test_a_name_that_is_not_ours_is_told_as_such_before_anybody_is_asked_to_sign_in(shared: Flask, path: str) -> None:
    for response in (
        shared.test_client().open(path, method=each, headers={"Host": "evil.example"}) for each in METHODS
    ):
        assert response.status_code == 400
        assert "does not know the name it was called by" in response.text
