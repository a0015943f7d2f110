"""Every page in a language of which each message is known by its ⟦brackets⟧: nothing is said outside of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import catalogs
import pytest
from canary_routes import routes
from flask.testing import FlaskClient
from people import ALICE
from test_accounts_walk import TABLE, For, World, addresses, world  # noqa: F401
from visitor import Visitor

from insight_app import languages
from insight_app.health import streaming

# One that does not use Latin letters, so that what Babel says of times and sizes is no doubt either.
CODE = "ja"
SPOKEN = ("title", "aria-label", "aria-description", "placeholder", "alt")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# What is the same in every language: names, and what somebody wrote, which is known by its direction of its own.
NAMES = ("InsightSphere AI", "InsightSphere", "UTC", "sec", "MB", "GB", "kB", "curl", "Python", "JavaScript")
NAMES += ("llama3.2:latest", "llama3.2", "Llama Guard 3", "ShieldGemma", "Granite Guardian", "English", "ollama")
WRITTEN = ("zeugmatic", "quincunx", "sesquipedalian", "hemiola", "Firefox", "Linux", "Bob's", "IBAN")


class Listener(HTMLParser):
    """What somebody sees or hears of a page that is no text of theirs, no code and no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._foreign: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        is_foreign = tag in ("bdi", "code", "pre", "style", "script", "textarea") or given.get("dir") == "auto"
        is_foreign = (
            is_foreign
            or given.get("lang") == "en"
            or given.get("data-part") == "answer"
            or given.get("class") == "code-lang"
        )
        if not any(self._foreign):
            self.said += [value or "" for name, value in attributes if name in SPOKEN or name.startswith("data-said")]
            if tag == "template":
                self.said += [value or "" for name, value in attributes if name.startswith("data-")]
        if tag not in VOID:
            self._foreign.append(is_foreign)

    def handle_endtag(self, tag: str) -> None:
        if self._foreign and tag not in VOID:
            self._foreign.pop()

    def handle_data(self, text: str) -> None:
        if not any(self._foreign):
            self.said.append(text)


def unmarked(page: str) -> list[str]:
    """The words of a page that are in no message."""
    listener = Listener()
    listener.feed(page)
    text = "\n".join(listener.said)
    before = ""
    while text != before:  # messages stand in messages
        before, text = text, re.sub("⟦[^⟦⟧]*⟧", " ", text)
    text = re.sub(r"[\w.+-]+@[\w.-]+|https?://\S+", " ", text)
    for name in (*NAMES, *WRITTEN):
        text = text.replace(name, " ")
    return re.findall(r"[A-Za-z]{2,}[^\n]*", text)


@pytest.fixture(scope="module", autouse=True)
def in_brackets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("translations")
        catalogs.write_pseudo(folder / f"{CODE}.po", CODE)
        patch.setattr(languages, "TRANSLATIONS", folder)
        patch.setattr(streaming, "GAP_SECONDS", 0.0)
        languages.codes.cache_clear()
        languages._catalog.cache_clear()
        yield folder
    languages.codes.cache_clear()
    languages._catalog.cache_clear()


@pytest.fixture
def alice(world: World) -> Visitor:  # noqa: F811
    """Alice, an admin, in that language."""
    world.alice.client.set_cookie(languages.COOKIE, CODE)
    return world.alice


def drawn(client: FlaskClient, url: str, **headers: str) -> str:
    response = client.get(url, headers=headers)
    return response.text if response.mimetype in ("text/html", "text/event-stream") else ""


