"""Whatever stands in a field of a form, in a query, a cookie or an address: it is answered, and is no fault of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from canary_routes import WAYS, Way, World, routes
from flask import Flask
from own_app import running
from scripted_ollama import ScriptedOllama
from werkzeug.routing import Rule

from insight_app.config import Settings
from insight_app.health import streaming
from insight_app.services import Services

# Numbers that no database and no float has, texts that no database takes, and what means something to somebody else.
ODD = (
    "9" * 40,
    "-1",
    "nan",
    "a\0b\r\nSet-Cookie: a=b",
    "\U000e0001\u202e\u2066%00../../etc/passwd",
    "<script>alert(1)</script>\"'>{{ 7*7 }}{% raw %}",
    '{"model": ' + "[" * 2000,
    "x" * 70_000,
)
QUERY = ("at", "before", "id", "from", "to", "preset", "deleted", "q", "find", "part", "pinned", "temporary", "done")
QUERY += ("days", "next", "model", "text", "uri", "draft")
HEADERS = ("Accept-Language", "Last-Event-ID", "HX-Current-URL", "Referer", "Range", "If-None-Match")
COOKIES = ("theme", "language", "keys", "sidebar", "zone")
FIELDS = ("attachment", "options", "preset", "value-0", "parent", "rating", "now", "instructions", "temporary")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with ScriptedOllama() as ollama, pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "GAP_SECONDS", 0.0)
        settings = Settings(
            secret_key="only for these tests",
            data_dir=tmp_path_factory.mktemp("odd"),
            ollama_base_url=ollama.url,
            engine_wait_seconds=0,
            ratelimit_enabled=False,
            titles="words",
        )
        with running(settings) as app:
            yield app


def attempts(world: World, rule: Rule, way: Way, method: str, odd: str) -> Iterator[dict[str, Any]]:
    """Requests with the odd value in the place of the address' parts, of each field, and of all at once."""
    url, form, named = world.address(rule, way), {"csrf_token": world.token, **way.form}, rule.rule
    for each in rule.arguments:
        named = re.sub(rf"<(path:)?{each}>", lambda _: quote(odd[:500], safe=""), named)
        named = named.replace(f"<int:{each}>", "9" * 30)
    if rule.arguments:
        yield {"path": named, "data": form}
    if method == "GET":
        yield {"path": url, "query_string": dict.fromkeys(QUERY, odd[:3000])}
        yield {"path": url, "query_string": dict.fromkeys(QUERY, odd[:3000]), "headers": {"HX-Request": "true"}}
        line = "".join(letter for letter in odd[:4000] if letter.isprintable()).encode("latin-1", "replace")
        headers = dict.fromkeys(HEADERS, line.decode("latin-1"))
        yield {
            "path": url,
            "headers": {**headers, "Cookie": "; ".join(f"{each}={quote(odd[:500])}" for each in COOKIES)},
        }
        return
    for each in way.form:
        yield {"path": url, "data": {**form, each: odd}}
    yield {"path": url, "data": {**form, **dict.fromkeys(FIELDS, odd)}}
    yield {"path": url, "data": {**form, **dict.fromkeys(way.form, odd)}, "headers": {"HX-Request": "true"}}
    for each in way.json or ():
        yield {"path": url, "json": {**(way.json or {}), each: odd}}


# Rules have tests of their own; what odd ones do would decide what the rest may say.
NAMES = [name for name in WAYS if "/settings/moderation" not in name]


@pytest.fixture(scope="module")
def seen(app: Flask) -> World:
    """For all that only look, as which they are before those that change something."""
    return World(app.test_client())


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("GET ")])
def test_no_value_that_a_page_is_asked_with_is_a_fault_of_ours(app: Flask, seen: World, name: str) -> None:
    _withstands(app, seen, name)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("GET ")])
def test_no_value_that_is_sent_is_a_fault_of_ours(app: Flask, name: str) -> None:
    services: Services = app.extensions["insight"]
    services.delete_everything_of("")
    _withstands(app, World(app.test_client()), name)


def _withstands(app: Flask, world: World, name: str) -> None:
    faults, method = app.extensions["insight"].metrics.faults, name.partition(" ")[0]
    before = faults._value.get()
    for odd in ODD:
        for request in attempts(world, routes(app)[name], WAYS[name], method, odd):
            response = world.visitor.client.open(**{"method": method, **request})
            response.get_data()
            response.close()
            told = {what: str(value)[:300] for what, value in request.items()}
            assert response.status_code < 500, told
            assert faults._value.get() == before, told
