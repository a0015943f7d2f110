"""Signing in with an OpenID provider, a real one in a process of its own; and with what is none."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from oidc_provider import CLIENT, PASSWORD, SECRET, Provider, provider
from own_app import Start
from people import ALICE, BOB, CAROL
from visitor import Visitor
from werkzeug.test import TestResponse

from insight_app.accounts.people import Role
from insight_app.services import Services

DONE = "http://localhost/sign-in/provider/done"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """The provider that all of these tests know."""
    with provider(free_port(), tmp_path_factory.mktemp("provider")) as found:
        found.sends_back_to(DONE)
        yield found


@pytest.fixture
def serving(start: Start) -> Callable[..., Flask]:
    """The app in front of a provider with that issuer."""
    told = {"auth_mode": "oidc", "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "sign_up": "open"}
    return lambda issuer, **others: start(oidc_issuer=issuer, **{**told, **others})


@pytest.fixture
def app(serving: Callable[..., Flask], known: Provider) -> Flask:
    return serving(known.issuer)


def answers_at(where: str, name: str, *, agrees: bool = True) -> str:
    """Signs in at the provider as a browser would; returns where that sends it back to, as a path of ours."""
    browser = requests.Session()
    browser.trust_env = False
    page = browser.get(where, timeout=10)
    for form in ({"username": name, "password": PASSWORD}, {"allow": "yes"} if agrees else {}):
        given = dict(re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', page.text))
        hidden = {key: unescape(value) for key, value in given.items()}
        page = browser.post(page.url, data={**hidden, **form}, allow_redirects=False, timeout=10)
        assert page.status_code == 302, page.text
        if page.headers["Location"].startswith("/"):
            page = browser.get("http://" + urlsplit(where).netloc + page.headers["Location"], timeout=10)
    back = urlsplit(page.headers["Location"])
    assert f"http://{back.netloc}{back.path}" == DONE
    return f"{back.path}?{back.query}"


def begin(client: FlaskClient, way_on: str = "") -> str:
    response = client.get("/sign-in/provider", query_string={"next": way_on} if way_on else {})
    assert response.status_code == 303, response.text
    return response.location


def sign_in(app: Flask, name: str, client: FlaskClient | None = None, way_on: str = "") -> TestResponse:
    client = client or app.test_client()
    return client.get(answers_at(begin(client, way_on), name))


def services_of(app: Flask) -> Services:
    found: Services = app.extensions["insight"]
    return found


def test_somebody_signs_in_and_is_led_to_where_they_wanted(app: Flask, known: Provider) -> None:
    known.knows("alice", ALICE)
    client = app.test_client()
    assert client.get("/settings/privacy").location == "/sign-in?next=/settings/privacy"
    door = client.get("/sign-in?next=/settings/privacy").text
    assert "Sign in with 127.0.0.1" in door
    assert 'href="/sign-in/provider?next=/settings/privacy"' in door
    response = sign_in(app, "alice", client, "/settings/privacy")
    assert (response.status_code, response.location) == (303, "/settings/privacy")
    page = Visitor(client).open("/settings/account")
    assert ALICE in page
    assert "New password" not in page
    assert "at your provider you stay signed in" in page


def test_what_is_asked_for_is_bound_to_this_browser(app: Flask, known: Provider) -> None:
    where = urlsplit(begin(app.test_client()))
    asked = {name: values[0] for name, values in parse_qs(where.query).items()}
    assert asked["redirect_uri"] == DONE
    assert asked["scope"] == "openid email"
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 20
    again = parse_qs(urlsplit(begin(app.test_client())).query)
    assert all(asked[name] != again[name][0] for name in ("state", "nonce", "code_challenge"))


def test_the_session_is_another_one_and_keeps_nothing_of_the_provider(app: Flask, known: Provider) -> None:
    known.knows("alice", ALICE)
    client = app.test_client()
    begin(client)
    with client.session_transaction() as planted:
        planted["planted"] = "by a stranger"
    name = app.config["SESSION_COOKIE_NAME"]
    before = client.get_cookie(name)
    sign_in(app, "alice", client)
    after = client.get_cookie(name)
    assert before
    assert after
    assert before.value != after.value
    with client.session_transaction() as session:
        assert set(session) <= {"_user_id", "_id", "_fresh", "_permanent"}
    thief = app.test_client()
    thief.set_cookie(name, before.value)
    assert thief.get("/").status_code == 303


def test_who_begins_again_and_again_has_a_small_cookie(app: Flask, known: Provider) -> None:
    client = app.test_client()
    where = [begin(client, "/" + "x" * 300) for _ in range(9)]
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie
    assert len(cookie.value) < 3000
    known.knows("alice", ALICE)
    assert client.get(answers_at(where[0], "alice")).location == "/sign-in?said=over"
    assert client.get(answers_at(where[-2], "alice")).location.startswith("/xxx")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\r\nSet-Cookie: a=b", "/" + "x" * 900]
)
def test_the_way_on_never_leads_elsewhere(app: Flask, known: Provider, elsewhere: str) -> None:
    known.knows("alice", ALICE)
    assert sign_in(app, "alice", way_on=elsewhere).location == "/"


def test_an_answer_for_another_browser_is_none(app: Flask, known: Provider) -> None:
    known.knows("alice", ALICE)
    back = answers_at(begin(app.test_client()), "alice")
    victim = app.test_client()
    for path in (back, "/sign-in/provider/done", "/sign-in/provider/done?code=x&state=y"):
        response = victim.get(path)
        assert (response.status_code, response.location) == (303, "/sign-in?said=over")
    assert "That took too long, or was begun in another browser." in victim.get(response.location).text
    begin(victim)
    assert victim.get(back).location == "/sign-in?said=over"
    assert victim.get("/").status_code == 303


def test_an_answer_serves_once(app: Flask, known: Provider) -> None:
    known.knows("alice", ALICE)
    client = app.test_client()
    back = answers_at(begin(client), "alice")
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = client.get_cookie(name)
    assert cookie
    assert client.get(back).location == "/"
    assert client.get(back).location == "/sign-in?said=over"
    thief = app.test_client()  # one who has the cookie of before, too: the provider takes no code twice
    thief.set_cookie(name, cookie.value)
    assert thief.get(back).location == "/sign-in?said=over"
    assert thief.get("/").status_code == 303


def test_who_takes_too_long_begins_again(app: Flask, known: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    known.knows("alice", ALICE)
    client = app.test_client()
    back = answers_at(begin(client), "alice")
    monkeypatch.setattr("insight_app.accounts.oidc_routes.BEGUN_SECONDS", -1.0)
    assert client.get(back).location == "/sign-in?said=over"


def test_who_says_no_at_the_provider_is_told_so(app: Flask, known: Provider) -> None:
    known.knows("alice", ALICE)
    client = app.test_client()
    response = client.get(answers_at(begin(client), "alice", agrees=False))
    assert response.location == "/sign-in?said=denied"
    assert "said no there" in client.get(response.location).text


def test_another_error_of_the_provider_is_told_without_its_words(app: Flask, known: Provider) -> None:
    client = app.test_client()
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(f"/sign-in/provider/done?state={state}&error=server_error&error_description=xylophage")
    assert response.status_code == 502
    assert "did not say who you are" in response.text
    assert "xylophage" not in response.text


def test_an_address_that_is_not_verified_counts_for_nothing(app: Flask, known: Provider) -> None:
    services_of(app).accounts.store.create(ALICE, Role.ADMIN)
    known.knows("mallory", ALICE, verified=False)
    response = sign_in(app, "mallory")
    assert response.status_code == 403
    assert "Verify it there" in response.text
    known.knows("mallory", "", verified=True)
    assert sign_in(app, "mallory").status_code == 403
    assert services_of(app).accounts.store.all()[0].subject is None


def test_an_address_that_is_told_only_who_asks_is_asked_for(app: Flask, known: Provider) -> None:
    known.knows("carol", CAROL, at_once=False)
    assert sign_in(app, "carol").location == "/"
    assert [each.email for each in services_of(app).accounts.store.all()] == [CAROL]
    known.knows("carol", CAROL, at_once=False, verified=False)
    assert sign_in(app, "carol").status_code == 403


def test_somebody_stays_who_they_are_when_their_address_changes(app: Flask, known: Provider) -> None:
    known.knows("bob", BOB)
    sign_in(app, "bob")
    (before,) = services_of(app).accounts.store.all()
    known.knows("bob", "robert@example.org")
    assert sign_in(app, "bob").status_code == 303
    assert services_of(app).accounts.store.all() == [before]
    assert before.subject == f"{known.issuer} bob"


def test_an_address_that_somebody_else_has_had_opens_nothing_of_theirs(app: Flask, known: Provider) -> None:
    known.knows("bob", BOB)
    sign_in(app, "bob")
    known.knows("newcomer", BOB)
    response = sign_in(app, "newcomer")
    assert response.status_code == 409
    assert "whom the sign-in provider knows by another name" in response.text


def test_an_account_of_before_is_found_by_a_verified_address(app: Flask, known: Provider) -> None:
    before = services_of(app).accounts.store.create(BOB, Role.MEMBER, password="a hash")  # and nobody is an admin
    known.knows("bob", BOB.upper())
    assert sign_in(app, "bob").status_code == 303
    (after,) = services_of(app).accounts.store.all()
    assert (after.id, after.subject) == (before.id, f"{known.issuer} bob")


def test_nobody_new_comes_where_that_is_closed_but_admins(serving: Callable[..., Flask], known: Provider) -> None:
    app = serving(known.issuer, sign_up="closed", admin_emails=(ALICE,))
    for name, email in (("alice", ALICE), ("bob", BOB)):
        known.knows(name, email)
    refused = sign_in(app, "bob")
    assert (refused.status_code, "lets nobody new in" in refused.text) == (403, True)
    admin = app.test_client()
    assert sign_in(app, "alice", admin).status_code == 303
    assert admin.get("/settings/people").status_code == 200


def test_who_is_switched_off_is_told_so(app: Flask, known: Provider) -> None:
    known.knows("bob", BOB)
    client = app.test_client()
    sign_in(app, "bob", client)
    (account,) = services_of(app).accounts.store.all()
    services_of(app).accounts.store.create(ALICE, Role.ADMIN)
    services_of(app).accounts.store.change(account.id, is_disabled=True)
    assert client.get("/").status_code == 303
    refused = sign_in(app, "bob")
    assert (refused.status_code, "Your account on this server is switched off." in refused.text) == (403, True)


def test_what_was_written_before_is_not_for_whoever_comes_first(serving: Callable[..., Flask], known: Provider) -> None:
    app = serving(known.issuer, admin_emails=(ALICE,))
    home = services_of(app).conversations.ask("Before", model="")[0].conversation_id
    for name, email in (("bob", BOB), ("alice", ALICE)):
        known.knows(name, email)
        client = app.test_client()
        sign_in(app, name, client)
        assert client.get(f"/c/{home}").status_code == (404 if name == "bob" else 200)


def test_who_signs_out_is_out_here_and_not_unasked_at_the_provider(app: Flask, known: Provider) -> None:
    known.knows("bob", BOB)
    client = app.test_client()
    sign_in(app, "bob", client)
    visitor = Visitor(client)
    visitor.open("/settings/account")
    assert visitor.send("/sign-out").location == "/sign-in"
    assert client.get("/").status_code == 303


def test_a_provider_that_is_gone_is_told_in_plain_words(
    serving: Callable[..., Flask], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    app = serving(f"http://127.0.0.1:{port}/o")
    client = app.test_client()
    before = client.get("/sign-in/provider")
    assert (before.status_code, "OIDC_ISSUER" in before.text) == (502, True)
    with provider(port, tmp_path) as own:
        own.sends_back_to(DONE)
        own.knows("alice", ALICE)
        back = answers_at(begin(client), "alice")
        own.end()
        after = client.get(back)
    assert (after.status_code, "did not say who you are" in after.text) == (502, True)
    assert client.get("/").status_code == 303
    said = capsys.readouterr().err
    assert said.count("provider failed") == 2
    assert parse_qs(urlsplit(back).query)["code"][0] not in said


@pytest.fixture
def talker(at_end: ExitStack) -> Callable[..., str]:
    """Whatever says such things to whoever asks, by the paths; returns its address."""

    def start(says: dict[str, bytes], *, silent: bool = False) -> str:
        over = threading.Event()

        class Talker(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if silent:
                    over.wait(20)
                body = says.get(self.path.partition("?")[0], b"").replace(b"HERE", address.encode())
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Talker)
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        at_end.callback(server.server_close)
        at_end.callback(server.shutdown)
        at_end.callback(over.set)
        return address

    return start


DESCRIPTION = "/.well-known/openid-configuration"
WHOLE = (
    b'{"issuer": "HERE", "authorization_endpoint": "HERE/a", "token_endpoint": "HERE/t", "jwks_uri": "HERE/k",'
    b' "userinfo_endpoint": "HERE/u", "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}'
)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b"[" * 5000,
        WHOLE.replace(b"HERE", b"https://id.example.org"),  # another's
        WHOLE.replace(b'"HERE/a"', b"7"),
        WHOLE.replace(b'"HERE/a"', b'"javascript:alert(1)"'),
        WHOLE.replace(b'"authorization_endpoint"', b'"another"'),
    ],
)
def test_a_description_that_is_none_is_told_in_plain_words_and_not_believed(
    serving: Callable[..., Flask], talker: Callable[..., str], said: bytes
) -> None:
    says = {DESCRIPTION: said}
    client = serving(talker(says)).test_client()
    assert client.get("/sign-in/provider").status_code == 502
    says[DESCRIPTION] = WHOLE
    assert client.get("/sign-in/provider").status_code == 303


UNSIGNED = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b'{"access_token": "a", "token_type": "Bearer"}',
        b'{"access_token": "a", "token_type": "Bearer", "id_token": "b"}',
        b'{"access_token": "a", "token_type": "Bearer", "id_token": 7}',
        b'{"access_token": "a", "token_type": "Bearer", "id_token": "' + UNSIGNED + b'"}',
        b'{"error": "server_error", "error_description": "xylophage"}',
    ],
)
def test_tokens_that_are_none_let_nobody_in(
    serving: Callable[..., Flask], talker: Callable[..., str], said: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    says = {DESCRIPTION: WHOLE, "/t": said, "/k": b'{"keys": []}', "/u": b"{}"}
    client = serving(talker(says)).test_client()
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    response = client.get(f"/sign-in/provider/done?code=c&state={state}")
    assert response.status_code == 502
    assert "xylophage" not in response.text + capsys.readouterr().err
    assert client.get("/").status_code == 303


def test_a_provider_that_says_nothing_holds_nobody_up(
    serving: Callable[..., Flask], talker: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("insight_app.accounts.oidc_routes.PATIENCE_SECONDS", 0.2)
    client = serving(talker({}, silent=True)).test_client()
    began = time.monotonic()
    assert client.get("/sign-in/provider").status_code == 502
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("mode", ["local", "accounts"])
def test_its_library_is_loaded_by_nobody_else(mode: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from insight_app import create_app\n"
        "from insight_app.config import Settings\n"
        f"told = {{'data_dir': Path({str(tmp_path)!r}), 'auth_mode': {mode!r}}}\n"
        "app = create_app(Settings(secret_key='only for these tests', **told))\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('authlib', 'httpx', 'joserfc')])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_address_that_only_folds_to_an_admins_makes_no_admin(serving: Callable[..., Flask], known: Provider) -> None:
    app = serving(known.issuer, admin_emails=("boss@example.org",))
    for name, email in (("boss", "boss@example.org"), ("thief", "boß@example.org")):
        known.knows(name, email)
        assert sign_in(app, name).status_code == 303
    roles = {account.email: account.role for account in services_of(app).accounts.store.all()}
    assert roles == {"boss@example.org": Role.ADMIN, "boß@example.org": Role.MEMBER}


def test_an_admins_address_that_somebody_else_comes_to_have_makes_them_no_admin(
    serving: Callable[..., Flask], known: Provider
) -> None:
    app = serving(known.issuer, admin_emails=(ALICE,))
    for name, email in (("alice", ALICE), ("bob", BOB)):
        known.knows(name, email)
        sign_in(app, name)
    known.knows("bob", ALICE)  # two people of the provider may have one address
    assert sign_in(app, "bob").status_code == 303
    assert [account.role for account in services_of(app).accounts.store.all()] == [Role.ADMIN, Role.MEMBER]