def test_no_page_says_anything_that_is_not_in_the_catalog(world: World, alice: Visitor) -> None:  # noqa: F811
    found: dict[str, list[str]] = {}
    for name, who in TABLE.items():
        if not name.startswith("GET") or who in (For.PROGRAMS, For.STREAM) or name.endswith("/streamed"):
            continue  # what does not end has tests of its own
        for url in addresses(world, name):
            for headers in ({}, {"HX-Request": "true"}):
                if words := unmarked(drawn(alice.client, url, **headers)):
                    found[f"{url} {headers}"] = words
    for name in ("strict", "family", "workplace"):
        url = f"/settings/moderation/sets/{name}"
        if words := unmarked(drawn(alice.client, url)):
            found[url] = words
    assert not found
    assert "⟦" in drawn(alice.client, "/")
    finished = drawn(alice.client, f"/answers/{world.ids[0]['answer_id']}/stream")
    assert not unmarked(re.sub("(?m)^(data|event|id):", "", finished).replace("done", ""))


def test_no_form_says_anything_that_is_not_in_the_catalog(world: World, alice: Visitor) -> None:  # noqa: F811
    """What comes back of forms that are wrong, or of nothing at all."""
    wrong = {"name": "", "kind": "pattern", "text": "(", "scope": "both", "action": "mask", "label": "", "email": "x"}
    wrong |= {"new_password": "short", "password": "wrong", "seconds": "0", "model": "none", "days": "0"}
    wrong |= {"keep": "days", "answers_per_day": "x", "which": "some", "try_text": "x", "pasted": "{", "message": ""}
    found: dict[str, list[str]] = {}
    unsafe = ("delete", "end", "sign-out", "revoke", "withdraw", "switch", "undo", "move", "stop", "pin")
    for name, who in TABLE.items():
        if not name.startswith("POST") or who is For.PROGRAMS or name.rpartition("/")[2] in unsafe:
            continue
        for url in addresses(world, name):
            for headers in ({}, {"HX-Request": "true"}):
                for form in (wrong, {}):
                    token = alice.field("csrf_token")
                    response = alice.client.post(url, data={**form, "csrf_token": token}, headers=headers)
                    if response.mimetype == "text/html" and (words := unmarked(response.text)):
                        found[f"{url} {headers} {bool(form)}"] = words
    assert not found


def test_a_stranger_and_who_is_refused_are_told_in_their_language(world: World) -> None:  # noqa: F811
    client = world.app.test_client()
    client.set_cookie(languages.COOKIE, CODE)
    for url in ("/sign-in", "/sign-in?said=over", "/new-password/guessed", "/nowhere", "/sign-up"):
        page = client.get(url, follow_redirects=True).text
        assert "⟦" in page
        assert not unmarked(page), url
    told = client.get(f"/answers/{world.ids[0]['answer_id']}/stream").text
    assert "⟦You are not signed in here any more.⟧" in told
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/sign-in").text)[0]
    for email in ("", "x", ALICE):
        page = client.post("/sign-in", data={"email": email, "password": "no", "csrf_token": token}).text
        assert not unmarked(page)


def test_an_answer_that_grows_is_told_of_in_the_readers_language(world: World, alice: Visitor) -> None:  # noqa: F811
    """The stream is written long after the view has returned."""
    growing = world.ids[-1]
    address = f"/answers/{growing['answer_id']}/stream"
    response = alice.client.get(address, buffered=False)
    seen, until = "", time.monotonic() + 10
    for piece in response.response:
        seen += piece.decode()
        if "⟦Writing⟧" in seen or time.monotonic() > until:
            break
    response.close()
    assert "⟦Writing⟧" in seen
    assert not unmarked(re.sub("(?m)^(data|event|id): ?", "", seen))
    page = alice.client.get(f"/c/{growing['conversation_id']}/streamed", buffered=False)
    seen = ""
    for piece in page.response:
        seen += piece.decode()
        if 'class="answer growing"' in seen:
            break
    page.close()
    assert "⟦Writing⟧" in seen
    assert not unmarked(seen)


def test_programs_and_logs_are_told_in_english(world: World, alice: Visitor) -> None:  # noqa: F811
    assert alice.client.get("/v1/models").json["error"]["message"].startswith("This needs a key")
    assert set(TABLE) == set(routes(world.app))
