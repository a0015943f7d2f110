"""How somebody's words get through each route, whatever they do to it.

A route that is new needs a line in WAYS: its method and rule as app.url_map has them, and the fields of its form with
words in them. Everything else that a request can carry (query, headers, cookies, files, JSON of wrong shapes, ids that
are none) is tried on every route by itself.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
from canary import PLAIN, WORD, WORDS
from flask import Flask
from visitor import RealClient, Visitor
from werkzeug.routing import Rule

from insight_app.health.streaming import address


@dataclass(frozen=True)
class Way:
    """What a route takes: the fields of its form, JSON, or a query.

    `path` has the parts of its address that World does not know.
    """

    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    query: str | Callable[[], str] = ""
    path: Mapping[str, str] = field(default_factory=dict)


RULE = Way(
    {
        "name": WORD,
        "kind": "phrase",
        "text": WORDS,
        "scope": "both",
        "action": "flag",  # the others would keep the next route's words from being sent
        "reason": WORDS,
        "is_on": "y",
        "seen": WORD,
        "try_text": WORDS,
        "try_scope": "prompts",
        "editing": WORD,
    }
)
FILE = {"format": "insightsphere rules", "version": 1, "rules": [{"name": WORD, "kind": "words", "text": WORD}]}
FILE["rules"][0] |= {"action": "flag", "scope": "both", "reason": WORDS}
COPY = {"title": WORD, "instructions": WORDS, "messages": [{"role": "user", "text": WORDS, "model": WORD}]}
RULE_SET = {"name": "strict"}
INSTRUCTIONS = Way({"base": WORDS, **dict.fromkeys(("with_base", "with_wrapper", "with_date", "with_own"), "y")})
PROMPT = Way({"message": WORDS, "model": WORD, "key": WORD, "parent": WORD})
CALL = {"id": WORD, "function": {"name": WORD, "arguments": json.dumps({WORD: [WORDS]})}}
COMPLETION = {
    "model": PLAIN,
    "messages": [
        {"role": "system", "content": WORDS},
        {"role": "user", "content": [{"type": "text", "text": WORDS}], "name": WORD},
        {"role": "assistant", "content": WORDS, "tool_calls": [CALL]},
        {"role": "tool", "content": WORDS, "tool_call_id": WORD},
        {"role": "user", "content": WORDS},
    ],
    "stop": [WORD],
    "tools": [{"type": "function", "function": {"name": WORD, "description": WORDS, "parameters": {WORD: WORDS}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": WORD, "schema": {WORD: WORDS}}},
    "user": WORD,
    "metadata": {WORD: WORDS},
}
NOTHING = Way()
OPTIONS = {"instructions": WORDS, "model": WORD, "temperature": "0.5", "longest": "9", "seed": "7", "thinking": "off"}
OPTIONS |= {"context": "2048", "keep_alive": "5m"}
BEGINNING = {"preset": WORD, "options": json.dumps({"model": WORD, WORD: WORDS}), "instructions": WORDS}
PROMPT_TO_KEEP = Way({"name": WORD, "text": f"{WORDS} {{{{{WORD}={WORD}}}}}"})
WAYS: dict[str, Way] = {
    "GET /": NOTHING,
    "POST /messages": Way({**PROMPT.form, **BEGINNING}),
    "GET /temporary": NOTHING,
    "POST /temporary": Way({**PROMPT.form, **BEGINNING}),
    "POST /draft": Way(PROMPT.form, query=f"for=options&preset={PLAIN}"),
    "GET /options": Way(query=f"preset={PLAIN}&temporary={PLAIN}"),
    "POST /options": Way(OPTIONS),
    "GET /c/<conversation_id>/options": Way(query=f"preset={PLAIN}"),
    "POST /c/<conversation_id>/options": Way(OPTIONS),
    "POST /c/<conversation_id>/options/preset": Way({**OPTIONS, "name": WORD}),
    "GET /settings/presets": Way(query=f"find={PLAIN}"),
    "GET /settings/presets/new": Way(query=f"from={PLAIN}"),
    "POST /settings/presets": Way({**OPTIONS, "name": WORD}),
    "GET /settings/presets/<preset_id>": NOTHING,
    "POST /settings/presets/<preset_id>": Way({**OPTIONS, "name": WORD}),
    "POST /settings/presets/<preset_id>/delete": Way({"name": WORDS}),
    "GET /settings/presets/prompts/new": NOTHING,
    "POST /settings/presets/prompts": PROMPT_TO_KEEP,
    "GET /settings/presets/prompts/<saved_id>": NOTHING,
    "POST /settings/presets/prompts/<saved_id>": PROMPT_TO_KEEP,
    "POST /settings/presets/prompts/<saved_id>/delete": Way({"text": WORDS}),
    "GET /saved-prompts": Way(query=f"find={PLAIN}&to={PLAIN}"),
    "GET /saved-prompts/<saved_id>": Way(query=f"to={PLAIN}"),
    "POST /saved-prompts/<saved_id>": Way({"value-0": WORDS}),
    "GET /c/<conversation_id>": NOTHING,
    "GET /c/<conversation_id>/streamed": NOTHING,
    "POST /c/<conversation_id>/messages": PROMPT,
    "GET /c/<conversation_id>/edit": NOTHING,
    "POST /c/<conversation_id>/edit": Way({"title": WORDS}),
    "GET /c/<conversation_id>/row": NOTHING,
    "POST /c/<conversation_id>/delete": Way({"message": WORDS}),
    "POST /c/<conversation_id>/archive": Way({"archived": "1", "stay": WORD, "message": WORDS}),
    "POST /c/<conversation_id>/undo": Way({"message": WORDS}),
    "POST /c/<conversation_id>/purge": Way({"message": WORDS}),
    "GET /archived": Way(query=f"before=99999999999&id={PLAIN}"),
    "GET /bin": NOTHING,
    "GET /search": Way(query=f"q={PLAIN}"),
    "GET /conversations": Way(query=f"before=99999999999&id={PLAIN}"),
    "GET /prompts/<int:prompt_id>": NOTHING,
    "GET /prompts/<int:prompt_id>/edit": NOTHING,
    "POST /prompts/<int:prompt_id>/delete": Way({"message": WORDS}),
    "GET /answers/<int:answer_id>/stream": NOTHING,
    "GET /answers/<int:answer_id>/text": NOTHING,
    "POST /answers/<int:answer_id>/stop": Way({"message": WORDS}),
    "POST /answers/<int:answer_id>/again": Way({"message": WORDS, "model": WORD}),
    "POST /answers/<int:answer_id>/continue": Way({"message": WORDS, "model": WORD}),
    "POST /c/<conversation_id>/pin": Way({"pinned": "1", "message": WORDS}),
    "GET /models": NOTHING,
    "POST /attachments": Way({"message": WORDS, "temporary": WORD}),
    "GET /attachments": Way(query=f"id={PLAIN}"),
    "POST /attachments/<attachment_id>/delete": Way({"message": WORDS}),
    "GET /attachments/<attachment_id>": NOTHING,
    "GET /models/picker": NOTHING,
    "GET /models/now": Way(query=f"at={PLAIN}"),
    "POST /models/pull": Way({"name": PLAIN}),
    "POST /models/cancel": Way({"name": WORDS}),
    "POST /models/forget": Way({"name": WORDS}),
    "POST /models/remove": Way({"name": WORDS}),
    "POST /models/unload": Way({"name": WORDS}),
    "GET /settings/appearance": NOTHING,
    "POST /settings/appearance": Way({"theme": "dark", "language": "", "keys": WORD}),
    "GET /shortcuts": NOTHING,
    "GET /manifest.webmanifest": NOTHING,
    "GET /settings/moderation": NOTHING,
    "GET /settings/moderation/rules/new": NOTHING,
    "GET /settings/moderation/rules/cancelled": NOTHING,
    "POST /settings/moderation/rules": RULE,
    "GET /settings/moderation/rules/<id>": NOTHING,
    "GET /settings/moderation/rules/<id>/edit": NOTHING,
    "POST /settings/moderation/rules/<id>": RULE,
    "POST /settings/moderation/rules/<id>/switch": Way({"is_on": "yes", "name": WORDS}),
    "POST /settings/moderation/rules/<id>/move": Way({"way": "up", "name": WORDS}),
    "POST /settings/moderation/rules/<id>/delete": RULE,
    "POST /settings/moderation/try": RULE,
    "GET /settings/moderation/sets/<name>": Way(path=RULE_SET),
    "POST /settings/moderation/sets/<name>": Way({"name": WORDS}, path=RULE_SET),
    "GET /settings/moderation/export": NOTHING,
    "GET /settings/moderation/import": NOTHING,
    "POST /settings/moderation/import": Way({"pasted": json.dumps(FILE), "seen": "yes"}),
    "GET /settings/moderation/history": NOTHING,
    "POST /settings/moderation/changes/<int:change_id>/undo": Way({"name": WORDS}),
    "GET /settings/moderation/judge": NOTHING,
    "POST /settings/moderation/judge": Way({"model": WORD, "prompts": "y", "seconds": "5", "late": "refuse"}),
    "POST /settings/moderation/judge/categories": Way({"model": WORD}),
    "POST /answers/<int:answer_id>/rating": Way({"rating": WORD}),
    "GET /c/<conversation_id>/export.<any(json, md):kind>": Way(path={"kind": "md"}),
    "GET /settings/copies": NOTHING,
    "POST /settings/copies": Way({"pasted": json.dumps([COPY])}),
    "GET /settings/copies/conversations.json": NOTHING,
    "GET /settings/copies/conversations.zip": NOTHING,
    "GET /settings/privacy": NOTHING,
    "POST /settings/privacy/keep": Way({"keep": "days", "days": "30", "message": WORDS}),
    "GET /settings/privacy/diagnostics": NOTHING,
    "POST /settings/privacy/diagnostics": Way({"seconds": "900", "message": WORDS}),
    "POST /settings/privacy/diagnostics/delete": Way({"message": WORDS}),
    "GET /settings/privacy/diagnostics/download": NOTHING,
    "GET /settings/privacy/download": NOTHING,
    "POST /settings/privacy/delete": Way({"message": WORDS}),
    "GET /settings/privacy/kept": NOTHING,
    "GET /settings/usage": NOTHING,
    "GET /settings/usage/all": Way(query=f"days={PLAIN}"),
    "GET /settings/usage/all.csv": Way(query=f"days={PLAIN}"),
    "GET /api/usage": Way(query=f"days={PLAIN}"),
    "GET /settings/prompt": NOTHING,
    "POST /settings/prompt": INSTRUCTIONS,
    "POST /settings/prompt/preview": INSTRUCTIONS,
    "POST /api/chat": Way(json={"message": WORDS, "model": WORD, "conversation_id": WORD, "temporary": True}),
    "GET /api/answers/<int:answer_id>": NOTHING,
    "GET /api/openapi.json": NOTHING,
    "POST /v1/chat/completions": Way(json=COMPLETION),
    "GET /v1/models": NOTHING,
    "GET /v1/models/<path:model>": Way(path={"model": PLAIN}),
    "GET /settings/health": NOTHING,
    "GET /settings/health/streamed": NOTHING,
    "GET /health/stream": Way(query=lambda: address("only for these tests").partition("?")[2]),
    "GET /settings/api": NOTHING,
    "GET /assets/<name>": NOTHING,
    "GET /healthz": NOTHING,
    "GET /readyz": NOTHING,
    "GET /metrics": NOTHING,
}
# Each is sent with each request of a route; a browser, a proxy or a program could.
HEADERS = {
    "User-Agent": PLAIN,
    "Referer": f"http://localhost/c/{PLAIN}?{PLAIN}",
    "HX-Current-URL": f"http://localhost/c/{PLAIN}?at={PLAIN}",
    "Last-Event-ID": PLAIN,
    "Cookie": f"{PLAIN}={PLAIN}; insight-8000={PLAIN}",
    "Accept-Language": PLAIN,
    "If-None-Match": PLAIN,
    "Authorization": f"Bearer {PLAIN}",
    "X-Forwarded-For": PLAIN,
    "X-Request-Id": PLAIN,
    PLAIN: PLAIN,
}
SHAPES: tuple[Any, ...] = (WORDS, [WORDS], {"message": [WORDS]}, {WORDS: {WORDS: WORDS}}, {"message": {"text": WORDS}})
QUERY = "?" + "&".join(f"{name}={quote(WORDS)}" for name in ("at", "before", "id", "from", "model", quote(WORD)))


class WireClient(RealClient):
    """What is needed of Flask's client, over a connection to a server of its own."""

    def open(self, path: str, method: str, **given: Any) -> requests.Response:
        given["json"] = given.pop("json", None)
        if (data := given.pop("data", None)) and isinstance(data, dict) and (file := data.pop("file", None)):
            given["files"] = {"file": (file[1], file[0])}
        kind = given.pop("content_type", None)
        headers = {**given.pop("headers", {}), **({"Content-Type": kind} if kind else {})}
        return self._ask(method, path, data=data, headers=headers, **given)


