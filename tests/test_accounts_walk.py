"""The whole URL map, as nobody, as Bob with Alice's ids, and as a member on admins' pages.

A route that is new needs a line in TABLE: its method and rule as app.url_map has them, and what a stranger gets there.
"""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from urllib.parse import quote

import pytest
from canary_routes import routes
from flask import Flask
from flask.testing import FlaskClient
from own_app import Start, running
from people import ALICE, BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama, gate
from sqlalchemy import text as sql
from test_chat_replies import until
from visitor import Visitor
from werkzeug.test import TestResponse

from insight_app.accounts.tokens import Scope
from insight_app.chat.options import Wishes
from insight_app.config import Settings
from insight_app.health import streaming
from insight_app.services import Services


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream that the doctor asks for takes its time; here it is asked for again and again."""
    monkeypatch.setattr(streaming, "GAP_SECONDS", 0.0)


class For(Enum):
    """Whom a route is for."""

    EVERYBODY = auto()  # also who is not signed in
    ADMINS = auto()  # a member gets 403
    OWNER = auto()  # of what its id names: others get 404
    STREAM = auto()  # of the owner too, and always 200, for htmx repeats anything else for ever
    ONESELF = auto()  # each sees and changes only what is theirs, whatever ids say
    PROGRAMS = auto()  # by a key, which no cookie takes the place of


TABLE: dict[str, For] = {
    "GET /assets/<name>": For.EVERYBODY,
    "GET /metrics": For.EVERYBODY,  # but see test_figures_are_for_admins_and_for_this_machine
    "GET /healthz": For.EVERYBODY,
    "GET /readyz": For.EVERYBODY,
    "GET /sign-in": For.EVERYBODY,
    "POST /sign-in": For.EVERYBODY,
    "POST /sign-out": For.EVERYBODY,
    "GET /first-account": For.EVERYBODY,
    "POST /first-account": For.EVERYBODY,
    "GET /sign-up": For.EVERYBODY,
    "POST /sign-up": For.EVERYBODY,
    "GET /invitations/<secret>": For.EVERYBODY,
    "POST /invitations/<secret>": For.EVERYBODY,
    "GET /new-password/<secret>": For.EVERYBODY,
    "POST /new-password/<secret>": For.EVERYBODY,
    "GET /": For.ONESELF,
    "GET /temporary": For.ONESELF,
    "POST /temporary": For.ONESELF,
    "POST /messages": For.ONESELF,
    "POST /draft": For.ONESELF,
    "GET /options": For.ONESELF,
    "POST /options": For.ONESELF,
    "GET /c/<conversation_id>/options": For.OWNER,
    "POST /c/<conversation_id>/options": For.OWNER,
    "POST /c/<conversation_id>/options/preset": For.OWNER,
    "GET /settings/presets": For.ONESELF,
    "GET /settings/presets/new": For.ONESELF,
    "POST /settings/presets": For.ONESELF,
    "GET /settings/presets/<preset_id>": For.OWNER,
    "POST /settings/presets/<preset_id>": For.OWNER,
    "POST /settings/presets/<preset_id>/delete": For.OWNER,
    "GET /settings/presets/prompts/new": For.ONESELF,
    "POST /settings/presets/prompts": For.ONESELF,
    "GET /settings/presets/prompts/<saved_id>": For.OWNER,
    "POST /settings/presets/prompts/<saved_id>": For.OWNER,
    "POST /settings/presets/prompts/<saved_id>/delete": For.OWNER,
    "GET /saved-prompts": For.ONESELF,
    "GET /saved-prompts/<saved_id>": For.OWNER,
    "POST /saved-prompts/<saved_id>": For.OWNER,
    "GET /conversations": For.ONESELF,
    "GET /models": For.ONESELF,
    "POST /attachments": For.ONESELF,
    "GET /attachments": For.ONESELF,
    "POST /attachments/<attachment_id>/delete": For.OWNER,
    "GET /attachments/<attachment_id>": For.OWNER,
    "GET /models/picker": For.ONESELF,
    "GET /models/now": For.ONESELF,
    "POST /models/pull": For.ADMINS,
    "POST /models/cancel": For.ADMINS,
    "POST /models/forget": For.ADMINS,
    "POST /models/remove": For.ADMINS,
    "POST /models/unload": For.ADMINS,
    "GET /c/<conversation_id>": For.OWNER,
    "GET /c/<conversation_id>/streamed": For.OWNER,
    "POST /c/<conversation_id>/messages": For.OWNER,
    "GET /c/<conversation_id>/export.<any(json, md):kind>": For.OWNER,
    "GET /settings/copies": For.ONESELF,
    "POST /settings/copies": For.ONESELF,
    "GET /settings/copies/conversations.json": For.ONESELF,
    "GET /settings/copies/conversations.zip": For.ONESELF,
    "GET /c/<conversation_id>/edit": For.OWNER,
    "POST /c/<conversation_id>/edit": For.OWNER,
    "POST /c/<conversation_id>/pin": For.OWNER,
    "GET /c/<conversation_id>/row": For.OWNER,
    "POST /c/<conversation_id>/delete": For.OWNER,
    "POST /c/<conversation_id>/archive": For.OWNER,
    "POST /c/<conversation_id>/undo": For.OWNER,
    "POST /c/<conversation_id>/purge": For.OWNER,
    "GET /archived": For.ONESELF,
    "GET /bin": For.ONESELF,
    "GET /search": For.ONESELF,
    "GET /prompts/<int:prompt_id>/edit": For.OWNER,
    "GET /prompts/<int:prompt_id>": For.OWNER,
    "POST /prompts/<int:prompt_id>/delete": For.OWNER,
    "GET /answers/<int:answer_id>/stream": For.STREAM,
    "POST /answers/<int:answer_id>/stop": For.OWNER,
    "POST /answers/<int:answer_id>/again": For.OWNER,
    "POST /answers/<int:answer_id>/continue": For.OWNER,
    "GET /answers/<int:answer_id>/text": For.OWNER,
    "POST /answers/<int:answer_id>/rating": For.OWNER,
    "GET /settings/appearance": For.EVERYBODY,
    "POST /settings/appearance": For.EVERYBODY,
    "GET /shortcuts": For.EVERYBODY,
    "GET /manifest.webmanifest": For.EVERYBODY,
    "GET /settings/account": For.ONESELF,
    "POST /settings/account/password": For.ONESELF,
    "POST /settings/account/sessions/<session_id>/end": For.ONESELF,
    "POST /settings/account/sessions/end": For.ONESELF,
    "POST /settings/account/keys": For.ONESELF,
    "POST /settings/account/keys/<key_id>/revoke": For.ONESELF,
    "GET /settings/people": For.ADMINS,
    "POST /settings/people/invitations": For.ADMINS,
    "POST /settings/people/invitations/<link_id>/withdraw": For.ADMINS,
    "GET /settings/people/<account_id>": For.ADMINS,
    "POST /settings/people/<account_id>/role": For.ADMINS,
    "POST /settings/people/<account_id>/switch": For.ADMINS,
    "POST /settings/people/<account_id>/sign-out": For.ADMINS,
    "POST /settings/people/<account_id>/sessions/<session_id>/end": For.ADMINS,
    "POST /settings/people/<account_id>/new-password": For.ADMINS,
    "POST /settings/people/<account_id>/delete": For.ADMINS,
    "POST /settings/people/<account_id>/limits": For.ADMINS,
    "GET /settings/roles": For.ADMINS,
    "POST /settings/roles/<role>": For.ADMINS,
    "GET /settings/usage": For.ONESELF,
    "GET /settings/usage/all": For.ADMINS,
    "GET /settings/usage/all.csv": For.ADMINS,
    "GET /settings/prompt": For.ADMINS,
    "POST /settings/prompt": For.ADMINS,
    "POST /settings/prompt/preview": For.ADMINS,
    "GET /settings/moderation": For.ADMINS,
    "GET /settings/moderation/rules/new": For.ADMINS,
    "GET /settings/moderation/rules/cancelled": For.ADMINS,
    "POST /settings/moderation/rules": For.ADMINS,
    "GET /settings/moderation/rules/<id>": For.ADMINS,
    "GET /settings/moderation/rules/<id>/edit": For.ADMINS,
    "POST /settings/moderation/rules/<id>": For.ADMINS,
    "POST /settings/moderation/rules/<id>/switch": For.ADMINS,
    "POST /settings/moderation/rules/<id>/move": For.ADMINS,
    "POST /settings/moderation/rules/<id>/delete": For.ADMINS,
    "POST /settings/moderation/changes/<int:change_id>/undo": For.ADMINS,
    "POST /settings/moderation/try": For.ADMINS,
    "GET /settings/moderation/sets/<name>": For.ADMINS,
    "POST /settings/moderation/sets/<name>": For.ADMINS,
    "GET /settings/moderation/export": For.ADMINS,
    "GET /settings/moderation/import": For.ADMINS,
    "POST /settings/moderation/import": For.ADMINS,
    "GET /settings/moderation/history": For.ADMINS,
    "GET /settings/moderation/judge": For.ADMINS,
    "POST /settings/moderation/judge": For.ADMINS,
    "POST /settings/moderation/judge/categories": For.ADMINS,
    "GET /settings/privacy": For.ONESELF,
    "POST /settings/privacy/keep": For.ONESELF,
    "GET /settings/privacy/diagnostics": For.ONESELF,
    "POST /settings/privacy/diagnostics": For.ONESELF,
    "POST /settings/privacy/diagnostics/delete": For.ONESELF,
    "GET /settings/privacy/diagnostics/download": For.ONESELF,
    "GET /settings/privacy/download": For.ONESELF,
    "POST /settings/privacy/delete": For.ONESELF,
    "GET /settings/privacy/kept": For.ONESELF,
    "GET /settings/health": For.ADMINS,
    "GET /settings/health/streamed": For.ADMINS,
    "GET /health/stream": For.EVERYBODY,  # who can sign its address
    "GET /settings/api": For.ONESELF,
    "GET /api/openapi.json": For.EVERYBODY,
    "POST /api/chat": For.PROGRAMS,
    "POST /v1/chat/completions": For.PROGRAMS,
    "GET /api/answers/<int:answer_id>": For.PROGRAMS,
    "GET /api/usage": For.PROGRAMS,
    "GET /v1/models": For.PROGRAMS,
    "GET /v1/models/<path:model>": For.PROGRAMS,
}
# Words that stand in nothing but what is Alice's: her prompts, answers, drafts of rules, keys, links, her address.
SECRETS = ("zeugmatic", "quincunx", "sesquipedalian", "hemiola", ALICE)
# What Bob sends with each post: enough for any form to be taken, and Alice's ids wherever one can stand.
FORM = {"message": "Bob's", "title": "Bob's", "name": "Bob's", "label": "Bob's", "email": "eve@example.org"}
FORM |= {"role": "admin", "is_off": "yes", "pinned": "1", "keep": "always", "seconds": "900", "chat": "y"}


@dataclass
class World:
    """A server where Alice has something of everything. `ids` are hers, by the names that rules have for them."""

    app: Flask
    ids: list[dict[str, str]]
    alice: Visitor

    @property
    def services(self) -> Services:
        found: Services = self.app.extensions["insight"]
        return found

    def hers(self) -> Any:
        """All that is kept of Alice's, and of what only admins change."""
        owner = self.ids[0]["account_id"]
        kept = {
            "conversations": f"owner = '{owner}'",
            "messages": f"owner = '{owner}'",
            "attachments": f"owner = '{owner}'",
            "accounts": f"id = '{owner}'",
            "account_sessions": f"account_id = '{owner}'",
            "account_links": "1",
            "api_keys": f"account_id = '{owner}'",
            "presets": f"owner = '{owner}'",
            "saved_prompts": f"owner = '{owner}'",
            "moderation_rules": "1",
        }
        with self.services.database.reading() as connection:
            there = {row[0] for row in connection.execute(sql("SELECT name FROM sqlite_master"))}
            return {
                name: [tuple(row) for row in connection.execute(sql(f"SELECT * FROM {name} WHERE {which}"))]
                for name, which in kept.items()
                if name in there
            }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ScriptedOllama() as ollama, ExitStack() as stack:
        settings = Settings(
            secret_key="only for these tests",
            data_dir=tmp_path_factory.mktemp("walk"),
            ollama_base_url=ollama.url,
            auth_mode="accounts",
            engine_wait_seconds=0,
            ratelimit_enabled=False,
            titles="words",  # nothing of hers changes by itself,
            request_timeout_seconds=3600,  # on a slow machine neither
        )
        app = stack.enter_context(running(settings))
        services: Services = app.extensions["insight"]
        people = add_people(services)
        alice = signed_in(app, ALICE)
        account = people[ALICE]
        services.accounts.keys.make(account, "hemiola", [Scope.CHAT], None)
        preset = services.presets.add(account, "quincunx", "zeugmatic", Wishes(seed=1))
        saved = services.saved_prompts.add(account, "quincunx", "zeugmatic {{hemiola}}")
        alice.open("/settings/people")
        alice.send("/settings/people/invitations", email="dora@example.org", role="member")
        alice.open("/settings/moderation/rules/new")
        rule = {"name": "sesquipedalian", "kind": "phrase", "text": "sesquipedalian", "scope": "both", "action": "flag"}
        assert alice.send("/settings/moderation/rules", **rule, is_on="y").status_code == 303
        page = alice.open("/settings/moderation")
        held = threading.Event()
        ids = []
        for begin, script in (
            ("/", ("quincunx",)),
            ("/temporary", ("quincunx",)),
            ("/", ("quincunx", gate(held), "end")),
        ):
            alice.open(begin)
            ollama.script(*script)
            response = alice.send(
                "/temporary" if begin != "/" else "/messages", message="zeugmatic", key=alice.field("key")
            )
            alice.open(response.location)
            answer_id = int(re.findall(r'<article id="a(\d+)" class="answer"', alice.page)[-1])
            if len(script) == 1:
                alice.watch(answer_id)
            ids.append({"conversation_id": response.location.removeprefix("/c/"), "answer_id": str(answer_id)})
        until(lambda: services.conversations.message(answer_id).text)  # kept, so that nothing changes any more
        file = {"csrf_token": alice.field("csrf_token"), "file": (io.BytesIO(b"zeugmatic"), "quincunx.txt")}
        attached = re.findall('data-id="([^"]+)"', alice.client.post("/attachments", data=file).text)[0]
        (session,) = services.accounts.sessions.all(account)
        (key,) = services.accounts.keys.all(account)
        (link,) = services.accounts.links.invitations()
        for each in ids:
            each["prompt_id"] = str(int(each["answer_id"]) - 1)
            each |= {"account_id": account, "session_id": session.id, "key_id": key.id, "link_id": link.id}
            each |= {
                "id": re.findall(r"/rules/(rule-[^/\"]+)", page)[-1],
                "change_id": "1",
                "attachment_id": attached,
                "kind": "json",
                "secret": "guessed",
                "model": "any",
                "role": "member",
                "preset_id": preset,
                "saved_id": saved,
            }
            each["name"] = re.findall(r"/assets/([^\"]+css)", page)[0]
        yield World(app, ids, alice)
        held.set()


