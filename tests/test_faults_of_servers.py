"""A server that is killed, a clock set back, Redis gone: the answer goes on, and is logged and counted."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from chat_page import free_port, started
from faults_of_engines import BEGUN, BUTTONS, CANARY, Fault
from faults_of_servers import KILLED, KILLED_TWICE, REDIS, SET_BACK
from faults_seen import article, counted, plain, written
from own_app import Start
from own_redis import OwnRedis
from scripted_ollama import ScriptedOllama, gate, silence
from visitor import RealClient, Visitor

from insight_app.errors import explain
from insight_app.limits.rates import limiter
from insight_app.services import Services


@pytest.mark.parametrize("fault", [KILLED, KILLED_TWICE], ids=lambda fault: fault.name)
def test_an_answer_outlives_its_worker(fault: Fault, tmp_path: Path, ollama: ScriptedOllama) -> None:
    port = free_port()
    master = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
    try:
        visitor = Visitor(RealClient(f"http://127.0.0.1:{port}"))  # type: ignore[arg-type]
        visitor.open("/")
        answer = ollama.script(*fault.steps)
        answer_id = visitor.ask(f"Tell me of {CANARY}")
        while BEGUN not in visitor.client.get(f"/answers/{answer_id}/text").text:
            pass  # until the checkpoint has it
        if fault is KILLED_TWICE:
            second = ollama.script(silence)
            kill_worker(master.pid)
            assert second.asked.wait(20)
        else:
            ollama.script(fault.kept.removeprefix(BEGUN))
        kill_worker(master.pid)
        assert answer.client_gone.wait(5)
        stream = visitor.watch(answer_id)
        seen = article(stream, answer_id)
        assert seen == article(visitor.open(visitor.url), answer_id)
        assert f'data-state="{fault.state}"' in seen
        assert fault.kept in plain(seen)
        assert not fault.problem or str(explain(fault.problem)) in plain(seen)
        assert all((f'type="submit">{button}<' in seen) is (button in fault.buttons) for button in BUTTONS)
        assert visitor.client.get(f"/answers/{answer_id}/text").text == fault.kept
        assert counted(visitor, fault.metric) == 1
        assert CANARY not in visitor.client.get("/metrics").text
    finally:
        master.terminate()
        master.wait(timeout=20)
    log = (tmp_path / "server.log").read_text()
    lines = [json.loads(entry) for entry in log.splitlines() if entry.startswith("{")]
    assert [entry for entry in lines if fault.log.items() <= entry.items()]
    assert CANARY not in log


def kill_worker(master: int) -> None:
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)


def test_a_clock_that_is_set_back_changes_nothing(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.asks_and_waits("Older")
    visitor.open("/")
    answer = ollama.script(*SET_BACK.steps)
    answer_id = visitor.ask("Old")
    assert answer.asked.wait(5)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    assert visitor.send(visitor.url + "/edit", title="Old").status_code == 303  # a form of the time before
    stream = visitor.watch(answer_id)
    written(answer_id)
    seen = article(stream, answer_id)
    assert seen == article(visitor.open(visitor.url), answer_id)
    assert f'data-state="{SET_BACK.state}"' in seen
    kept = services.conversations.message(answer_id)
    assert (kept.state.value, kept.problem, kept.text) == (SET_BACK.state, SET_BACK.problem, SET_BACK.kept)
    assert 0 <= (kept.figures.first_text_seconds or 0) < 60
    assert counted(visitor, SET_BACK.metric) == 2
    visitor.asks_and_waits("New")
    visitor.open("/")
    visitor.asks_and_waits("Newest")
    assert [found.title for found in services.conversations.newest_conversations().conversations] == [
        "Newest",
        "Old",
        "Older",
    ]
    assert kept.created_at > kept.finished_at > kept.created_at - 3700  # what is shown is what clocks show


def test_an_answer_goes_on_while_redis_is_gone(
    capsys: pytest.CaptureFixture[str],
    redis: OwnRedis,
    start: Start,
    ollama: ScriptedOllama,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for switch in ("_storage_dead", "_in_memory_fallback_enabled"):  # of an object that all apps of a process share
        monkeypatch.setattr(limiter, switch, False)
    go_on = threading.Event()
    here, there = (Visitor(start(redis_url=redis.url).test_client()) for _ in range(2))
    here.open("/")
    ollama.script(BEGUN, gate(go_on), REDIS.kept.removeprefix(BEGUN))
    answer_id = here.ask(f"Tell me of {CANARY}")
    while BEGUN not in there.open(here.url):
        pass  # until it came over by Redis
    redis.stop()
    while counted(here, REDIS.gauge):
        pass
    assert BEGUN in here.open(here.url)
    assert there.client.get(here.url).status_code == 200
    go_on.set()
    seen = article(here.watch(answer_id), answer_id)
    written(answer_id)
    redis.start()
    while not counted(here, REDIS.gauge):
        pass
    assert seen == article(here.open(here.url), answer_id) == article(there.open(here.url), answer_id)
    assert f'data-state="{REDIS.state}"' in seen
    assert REDIS.kept in plain(seen)
    assert counted(here, REDIS.metric) == 1
    output = capsys.readouterr()
    lines = [json.loads(entry) for entry in output.err.splitlines()]
    assert [entry for entry in lines if REDIS.log.items() <= entry.items()]
    said = [entry["event"] for entry in lines]
    assert said.index(REDIS.gone) < len(said) - 1 - said[::-1].index(REDIS.back)
    assert CANARY not in output.out + output.err + here.client.get("/metrics").text