class World:
    """Somebody with a conversation of one prompt and its answer, made anew for each route, since routes delete."""

    def __init__(self, client: Any) -> None:
        self.visitor = Visitor(client)
        self.visitor.open("/")
        answer_id = self.visitor.asks_and_waits(WORDS)
        self.parts = {
            "conversation_id": self.visitor.url.removeprefix("/c/"),
            "answer_id": str(answer_id),
            "prompt_id": str(answer_id - 1),
        }
        file = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{WORD}.txt"\r\n\r\n{WORDS}\r\n'
        token = (
            f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{self.visitor.field("csrf_token")}\r\n'
        )
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        chip = self.visitor.client.post("/attachments", data=f"{file}{token}--x--\r\n".encode(), headers=form).text
        self.parts["attachment_id"] = re.findall('data-id="([^"]+)"', chip)[0]
        self.parts["name"] = re.findall(r"/assets/([^\"]+)", self.visitor.page)[0]
        self.visitor.send("/settings/presets", **OPTIONS, name=WORD)
        self.visitor.send("/settings/presets/prompts", **PROMPT_TO_KEEP.form)
        kept = self.visitor.open("/settings/presets")
        for name, place in (("preset_id", "presets"), ("saved_id", "presets/prompts")):
            self.parts[name] = re.findall(rf'"/settings/{place}/([\w-]{{10,}})"', kept)[0]
        rules = self.visitor.open("/settings/moderation")
        self.parts["id"] = (re.findall(r"/settings/moderation/rules/(rule-[^/\"]+)", rules) or ["rule-1"])[0]
        page = self.visitor.open(f"/settings/moderation/rules/{self.parts['id']}/edit")
        self.seen = (re.findall(r'name="seen"[^>]* value="([^"]*)"', page) or [""])[0]
        self.token = self.visitor.field("csrf_token")

    def address(self, rule: Rule, way: Way, *, invented: bool = False) -> str:
        """The route's address, for what is there, or for what only somebody's words name."""
        url = rule.rule
        for name in rule.arguments:
            is_number = f"<int:{name}>" in url
            known = {**self.parts, **way.path}.get(name, "1")
            given = known if not invented else "9" * 11 if is_number else quote(WORD, safe="")
            url = re.sub(rf"<(?:[^<>]+:)?{name}>", lambda _, given=given: given, url)  # type: ignore[misc]
        return url