def addresses(world: World, name: str) -> list[str]:
    """The route's, with the ids of each of Alice's conversations."""
    rule = routes(world.app)[name].rule
    url = re.sub(r"<(?:[^<>]+:)?(\w+)>", r"{\1}", rule)
    return list(dict.fromkeys(url.format(**each) for each in world.ids))


def ask(
    client: FlaskClient, name: str, url: str, token: str, world: World, *, htmx: bool, **headers: str
) -> TestResponse:
    """A request to that route, with all that a program could say to get at what is Alice's."""
    hers = world.ids[0]
    told = {"HX-Current-URL": f"http://localhost/c/{hers['conversation_id']}?at={hers['answer_id']}", **headers}
    told["Referer"] = f"http://localhost/c/{hers['conversation_id']}"
    if htmx:
        told["HX-Request"] = "true"
    if name.startswith("GET"):
        before = {"before": "99999999999" if url == "/conversations" else hers["answer_id"], "at": hers["prompt_id"]}
        query = {**before, "id": hers["conversation_id"], "from": hers["preset_id"], "preset": hers["preset_id"]}
        begun = SECRETS[0][:-2]  # as one types it: a page repeats what was asked for
        query |= {"deleted": hers["conversation_id"], "q": begun, "find": begun}
        return client.get(url, query_string=query, headers=told)
    form = {**FORM, "csrf_token": token, "parent": hers["answer_id"], "key": f"{url} {htmx}"}
    if "messages" in url or "temporary" in url:
        form |= {"preset": hers["preset_id"], **({"attachment": hers["attachment_id"]} if htmx else {})}
    return client.post(url, data=form, headers=told)


