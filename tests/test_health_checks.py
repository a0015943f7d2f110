"""Each part that can be wrong is made wrong, and whoever looks is told what it is and what to do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chat_page import running as served
from click.testing import Result
from own_redis import OwnRedis
from scripted_ollama import ScriptedOllama
from scripted_openai import ScriptedOpenAI
from sqlalchemy import text as sql
from visitor import Visitor

from insight_app import cli
from insight_app.config import Settings
from insight_app.engines.ollama import Ollama
from insight_app.engines.openai_compatible import OpenAICompatible
from insight_app.errors import ConfigError
from insight_app.health import checks, findings, streaming
from insight_app.health.checks import Parts
from insight_app.health.findings import Check, Checked, Finding, State, good
from insight_app.services import Services
from insight_app.storage.database import Database

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"


def ollama_at(url: str) -> Ollama:
    return Ollama(url, silence_seconds=5)


def parts(settings: Settings, database: Database | None = None, url: str = "") -> Parts:
    def opened() -> Database:
        if database is None:
            raise ConfigError("There is none.", "It is for other checks.")
        return database

    return Parts(settings, opened, [ollama_at(settings.ollama_base_url)], url)


def by_name(checked: list[Checked]) -> dict[str, Finding]:
    return {each.name: each.finding for each in checked}


def test_where_all_is_well_it_says_so(settings: Settings, services: Services) -> None:
    found = by_name(findings.run(checks.all_checks(parts(replace(settings, secret_key=KEY), services.database))))
    states = {name: each.state for name, each in found.items()}
    for_others = replace(settings, auth_mode="accounts")
    assert checks.stream(parts(for_others, services.database)).state is State.WARNING  # nobody knows the public address
    states.pop("Disk"), states.pop("Server processes")  # as the machine is that tests
    assert set(states.values()) == {State.GOOD}
    assert "1 model" in found["Engine ollama"].said or "models" in found["Engine ollama"].said
    assert found["Database"].said.startswith("SQLite 3.")


def test_what_hangs_keeps_nobody_from_hearing_of_the_rest() -> None:
    never, began = threading.Event(), time.monotonic()

    def hangs() -> Finding:
        never.wait(30)
        return good("late")

    def breaks() -> Finding:
        raise ValueError("zugvogel")

    listed = [Check("A", hangs), Check("B", lambda: good("well")), Check("C", breaks)]
    checked = findings.run(listed, 0.3)
    assert time.monotonic() - began < 5
    never.set()
    assert [each.name for each in checked] == ["A", "B", "C"]
    assert [each.finding.state for each in checked] == [State.WRONG, State.GOOD, State.WRONG]
    assert "No answer within 0.3 sec" in checked[0].finding.said
    assert "zugvogel" not in checked[2].finding.said
    assert findings.worst(checked) is State.WRONG
    assert findings.worst(checked[1:2]) is State.GOOD


def test_a_database_that_is_full_damaged_old_or_empty(settings: Settings, services: Services, tmp_path: Path) -> None:
    found = parts(settings, services.database)
    assert checks.database(found).state is State.GOOD
    with services.database.writing() as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = '0001'"))
    assert "migration 0001" in checks.database(found).said
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    for file, state in ((broken, State.WRONG), (tmp_path / "new.db", State.WARNING)):
        with closing(Database(f"sqlite:///{file}")) as other:
            assert checks.database(parts(settings, other)).state is state


def test_a_database_that_another_program_holds(settings: Settings, services: Services, monkeypatch: Any) -> None:
    monkeypatch.setattr("insight_app.storage.database.PATIENCE_SECONDS", 0.1)
    with closing(Database(services.database.url)) as other, other.writing():
        found = checks.database(parts(settings, services.database))
    assert found.state is State.WRONG
    assert "Another program holds the database" in found.said


def test_a_folder_into_which_nobody_can_write() -> None:
    found = checks.disk(Path("/proc/self"))  # not even root
    assert found.state is State.WRONG
    assert "DATA_DIR" in found.next_step


@pytest.mark.parametrize(("free", "state"), [(5.0, State.GOOD), (0.5, State.WARNING), (0.05, State.WRONG)])
def test_a_disk_with_little_room(free: float, state: State) -> None:
    assert checks.space(100 * checks.GIB, int(free * checks.GIB)).state is state


def test_redis_away_paused_or_keeping_what_people_write(settings: Settings, redis: OwnRedis) -> None:
    with_redis = replace(settings, redis_url=redis.url)
    assert checks.redis(settings).state is State.GOOD
    assert checks.redis(with_redis).state is State.GOOD
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    assert "noeviction" in checks.redis(with_redis).next_step
    redis.client.config_set("appendonly", "yes")
    assert "appendonly no" in checks.redis(with_redis).next_step
    redis.pause()
    began = time.monotonic()
    paused = checks.redis(with_redis)
    redis.go_on()
    assert (paused.state, time.monotonic() - began < 6) == (State.WRONG, True)
    redis.stop()
    away = checks.redis(with_redis)
    assert away.state is State.WRONG
    assert redis.url not in away.said


def test_an_engine_away_silent_empty_or_without_the_chosen_model(settings: Settings, ollama: ScriptedOllama) -> None:
    assert checks.engine(ollama_at(ollama.url), settings).state is State.GOOD
    lacks = checks.engine(ollama_at(ollama.url), replace(settings, ollama_model="nobody:7b"))
    assert (lacks.state, "ollama pull nobody:7b" in lacks.next_step) == (State.WARNING, True)
    ollama.models.clear()
    assert checks.engine(ollama_at(ollama.url), settings).state is State.WRONG
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        found = checks.engine(ollama_at(f"http://127.0.0.1:{silent.getsockname()[1]}"), settings)
        assert (found.state, time.monotonic() - began < 6) == (State.WRONG, True)
        port = silent.getsockname()[1]
    assert checks.engine(ollama_at(f"http://127.0.0.1:{port}"), settings).state is State.WRONG


def test_an_engine_away_is_a_warning_where_another_answers_meanwhile(
    settings: Settings, database: Database, ollama: ScriptedOllama
) -> None:
    away = ollama_at("http://127.0.0.1:9")
    answers = ollama_at(ollama.url)
    looked_at = [checks.engine(away, settings, others) for others in ([], [answers], [away])]
    assert [found.state for found in looked_at] == [State.WRONG, State.WARNING, State.WRONG]
    assert "Meanwhile another engine answers." in looked_at[1].said
    both = checks.all_checks(replace(parts(settings, database), engines=[away, answers]))
    assert [each.look().state for each in both if "Engine" in each.name] == [State.WARNING, State.GOOD]


def test_another_model_server_is_looked_at_in_its_own_words(settings: Settings) -> None:
    with ScriptedOpenAI(models=["a/model"]) as server:
        engine = OpenAICompatible(server.url, silence_seconds=5)
        assert checks.engine(engine, settings).state is State.GOOD
        lacks = checks.engine(engine, replace(settings, ollama_model="another"))
        server.models = []
        empty = checks.engine(engine, settings)
    assert (lacks.state, empty.state) == (State.WARNING, State.WRONG)
    assert "ollama pull" not in lacks.next_step + empty.next_step


@pytest.mark.parametrize(
    ("apart", "state", "said"),
    [
        ({}, State.GOOD, "no other clock"),
        ({"Redis": 0.4}, State.GOOD, "the same"),
        ({"Redis": 0.4, "the database": -9.0}, State.WARNING, "is behind this one by 9 seconds: the database."),
        ({"Redis": 3600.0}, State.WRONG, "is ahead of this one by 60 minutes: Redis."),
    ],
)
def test_clocks_that_differ(apart: dict[str, float], state: State, said: str) -> None:
    found = checks.of_clocks(apart)
    assert (found.state, said in found.said) == (state, True)


@contextmanager
def proxy(behave: str) -> Iterator[str]:
    """An address that answers the test stream in its way: whole, in an hour's time, or not at all."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502 if behave == "fails" else 200)
            self.end_headers()
            if behave == "a page":
                self.wfile.write(b"<p>Another server</p>\n")
            elif behave == "collects":
                self.wfile.write(b"".join(streaming.pieces()))
            elif behave == "breaks off":
                self.wfile.write(next(streaming.pieces()))
            elif behave != "fails":
                for piece in streaming.pieces():
                    self.wfile.write(piece)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() - 3600 if behave == "clock" else None)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("behave", "state", "said"),
    [
        ("lets through", State.GOOD, "one by one"),
        ("collects", State.WRONG, "holds streams back"),
        ("breaks off", State.WRONG, "broke off after 1 piece"),
        ("a page", State.WRONG, "another server"),
        ("fails", State.WRONG, "502"),
    ],
)
def test_a_proxy_that_holds_streams_back(settings: Settings, behave: str, state: State, said: str) -> None:
    with proxy(behave) as url:
        found = checks.stream(parts(settings, url=url))
    assert (found.state, said in found.said) == (state, True), found