def routes(app: Flask) -> dict[str, Rule]:
    """All that the app has, by method and rule."""
    return {
        f"{method} {rule.rule}": rule
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    }


def sends(client: Any, name: str, rule: Rule) -> set[int]:
    """Words by everything that a request to the route can carry; returns the statuses that came back."""
    way = WAYS.get(name, NOTHING)
    method = name.partition(" ")[0]
    world = World(client)
    statuses = set()
    for number, request in enumerate(_requests(world, rule, way, method)):
        with_key = request.get("data")
        if isinstance(with_key, dict) and "key" in with_key:
            with_key["key"] += str(number)
        response = client.open(**{"method": method, **request})
        response.get_data() if hasattr(response, "get_data") else response.content
        response.close()
        statuses.add(response.status_code)
    return statuses


def _requests(world: World, rule: Rule, way: Way, method: str) -> Iterator[dict[str, Any]]:
    there, nowhere = world.address(rule, way), world.address(rule, way, invented=True)
    form = {"csrf_token": world.token, **way.form}
    for url in (nowhere, there):
        yield {"path": url, "method": "PUT", "data": WORDS.encode(), "headers": HEADERS}
        yield {"path": url, "headers": {"Host": f"{PLAIN}.example"}}
        if method == "GET":
            yield {"path": f"{url}?{way.query() if callable(way.query) else way.query}"}
            yield {"path": url + QUERY}
            yield {"path": url + QUERY, "headers": {"HX-Request": "true"}}
            yield {"path": url + QUERY, "headers": HEADERS}
            continue
        for shape in SHAPES:
            yield {"path": url, "json": shape}
        yield {"path": url, "data": WORDS.encode(), "content_type": "application/json"}
        yield {"path": url, "data": WORDS.encode(), "content_type": f"text/{PLAIN}; charset={PLAIN}"}
        yield {"path": url, "data": {WORD: WORDS}}
        yield {"path": url, "data": dict(way.form)}  # without the session's token
        yield {"path": url, "data": {**form, "csrf_token": WORD}}
        yield {"path": url, "data": {**form, "file": (io.BytesIO(WORDS.encode()), f"{WORD}.txt")}}
        if way.json is not None:
            yield {"path": url, "json": dict(way.json)}
            yield {"path": url, "json": {**way.json, "stream": True}}
            yield {"path": url, "json": {**way.json, "model": WORD, "temperature": WORD}}
            for name in way.json:
                yield {"path": url, "json": {**way.json, name: [WORDS, {WORD: WORDS}]}}
            yield {"path": url, "json": {"message": WORDS}, "headers": {"Accept": "text/event-stream"}}
            yield {"path": url, "json": {"message": WORDS}}
        yield {"path": url + QUERY, "data": dict(form), "headers": {"HX-Request": "true", **HEADERS}}
        yield {"path": url, "data": {**form, "model": "", "parent": ""}, "headers": {"HX-Request": "true"}}
        yield {"path": url, "data": {**form, "model": "", "parent": ""}}
        yield {"path": url, "data": {**form, "model": "", "seen": world.seen}}
