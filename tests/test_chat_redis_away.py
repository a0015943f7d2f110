"""Redis is gone, silent, full or read-only: nothing new begins, everybody is told, what is written is written on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from faults_seen import plain
from flask import Flask
from own_app import Start
from own_redis import OwnRedis
from people import BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama, gate
from visitor import Visitor

from insight_app.chat.messages import State
from insight_app.errors import RedisAway
from insight_app.limits.rates import limiter
from insight_app.moderation.rule_list import RuleList
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.services import Services

Change = Callable[[OwnRedis], object]
FAULTS: dict[str, tuple[Change, Change]] = {
    "stopped and started empty": (OwnRedis.stop, OwnRedis.start),
    "silent": (OwnRedis.pause, OwnRedis.go_on),
    "full": (
        lambda redis: redis.client.config_set("maxmemory", "1"),
        lambda redis: redis.client.config_set("maxmemory", "0"),
    ),
    "read-only": (
        lambda redis: redis.client.replicaof("127.0.0.1", 1),
        lambda redis: redis.client.replicaof("NO", "ONE"),
    ),
}


@pytest.fixture
def pair(redis: OwnRedis, start: Start, monkeypatch: pytest.MonkeyPatch) -> tuple[Flask, Flask]:
    """Two processes' apps, as far as they share anything."""
    for switch in ("_storage_dead", "_in_memory_fallback_enabled"):  # of an object that all apps of a process share
        monkeypatch.setattr(limiter, switch, False)
    return start(redis_url=redis.url), start(redis_url=redis.url)


@pytest.mark.parametrize(("broken", "mended"), FAULTS.values(), ids=FAULTS)
def test_nothing_new_begins_what_is_written_ends_and_all_heals_by_itself(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama, broken: Change, mended: Change
) -> None:
    here, there = (Visitor(app.test_client()) for app in pair)
    here.open("/")
    there.open("/")
    ends = threading.Event()
    answer = ollama.script("So far", gate(ends), " and the rest.")
    answer_id = here.ask("Hi")
    assert answer.asked.wait(5)
    broken(redis)
    for visitor in (there, here):
        before = time.monotonic()
        refused = visitor.send("/messages", message="Keep <this>")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert str(RedisAway()) in plain(refused.text)
        assert "Keep &lt;this&gt;</textarea>" in refused.text
        assert time.monotonic() - before < 4
        for path, body in (
            ("/api/chat", {"message": "Hi"}),
            ("/v1/chat/completions", {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}]}),
        ):
            program = visitor.client.post(path, json=body)
            assert (program.status_code, program.headers["Retry-After"]) == (503, "5")
            assert program.json["error"]["code"] == RedisAway.code
        assert visitor.client.get("/").status_code == 200
        assert visitor.client.get("/healthz").status_code == 200
        ready = visitor.client.get("/readyz")
        assert (ready.status_code, ready.json["redis"], ready.json["ready"]) == (503, False, False)
    assert len(ollama.chats()) == 1
    ends.set()
    assert "So far and the rest." in here.watch(answer_id)
    assert there_services(pair).conversations.message(answer_id).state is State.DONE
    mended(redis)
    until = time.monotonic() + 15
    while not all(app.extensions["insight"].replies.connected() for app in pair):
        assert time.monotonic() < until, "it does not come back"
    ollama.script("New.")
    here.open("/")
    there.watch(here.ask("Again"))
    assert "New." in there.open(here.url)
    assert not [app for app in pair if app.extensions["insight"].metrics.faults._value.get()]


def there_services(pair: tuple[Flask, Flask]) -> Services:
    found: Services = pair[1].extensions["insight"]
    return found


@pytest.mark.parametrize("is_gone", [False, True], ids=["with Redis", "without"])
def test_a_rule_that_is_saved_at_one_process_holds_at_the_other_at_once(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama, is_gone: bool
) -> None:
    """It is in the database, at which each prompt looks."""
    if is_gone:
        redis.stop()
    here, there = (app.extensions["insight"] for app in pair)
    there.moderation.prompt("the zebra")
    rule = Rule(id="rule-z", name="No animals", kind=Kind.WORDS, text="zebra", scope=Scope.BOTH, action=Action.MASK)
    RuleList(here.rules, "me").save(rule, "")
    assert "zebra" not in there.moderation.prompt("the zebra")


def test_who_is_counted_while_another_one_finds_redis_gone_is_told_so(
    redis: OwnRedis, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library counts in memory from then on, but has nothing for who asked Redis at that moment too."""
    app = start(redis_url=redis.url, auth_mode="accounts")
    add_people(app.extensions["insight"])
    bob = signed_in(app, BOB)
    monkeypatch.setattr(limiter, "_in_memory_fallback_enabled", False)
    redis.stop()
    refused = bob.send("/messages", message="Keep <this>", key=bob.field("key"))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "Keep &lt;this&gt;</textarea>" in refused.text
    assert app.extensions["insight"].metrics.faults._value.get() == 0