def words_of(response: TestResponse) -> str:
    """What it says, also where that is packed."""
    if response.mimetype != "application/zip":
        return response.text
    with zipfile.ZipFile(io.BytesIO(response.data)) as packed:
        return "".join(f"{each} {packed.read(each).decode()}" for each in packed.namelist())


def test_every_route_is_in_the_table(world: World) -> None:
    assert set(TABLE) == set(routes(world.app)), "a route that is new needs a line in TABLE"


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("name", TABLE)
def test_nobody_gets_past_the_door(world: World, name: str, htmx: bool) -> None:
    before = world.hers()
    client = world.app.test_client()
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/sign-in").text)[0]
    for url in addresses(world, name):
        response = ask(client, name, url, token, world, htmx=htmx)
        assert not [each for each in SECRETS if each in response.text], url
        if TABLE[name] is For.EVERYBODY:
            assert response.status_code < 500
        elif TABLE[name] is For.PROGRAMS:
            assert (response.status_code, response.json["error"]["code"]) == (401, "key_refused")
        elif TABLE[name] is For.STREAM:
            assert (response.status_code, response.mimetype) == (200, "text/event-stream")
            assert "You are not signed in" in response.text
            assert "event: done" in response.text
        elif name.startswith("POST") or (htmx and "/settings" not in name and "/export." not in name):
            assert response.status_code == 401
        elif htmx:
            assert (response.status_code, response.text) == (200, "")
            assert response.headers["HX-Redirect"] == "/sign-in"
        else:
            assert response.status_code == 303
            assert response.location.startswith("/sign-in")
    assert world.hers() == before


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("name", TABLE)
def test_bob_gets_nothing_of_alices_with_her_ids(world: World, name: str, htmx: bool) -> None:
    before = world.hers()
    bob = signed_in(world.app, BOB)
    token = bob.field("csrf_token")
    for url in addresses(world, name):
        response = ask(bob.client, name, url, token, world, htmx=htmx, **{"Last-Event-ID": "1"})
        assert not [each for each in SECRETS if each in words_of(response)], url
        assert response.status_code < 500, url
        if name.startswith("POST"):  # the guards against other sites come first, and say as little
            forged = ask(bob.client, name, url, "none", world, htmx=htmx)
            assert not [each for each in SECRETS if each in forged.text], url
            assert forged.status_code in (400, 401), url
        if TABLE[name] is For.ADMINS:
            assert response.status_code == 403, url
        elif TABLE[name] is For.OWNER:
            assert response.status_code == 404, url
        elif TABLE[name] is For.PROGRAMS:
            assert response.status_code == 401, url
        elif TABLE[name] is For.STREAM:
            assert (response.status_code, response.mimetype) == (200, "text/event-stream")
            assert re.search("There is nothing at this address|This temporary chat is over", response.text)
            assert response.text.rstrip().endswith("event: done\ndata:")
        elif TABLE[name] is For.ONESELF:
            assert response.status_code in (200, 204, 303, 410, 422), url
    assert world.hers() == before