def test_a_public_address_whose_clock_is_wrong(settings: Settings) -> None:
    with proxy("clock") as url:
        found = checks.clock(parts(settings, url=url))
    assert found.state is State.WRONG
    assert found.said.endswith("hours: the public address.")


@pytest.mark.parametrize(
    ("url", "changed", "state", "said"),
    [
        ("", {}, State.GOOD, "this machine"),
        ("https://chat.example.org", {"trusted_proxies": ("127.0.0.1/32",)}, State.GOOD, "who asks is known"),
        ("https://chat.example.org", {}, State.WARNING, "No proxy is trusted"),
        ("https://chat.example.org", {"auth_mode": "local"}, State.WRONG, "is that person"),
        ("http://chat.example.org", {}, State.WRONG, "without TLS"),
        ("https://chat.example.org", {"trusted_proxies": ("0.0.0.0/0",)}, State.WRONG, "everybody"),
        ("", {"secret_key": "short-but-accepted"}, State.WARNING, "may be guessed"),
        ("", {"secret_key": "a" * 64}, State.WARNING, "may be guessed"),
    ],
)
def test_settings_that_are_not_secure(
    settings: Settings, url: str, changed: dict[str, Any], state: State, said: str
) -> None:
    found = checks.secure(replace(settings, **{"secret_key": KEY, "auth_mode": "accounts", **changed}), url)
    assert (found.state, said in found.said) == (state, True), found
    assert "short-but-accepted" not in str(found)


