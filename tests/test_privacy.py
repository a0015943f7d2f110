"""No word of anybody's gets into what the process writes, whichever way it came and whatever happens to it."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from canary import (
    FORMS,
    PARTS,
    PLAIN,
    WORD,
    WORDS,
    expect_none,
    found_in,
    in_files,
    in_processes,
    in_redis,
    is_kept,
)
from canary_routes import CALL, COMPLETION, WAYS, WireClient, routes, sends
from chat_page import ROOT, free_port, started
from faults_seen import written
from flask import Flask
from own_app import Start
from own_redis import OwnRedis
from scripted_ollama import ScriptedOllama, closed, done, error, line, raw, status, thinking
from sqlalchemy.exc import OperationalError
from visitor import Visitor

from insight_app.chat import redis_keys
from insight_app.config import Settings
from insight_app.errors import EngineError, InsightError, every_error, explain
from insight_app.health import streaming
from insight_app.moderation.rulebook import RULE, as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Entry
from insight_app.services import Services
from insight_app.telemetry import logs

COMPLETIONS = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream that the doctor asks for takes its time; here it is asked for again and again."""
    monkeypatch.setattr(streaming, "GAP_SECONDS", 0.0)


class Wrote:
    """Everything that the process has written and that others can read; what was looked at is not read again."""

    def __init__(self, app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
        self._app = app
        self._capfd = capfd
        self.said = ""  # all of it, on standard error

    def expect_no_words(self, after: str = "") -> None:
        new = self._capfd.readouterr()
        self.said += new.err
        found = {"standard output": new.out.encode(), "standard error": new.err.encode()}
        found |= in_files(self._app.extensions["insight"].settings.data_dir, but=is_kept)
        found |= in_processes(os.getpid()) | for_strangers(self._app.test_client())
        expect_none({f"{place} ({after})": data for place, data in found.items()})


@pytest.fixture(params=["JSON", "readable"])
def wrote(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str], app: Flask, ollama: ScriptedOllama
) -> Iterator[Wrote]:
    """What is written with every logger at its loudest, in both forms that logs have."""
    ollama.models.append(PLAIN)
    app.extensions["insight"].engine.look()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    logs.configure("debug", readable=request.param == "readable")
    for logger in [logging.root, *loggers]:
        logger.setLevel(logging.DEBUG)
    yield Wrote(app, capfd)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logs.configure("info")


def for_strangers(client: Any) -> dict[str, bytes]:
    """What the product tells whoever asks; a page's list of conversations is for the person whose they are."""
    found = {}
    for url in ("/metrics", "/readyz", "/healthz", "/nowhere", "/api/nowhere", "/c/nothing", "/c/temporary-nothing"):
        response = client.get(url)
        page = re.sub(r'(?s)<nav id="sidebar".*?</nav>|<select.*?</select>', "", response.text)
        page = page.replace(f'model="{PLAIN}"', "")  # figures name models, but only those that an engine has
        found[url] = page.encode() + repr(response.headers).encode()
    return found


def test_every_route_is_tried(app: Flask) -> None:
    unknown = routes(app).keys() - WAYS.keys()
    assert not unknown, f"tests/canary_routes.py says how words get through each route: add {sorted(unknown)} to WAYS"
    gone = WAYS.keys() - routes(app).keys()
    assert not gone, f"there are no such routes any more: {sorted(gone)}"


def test_nothing_that_a_request_carries_is_written(
    app: Flask, services: Services, ollama: ScriptedOllama, wrote: Wrote
) -> None:
    ollama.script(thinking(WORDS), WORDS)
    for name, rule in routes(app).items():
        statuses = sends(app.test_client(), name, rule)
        assert min(statuses) < 400, f"{name} took nothing of what tests/canary_routes.py sends: {statuses}"
        wrote.expect_no_words(name)
        services.personal.delete_outdated(time.time())  # or each page would list more of them than the one before
    assert "/c/<conversation_id>/messages" in wrote.said


def test_no_error_tells_the_words_that_it_is_about(
    services: Services, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, wrote: Wrote
) -> None:
    facts = dict.fromkeys(("model", "url", "reason", "context", "length", "limit", "seconds"), WORDS)
    for code in every_error():
        told = explain(code, **facts)

        def fails(*_: Any, told: InsightError = told, **__: Any) -> Any:
            raise told from ValueError(WORDS)

        if isinstance(told, EngineError):
            with monkeypatch.context() as patch:
                patch.setattr(services.engine, "stream", fails)
                visitor.open("/")
                written(visitor.asks_and_waits(WORDS))
                visitor.client.post("/api/chat", json={"message": WORDS})
                visitor.client.post(COMPLETIONS, json=COMPLETION)
        visitor.open("/")
        with monkeypatch.context() as patch:
            patch.setattr(services.conversations, "ask", fails)
            for htmx in (False, True):
                visitor.send("/messages", htmx=htmx, message=WORDS, key=WORD)
            visitor.client.post("/api/chat", json={"message": WORDS})
        wrote.expect_no_words(code)