@pytest.mark.parametrize("name", [name for name, who in TABLE.items() if who is For.OWNER])
def test_what_is_somebody_elses_is_answered_like_what_is_not_there(world: World, name: str) -> None:
    bob = signed_in(world.app, BOB)
    hers, token = addresses(world, name)[0], bob.field("csrf_token")
    nowhere = hers
    for part in ("conversation_id", "preset_id", "saved_id", "attachment_id"):
        mine = world.ids[0][part]
        nowhere = nowhere.replace(mine, "0" * len(mine))
    nowhere = re.sub(r"/(prompts|answers)/\d+", r"/\1/999999", nowhere)
    assert hers != nowhere
    seen = [ask(bob.client, name, url, token, world, htmx=True) for url in (hers, nowhere)]
    texts = [response.text.replace(hers, nowhere) for response in seen]
    keys = re.compile(r'value="[^"]*"')  # fresh ones for a form
    assert keys.sub("", texts[0]) == keys.sub("", texts[1])
    assert seen[0].status_code == seen[1].status_code == 404


def test_alice_gets_what_is_hers(world: World) -> None:
    """Or the walk would prove nothing."""
    for name, who in TABLE.items():
        if name.startswith("GET") and who in (For.OWNER, For.ADMINS):
            for url in addresses(world, name):
                expected = (
                    404 if "moderation/sets" in url else 303 if url.endswith(("cancelled", world.ids[0]["id"])) else 200
                )
                if url.startswith("/c/") and url.endswith("/streamed"):  # leads on where no answer grows
                    assert world.alice.client.get(url, buffered=False).status_code in (200, 303)
                    continue
                assert world.alice.client.get(url).status_code == expected, url
    assert "zeugmatic" in world.alice.client.get(f"/c/{world.ids[0]['conversation_id']}").text
    stream = world.alice.client.get(f"/answers/{world.ids[0]['answer_id']}/stream").text
    assert "quincunx" in stream
    assert "sesquipedalian" in world.alice.client.get("/settings/moderation").text