def test_processes_that_are_too_many(settings: Settings) -> None:
    assert checks.processes(settings, 2).said == "Server processes: 1, on so many cores: 2."
    assert checks.processes(replace(settings, web_concurrency=2, redis_url="redis://x"), 2).state is State.GOOD
    assert checks.processes(replace(settings, web_concurrency=9, redis_url="redis://x"), 2).state is State.WARNING


# The command.


def doctor(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environ: str) -> Result:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return cli.app.test_cli_runner().invoke(args=["doctor", *arguments])


def test_the_doctor_sees_a_real_server_through_its_public_address(
    tmp_path: Path, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"SECRET_KEY": KEY, "OLLAMA_BASE_URL": ollama.url}
    with served(tmp_path, **environ) as url:
        done = doctor(monkeypatch, "--url", url, "--json", DATA_DIR=str(tmp_path), **environ)
    lines = [json.loads(line) for line in done.output.splitlines()]
    states = {line["check"]: line["state"] for line in lines}
    assert states["Streaming"] == states["Database"] == states["Clock"] == states["Engine ollama"] == "good", lines
    assert done.exit_code == (1 if "wrong" in states.values() else 0)


def test_the_doctor_says_what_is_wrong_and_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SECRET_KEY": KEY, "DATA_DIR": str(tmp_path), "OLLAMA_BASE_URL": "http://127.0.0.1:1"}
    done = doctor(monkeypatch, **environ)
    assert done.exit_code == 1
    assert "wrong    Engine ollama: " in done.output
    assert "There is no database in" in done.output
    assert not list(tmp_path.iterdir()), "looking makes nothing"


def test_the_doctor_says_what_is_wrong_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    done = doctor(monkeypatch, SECRET_KEY=KEY, APP_PORT="ninety")
    assert done.exit_code == 1
    assert done.output.startswith("wrong    Settings: APP_PORT (environment) must be")


# The page.


def test_the_page_shows_what_the_doctor_says(visitor: Visitor, ollama: ScriptedOllama) -> None:
    page = visitor.open("/settings/health")
    assert page.count('class="finding"') == 8
    for name in ("Database", "Disk", "Redis", "Engine ollama", "Clock", "Streaming", "Secure settings"):
        assert f"<h2>{name} " in page
    assert 'Secure settings <span class="how">! Could be better' in page  # not by colour alone
    assert "could be better: Secure settings</p>" in page
    assert page.index("<h2>Secure settings") < page.index("<h2>Database"), "what there is to do comes first"


def test_the_test_stream_is_only_for_who_knows_the_servers_secret(visitor: Visitor, settings: Settings) -> None:
    allowed = streaming.address(settings.secret_key)
    with visitor.client.get(allowed) as response:
        assert (response.status_code, response.headers["X-Accel-Buffering"]) == (200, "no")
        assert len(response.text.split()) == streaming.PIECES
    for wrong in (streaming.PATH, allowed[:-1] + "x", streaming.address("another"), f"{streaming.PATH}?at=²&by=é"):
        assert visitor.client.get(wrong).status_code == 404
    late = int(time.time()) - 2 * streaming.SERVES_SECONDS
    assert not streaming.is_allowed(settings.secret_key, str(late), streaming._signed(settings.secret_key, late))


def test_whoever_looks_sees_lines_come_one_by_one(visitor: Visitor) -> None:
    response = visitor.client.get("/settings/health/streamed", buffered=False)
    pieces = [piece for piece in response.response if piece]  # type: ignore[union-attr]
    assert [b"<li>Line" in piece for piece in pieces] == [False, *[True] * streaming.PIECES, False]
    response.close()