ENGINES: dict[str, tuple[Any, ...]] = {
    "a refusal": (status(500, {"error": WORDS}),),
    "a refusal that is no JSON": (status(400, WORDS.encode(), PLAIN),),
    "an error line": ("half ", error(WORDS)),
    "an error that is no text": ("half ", error({WORD: [WORDS]})),
    "no end": (WORDS, closed),
    "no HTTP": (raw(f"{PLAIN} {WORDS}\r\n\r\n".encode()),),
    "bad headers": (raw(f"HTTP/1.1 200 OK\r\n{PLAIN}\r\n{WORDS}\r\nContent-Length: x{PLAIN}\r\n\r\n".encode()),),
    "a redirect": (raw(f"HTTP/1.1 307 {PLAIN}\r\nLocation: http://{PLAIN}/\r\nContent-Length: 0\r\n\r\n".encode()),),
    "a line that is no JSON": (WORDS, f"{WORDS}\n".encode()),
    "a line of other types": (line(message={"content": [WORDS]}),),
    "calls that are none": (line(message={"tool_calls": {WORD: WORDS}}),),
    "calls": (line(message={"tool_calls": [CALL]}),),
    "a line from elsewhere": (line(message={"content": WORDS}, remote_host=PLAIN),),
    "a broken length of a chunk": (WORDS, raw(f"{PLAIN}\r\n".encode())),
    "an answer that is too long": (WORDS, done(done_reason="length")),
}


def test_nothing_that_an_engine_says_is_written(visitor: Visitor, ollama: ScriptedOllama, wrote: Wrote) -> None:
    for name, steps in ENGINES.items():
        visitor.open("/")
        ollama.script(*steps)
        written(visitor.asks_and_waits(WORDS))
        ollama.script(*steps)
        with visitor.client.post("/api/chat", json={"message": WORDS, "temporary": True}) as response:
            response.get_data()
        for stream in (False, True):
            ollama.script(*steps)
            with visitor.client.post(COMPLETIONS, json={**COMPLETION, "stream": stream}) as response:
                response.get_data()
        wrote.expect_no_words(name)


def rule(action: Action, scope: Scope = Scope.BOTH, kind: Kind = Kind.PHRASE, text: str = PLAIN) -> Rule:
    return Rule("rule-1", WORDS, kind, text, scope, action, reason=f"Because {WORDS}")


RULES = {
    f"{action.value} in {scope.value}": rule(action, scope, text=f"{PARTS[0]}\n{WORD}")
    for action in Action
    for scope in (Scope.PROMPTS, Scope.ANSWERS)
}
RULES["a pattern that cannot be used"] = rule(Action.MASK, kind=Kind.PATTERN, text=f"({WORD}")


def test_nothing_of_a_rule_and_of_what_it_finds_is_written(
    services: Services, visitor: Visitor, ollama: ScriptedOllama, wrote: Wrote
) -> None:
    for name, given in RULES.items():
        services.rules.change(WORD, {given.id: Entry(given.id, 1, as_json(given))})
        for htmx in (False, True):
            visitor.open("/")
            visitor.send("/messages", htmx=htmx, message=WORDS, key=f"{name} {htmx}")
        visitor.open("/")
        if given.scope is Scope.ANSWERS:
            ollama.script(thinking(f"They say {WORDS}. "), "In the answer ", WORDS)
            written(visitor.asks_and_waits(WORDS))
        with visitor.client.post("/api/chat", json={"message": WORDS}) as response:
            response.get_data()
        ollama.script(line(message={"content": WORDS, "tool_calls": [CALL]}))
        with visitor.client.post(COMPLETIONS, json=COMPLETION) as response:
            response.get_data()
        wrote.expect_no_words(name)


def test_rules_that_cannot_be_read_are_not_written_either(services: Services, visitor: Visitor, wrote: Wrote) -> None:
    services.rules.change(WORD, {RULE + "1": Entry(RULE + "1", 1, {"name": WORDS, WORD: WORDS})})
    visitor.send("/messages", message=WORDS, key="1")
    visitor.client.post("/api/chat", json={"message": WORDS})
    visitor.client.post(COMPLETIONS, json=COMPLETION)
    wrote.expect_no_words()