def test_a_conversation_of_bobs_leads_to_none_of_alices_messages(world: World) -> None:
    bob = signed_in(world.app, BOB)
    home = world.services.conversations.ask("Bob's own", model="", owner=owner_of(world, BOB))[0].conversation_id
    for hers in world.ids:
        for message in (hers["answer_id"], hers["prompt_id"]):
            for query in (f"at={message}", f"before={message}", f"at={message}&before={message}"):
                for headers in ({}, {"HX-Request": "true"}):
                    response = bob.client.get(f"/c/{home}?{query}", headers=headers)
                    assert response.status_code in (200, 404), query
                    assert not [each for each in SECRETS if each in response.text], query


def test_a_prompt_of_bobs_follows_none_of_alices_messages(world: World) -> None:
    bob = signed_in(world.app, BOB)
    owner = owner_of(world, BOB)
    for number, hers in enumerate(world.ids):
        home = world.services.conversations.ask("Bob's own", model="", owner=owner)[0].conversation_id
        for parent in (hers["answer_id"], hers["prompt_id"]):
            form = {
                "message": "Bob's",
                "key": f"{number} {parent}",
                "parent": parent,
                "csrf_token": bob.field("csrf_token"),
            }
            response = bob.client.post(f"/c/{home}/messages", data=form)
            assert response.status_code in (303, 404, 409), response.text
        with world.services.database.reading() as connection:
            parents = connection.execute(
                sql("SELECT parent_id FROM messages WHERE conversation_id = :home"), {"home": home}
            )
            assert not {row[0] for row in parents} & {int(each) for each in (hers["answer_id"], hers["prompt_id"])}