def raising(*_: Any, **__: Any) -> Any:
    try:
        raise OperationalError(f"INSERT {WORDS}", {WORD: WORDS}, ValueError(WORDS))
    except OperationalError as first:
        raise RuntimeError(WORDS, {WORD: WORDS}) from first


# What is made to fail, each with everything that anybody sends.
PLACES = {
    "conversations": "ask finish checkpoint message unfinished end_idle newest_conversations",
    "moderation": "prompt answer refresh",
    "rules": "entries count",
    "replies": "open get close orphans",
    "engine": "prepare stream look",
    "metrics": "answer_ended",
    "answering": "start",
    "passing": "start",
}


def test_a_fault_of_ours_is_written_without_the_words_that_it_met(
    services: Services, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, wrote: Wrote, taken_over: None
) -> None:
    services.rules.change("", {"rule-1": Entry("rule-1", 1, as_json(rule(Action.FLAG)))})
    answer_id = visitor.asks_and_waits(WORDS)
    visitor.open("/")
    for part, methods in PLACES.items():
        for method in methods.split():
            with monkeypatch.context() as patch:
                patch.setattr(getattr(services, part), method, raising)
                services.engine.look_now()
                for htmx in (False, True):
                    visitor.send("/messages", htmx=htmx, message=WORDS, key=f"{part} {method} {htmx}")
                visitor.client.post("/api/chat", json={"message": WORDS}).close()  # some answers never end
                visitor.client.post(COMPLETIONS, json=COMPLETION)
                for url in (f"/c/{WORD}", f"/answers/{answer_id}/text", f"/answers/{answer_id}/stream"):
                    visitor.client.get(url).close()
            wrote.expect_no_words(f"{part}.{method}")
    assert "raising" in wrote.said


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a server: what breaks outside of all requests and answers is logged too."""
    for place, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(place, hook, getattr(place, hook))
    logs.take_over()


def test_a_thread_that_breaks_tells_only_where(wrote: Wrote, taken_over: None) -> None:
    thread = threading.Thread(target=raising, name="broken")
    thread.start()
    thread.join()
    wrote.expect_no_words()
    assert "raising" in wrote.said


def test_libraries_tell_only_where_they_are(wrote: Wrote) -> None:
    library = logging.getLogger("a.library")
    library.debug("could not do %s", WORDS)
    library.warning(f"could not do {WORDS}")
    try:
        raising()
    except RuntimeError:
        library.exception("broke on %s", WORDS)
    structlog.get_logger("ours").error("planted", exc_info=ValueError(WORDS))
    wrote.expect_no_words()
    for event in ("a.library", "test_privacy.py", "planted", "RuntimeError"):
        assert event in wrote.said


def test_redis_knows_nothing_of_an_answer_that_has_ended(
    redis: OwnRedis,
    start: Start,
    ollama: ScriptedOllama,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(redis_keys, "ENDED_SECONDS", 1)
    app = start(redis_url=redis.url)
    goes_on = threading.Event()
    ollama.script(thinking(WORDS), WORDS, lambda answer: answer.wait(goes_on))
    world_client = app.test_client()
    visitor = Visitor(world_client)
    visitor.open("/")
    answer_id = visitor.ask(WORDS)
    while not any(found_in(data) for data in in_redis(redis.client).values()):
        pass  # until it is there, for other processes: this shows that it would be found
    goes_on.set()
    visitor.watch(answer_id)
    while redis.client.keys("insight:answer:*"):
        pass  # a second, as it is set above
    visitor.client.get(f"/c/{WORD}", headers={"User-Agent": PLAIN})
    expect_none(in_redis(redis.client))
    said = capfd.readouterr()
    expect_none({"standard output": said.out.encode(), "standard error": said.err.encode()})


def test_nothing_is_written_by_the_real_server(tmp_path: Path, app: Flask, ollama: ScriptedOllama) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    for folder in (home, temporary):
        folder.mkdir()
    port = free_port()
    ollama.keeps_what_is_pulled = False  # a model that is there is named in /metrics, as docs/metrics.md says
    before = set(ROOT.rglob("*"))
    environ = {"OLLAMA_BASE_URL": ollama.url, "LOG_LEVEL": "debug", "HOME": str(home), "TMPDIR": str(temporary)}
    server = started(tmp_path, port, PYTHONDONTWRITEBYTECODE="1", **environ)
    try:
        ollama.script(thinking(WORDS), WORDS)
        for name, route in routes(app).items():
            sends(WireClient(f"http://127.0.0.1:{port}"), name, route)
        for request in BROKEN_REQUESTS:
            # Some it hangs up on.
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(OSError):
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        expect_none(in_processes(server.pid))
        expect_none(for_strangers(WireClient(f"http://127.0.0.1:{port}")))
    finally:
        server.terminate()
        server.wait(timeout=20)
    expect_none(in_files(tmp_path, but=is_kept))
    new = [path for path in ROOT.rglob("*") if path not in before]
    expect_none({str(path): str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in new})
    assert b"/c/<conversation_id>/messages" in (tmp_path / "server.log").read_bytes()


BROKEN_REQUESTS = [
    f"{PLAIN}\r\n\r\n".encode(),
    f"GET /{PLAIN} {PLAIN}\r\n\r\n".encode(),
    f"GET /{PLAIN} HTTP/{PLAIN}\r\n\r\n".encode(),
    f"GET {PLAIN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    f"{PLAIN}é /{PLAIN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    f"GET /{WORD} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    f"GET /{PLAIN} HTTP/1.1\r\n{WORDS}: {WORDS}\r\n\r\n".encode(),
    f"GET /{PLAIN} HTTP/1.1\r\nHost: localhost\r\n{PLAIN} {WORDS}\r\n\r\n".encode(),
    f"GET /{PLAIN} HTTP/1.1\r\nHost: localhost\r\n {PLAIN}: folded\r\n\r\n".encode(),
    f"GET /{PLAIN * 500} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    f"GET / HTTP/1.1\r\nHost: localhost\r\n{PLAIN}: {PLAIN * 1000}\r\n\r\n".encode(),
    f"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: {PLAIN}\r\n\r\n".encode(),
    f"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {PLAIN}\r\n\r\n{WORDS}".encode(),
    f"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{WORDS}".encode(),
    f"POST /messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {PLAIN}\r\n\r\n{WORDS}".encode(),
    f"POST /messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{WORDS}\r\n".encode(),
    f"POST /messages HTTP/1.1\r\nHost: {WORD}\r\nContent-Length: 5\r\n\r\n{WORDS}".encode(),
    f"PRI * HTTP/2.0\r\n\r\n{PLAIN}\r\n\r\n".encode(),
    f"PROXY TCP4 {PLAIN} {PLAIN} 1 2\r\nGET / HTTP/1.1\r\n\r\n".encode(),
]


# A canary that cannot sing proves nothing: each place is read where the words are in it, and each form is known.


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_words_is_found(form: str) -> None:
    for written_down in FORMS[form]:
        assert form in found_in(b"before " + written_down + b" after")
        with pytest.raises(AssertionError, match="the place holds the words"):
            expect_none({"the place": written_down})


def test_what_nobody_said_is_not_found() -> None:
    assert found_in(b"Tell nobody of the canary & its <b>twittering</b>: \xc3\xb6, &ouml;, %C3%B6") == []


@pytest.mark.parametrize("place", ["standard output", "standard error", "file", "name of a file", "thread", "/metrics"])
def test_the_canary_sings_where_the_words_are(
    place: str, wrote: Wrote, settings: Settings, services: Services, visitor: Visitor
) -> None:
    wrote.expect_no_words()
    over = threading.Event()
    if place == "standard output":
        print(WORDS)
    elif place == "standard error":
        structlog.get_logger("answer").error(WORDS)
    elif place == "file":
        (settings.data_dir / "notes.txt").write_text(WORDS, encoding="utf-16")
    elif place == "name of a file":
        (settings.data_dir / PLAIN).touch()
    elif place == "thread":
        name = threading.Thread(target=lambda: (Path("/proc/thread-self/comm").write_text(PLAIN), over.wait(20)))
        name.start()
        while not any(found_in(data) for data in in_processes(os.getpid()).values()):
            pass
    else:
        services.metrics.database_failed(PLAIN)
    with pytest.raises(AssertionError, match="holds the words"):
        wrote.expect_no_words()
    over.set()


def test_the_canary_sings_in_redis_and_in_other_processes(redis: OwnRedis) -> None:
    import subprocess

    expect_none(in_redis(redis.client))
    for plant in (
        lambda: redis.client.set("insight:x", WORDS),
        lambda: redis.client.hset("insight:x", "field", WORDS),
        lambda: redis.client.sadd("insight:x", WORDS),
        lambda: redis.client.set(f"insight:{PLAIN}", ""),
    ):
        redis.client.flushall()
        plant()
        with pytest.raises(AssertionError, match="Redis"):
            expect_none(in_redis(redis.client))
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    for more, environ in (([PLAIN], {}), ([], {"NOTE": PLAIN})):
        process = subprocess.Popen([*command, *more], stdin=subprocess.PIPE, env={**os.environ, **environ})
        with process, pytest.raises(AssertionError, match="/proc/"):
            expect_none(in_processes(os.getpid()))