def test_the_key_of_a_form_is_of_one_person(world: World) -> None:
    """What Alice sent with it once is not what Bob gets for his own."""
    world.alice.open("/")
    sent = world.alice.send("/messages", message="zeugmatic", key="the same key")
    bob = signed_in(world.app, BOB)
    for path in ("/messages", "/temporary"):
        response = bob.send(path, message="zeugmatic", key="the same key")
        assert response.status_code == (404 if path == "/messages" else 303)
        assert sent.location not in (response.location, response.text)


def test_a_program_of_bobs_gets_at_no_conversation_of_alices(world: World) -> None:
    key = world.services.accounts.keys.make(owner_of(world, BOB), "bob's", list(Scope), None)
    before = world.hers()
    for hers in world.ids:
        said = {"message": "Bob's", "conversation_id": hers["conversation_id"]}
        bob = world.app.test_client().post("/api/chat", json=said, headers={"Authorization": f"Bearer {key}"})
        assert (bob.status_code, bob.json and bob.json["error"]["code"]) in (
            (404, "not_there"),
            (404, "temporary_over"),
        )
        assert not [each for each in SECRETS if each in bob.text]
    assert world.hers() == before


def test_a_program_of_bobs_reads_no_answer_of_alices(world: World) -> None:
    """And hers does, or this would prove nothing."""
    make = world.services.accounts.keys.make
    keys = {who: make(owner_of(world, who), who, list(Scope), None) for who in (ALICE, BOB)}
    for hers in world.ids:
        for id in (hers["answer_id"], hers["prompt_id"], "999999", str(2**40 + 999_999)):
            for who, key in keys.items():
                headers = {"Authorization": f"Bearer {key}"}
                said = world.app.test_client().get(f"/api/answers/{id}", headers=headers)
                if who is ALICE and id == hers["answer_id"]:
                    assert said.json
                    assert said.json["conversation_id"] == hers["conversation_id"]
                    assert "quincunx" in said.json["text"]
                else:
                    assert said.status_code == 404, id
                    assert not [each for each in SECRETS if each in said.text]


def test_what_bob_downloads_is_bobs(world: World) -> None:
    bob = signed_in(world.app, BOB)
    everything = json.loads(bob.client.get("/settings/privacy/download").text)
    assert not [each for each in SECRETS if each in json.dumps(everything)]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"])
@pytest.mark.parametrize("mode", ["local", "accounts", "proxy"])
def test_figures_are_for_nobody_for_whom_a_proxy_asks(start: Start, mode: str, header: str) -> None:
    trusted = ("127.0.0.1",) if header == "X-Forwarded-For" and mode == "proxy" else ("10.0.0.1",)
    app = start(auth_mode=mode, trusted_proxies=trusted)
    client, far = app.test_client(), {"REMOTE_ADDR": "203.0.113.7"}
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 404
    assert client.get("/metrics", environ_overrides=far).status_code == 404


@pytest.mark.parametrize("mode", ["local", "accounts"])
def test_with_a_token_figures_are_for_who_has_it_wherever_they_are(start: Start, mode: str) -> None:
    app = start(auth_mode=mode, metrics_token="sixteen-characters")
    client, far = app.test_client(), {"REMOTE_ADDR": "203.0.113.7"}
    for said in ("", "Bearer", "Bearer sixteen-character", "Bearer ö", "Basic sixteen-characters"):
        refused = client.get("/metrics", headers={"Authorization": said})
        assert (refused.status_code, "METRICS_TOKEN" in refused.text) == (401, True), said
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert "insight_" not in refused.text
    token = {"Authorization": "Bearer sixteen-characters"}
    assert client.get("/metrics", headers=token).status_code == 200
    assert client.get("/metrics", headers={**token, "X-Forwarded-For": "1.2.3.4"}).status_code == 200
    assert client.get("/metrics", headers=token, environ_overrides=far).status_code == 200


def test_figures_are_for_admins_and_for_this_machine(world: World) -> None:
    bob, near, far = signed_in(world.app, BOB).client, world.app.test_client(), {"REMOTE_ADDR": "203.0.113.7"}
    assert near.get("/metrics").status_code == 200
    assert near.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
    assert near.get("/metrics", environ_overrides=far).status_code == 404
    assert bob.get("/metrics", environ_overrides=far).status_code == 404
    assert world.alice.client.get("/metrics", environ_overrides=far).status_code == 200


def owner_of(world: World, email: str) -> str:
    account = world.services.accounts.store.of_email(email)
    assert account
    return account.id


def test_where_nobody_signs_in_nothing_asks_for_it(start: Start) -> None:
    app = start(auth_mode="local", ratelimit_enabled=False)
    client = app.test_client()
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/").text)[0]
    for name, rule in routes(app).items():
        url = re.sub(r"<(?:\w+:)?(\w+)>", "1", rule.rule)
        for headers in ({}, {"HX-Request": "true"}):
            told = {"csrf_token": token, "message": "Hi", "key": f"{url} {headers}"}
            response = (
                client.get(url, headers=headers)
                if name.startswith("GET")
                else client.post(url, data=told, headers=headers)
            )
            assert response.status_code not in (401, 403, 500), name
            assert "/sign-in" not in response.headers.get("Location", ""), name
            assert "HX-Redirect" not in response.headers, name
            response.close()


@pytest.mark.parametrize("name", TABLE)
def test_nothing_that_somebody_types_becomes_a_header(world: World, name: str) -> None:
    """The last of the walk: Alice's things are changed by it."""
    for poison in (
        "a\r\nX-Injected: yes",
        "/a\nX-Injected: yes",
        "a%0d%0aX-Injected:%20yes",
        "\u560d\u560aX-Injected: yes",
    ):
        alice = signed_in(world.app, ALICE)
        fields = {
            **FORM,
            "next": poison,
            "password": poison,
            "new_password": poison,
            "expires": poison,
            "model": poison,
        }
        fields |= {field: f"{poison}@example.org" if field == "email" else poison for field in FORM}
        fields |= {
            "csrf_token": alice.field("csrf_token"),
            "key": f"{name} {poison}",
            "try_text": poison,
            "pasted": poison,
        }
        for url in [*addresses(world, name), re.sub(r"<(?:\w+:)?(\w+)>", quote(poison), routes(world.app)[name].rule)]:
            if name == "POST /api/chat":
                response = alice.client.post(url, json={"message": poison, "model": poison, "conversation_id": poison})
            elif name.startswith("GET"):
                response = alice.client.get(
                    url, query_string=dict.fromkeys(("next", "done", "said", "id", "name"), poison)
                )
            else:
                response = alice.client.post(url, data=fields)
            assert response.status_code < 500, (url, response.text)
            assert "X-Injected" not in response.headers
            assert not [value for _, value in response.headers if "\n" in value or "\r" in value]
            response.close()
