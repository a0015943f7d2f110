"""The figures: what they are called, how many there can be, and that several processes tell one story."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from chat_page import free_port, started
from flask import Flask
from own_app import Start
from own_redis import OwnRedis
from prometheus_client.parser import text_string_to_metric_families
from scripted_ollama import ScriptedOllama, gate, silence
from visitor import RealClient, Visitor

from insight_app.services import Services
from insight_app.telemetry.metrics import MOST_MODELS, OTHER, Few, Metrics

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "metrics.md"
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(text: str) -> Figures:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def documented() -> dict[str, tuple[str, set[str]]]:
    """Each figure of the table in docs/metrics.md: its type, and the names of its labels."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`:", labels))) for name, kind, labels in rows}


def test_the_table_names_every_figure_that_there_is_and_no_other(
    app: Flask, services: Services, visitor: Visitor
) -> None:
    visitor.asks_and_waits("Hi")
    visitor.client.get("/nowhere")
    there: dict[str, tuple[str, set[str]]] = {}
    registry = services.metrics.registry
    collectors = set(registry._collector_to_names)  # a label without a value yet stands in no text
    labels = {each._name: set(each._labelnames) for each in collectors}  # type: ignore[attr-defined]
    for family in text_string_to_metric_families(visitor.client.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        there[name] = family.type, labels.get(family.name, set())
    assert there == documented()


def test_each_app_has_figures_of_its_own() -> None:
    one, other = Metrics(), Metrics()
    one.faults.inc()
    assert b"insight_faults_total 1.0" in one.text()
    assert b"insight_faults_total 0.0" in other.text()


def test_no_label_has_values_without_end() -> None:
    few = Few(2)
    assert [few(each) for each in "abcab"] == ["a", "b", OTHER, "a", "b"]
    metrics = Metrics()
    for number in range(MOST_MODELS + 5):
        metrics.answer_ended("done", "", 1.0, {"answer_tokens": 10, "answer_seconds": 1.0}, f"model-{number}")
        metrics.rules_acted({"flag": 1}, {f"rule-{number * 7}": 1})
    found = figures(metrics.text().decode())
    models = {dict(labels)["model"]: value for (name, labels), value in found.items() if "model_answers" in name}
    assert len(models) == MOST_MODELS + 1
    assert models[OTHER] == 5.0


def test_a_model_that_somebody_made_up_is_in_no_figure(app: Flask, visitor: Visitor) -> None:
    made_up = {"model": "Tell-Bob-I-love-him", "messages": [{"role": "user", "content": "Hi"}]}
    visitor.client.post("/v1/chat/completions", json=made_up)
    visitor.client.post("/api/chat", json={"message": "Hi", "model": "Tell-Bob-I-love-him"})
    text = visitor.client.get("/metrics").text
    assert "insight_model_answers_total" in text
    assert "love" not in text


def test_an_answer_is_counted_by_its_model_with_its_speed(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("Hi")
    found = figures(visitor.client.get("/metrics").text)
    model = ("model", "llama3.2:latest")
    assert found["insight_model_answers_total", (model, ("state", "done"))] == 1
    assert found["insight_tokens_per_second_count", (model,)] == 1
    assert found["insight_database_seconds_count", (("kind", "write"),)] > 0
    assert found["insight_database_seconds_count", (("kind", "read"),)] > 0
    assert found["insight_processes", ()] == 1
    assert found["insight_memory_bytes", ()] > 1e7


def test_an_error_of_the_engine_is_counted_by_its_kind_also_where_it_is_tried_again(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    from scripted_ollama import status

    ollama.script(status(503, {"error": "busy"}))
    visitor.asks_and_waits("Hi")
    found = figures(visitor.client.get("/metrics").text)
    assert found["insight_engine_errors_total", (("problem", "engine_busy"),)] == 1


@pytest.mark.parametrize(
    ("scope", "limit"),
    [
        ("sending", "send"),
        ("sending with a key", "key"),
        ("sending from an address", "address"),
        ("searching", "search"),
        ("signing in", "sign_in"),
        ("signing in anew", "sign_in"),
    ],
)
def test_who_meets_a_limit_is_counted_by_the_setting(scope: str, limit: str) -> None:
    from insight_app.limits import rates

    assert rates.setting_of(scope) == limit


def test_who_meets_a_limit_is_counted(start: Start, ollama: ScriptedOllama) -> None:
    app = start(send_rate_limit="1 per minute")
    client = app.test_client()
    for expected in (200, 429, 429):
        with client.post("/api/chat", json={"message": "Hi"}) as sent:
            assert (sent.status_code, bool(sent.get_data())) == (expected, True)
    found = figures(client.get("/metrics").text)
    app.extensions["insight"].close()
    app.extensions["insight"].database.close()
    assert found["insight_limited_total", (("limit", "send"),)] == 2


class Server:
    """Two real processes that share a Redis, with the means to ask each of them."""

    def __init__(self, folder: Path, ollama: ScriptedOllama, redis: OwnRedis) -> None:
        # Of a master that was killed: no pid is that large.
        self.left = Path(f"/dev/shm/insight-figures-{2**22 + 1}-left")
        self.left.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environ = {"OLLAMA_BASE_URL": ollama.url, "REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"}
        environ["GRACEFUL_SECONDS"] = "1"  # what still waits at the end need not
        self.master = started(folder, self.port, **environ)
        until = time.monotonic() + 20
        while self.figures()["insight_processes", ()] < 2:
            assert time.monotonic() < until, "the second process does not begin"

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        return [int(each) for each in children.split()]

    def told(self) -> str:
        return requests.get(f"{self.url}/metrics", headers={"Connection": "close"}, timeout=10).text

    def figures(self) -> Figures:
        return figures(self.told())

    def of_each_worker(self) -> list[Figures]:
        """What each says while the other is held, so that it is known who says it."""
        found = []
        for held in self.workers():
            os.kill(held, signal.SIGSTOP)
            try:
                while True:
                    try:  # a connection that the held one took gets no answer
                        response = requests.get(f"{self.url}/metrics", headers={"Connection": "close"}, timeout=0.5)
                    except requests.RequestException:
                        continue
                    found.append(figures(response.text))
                    break
            finally:
                os.kill(held, signal.SIGCONT)
        return found

    def counted(self) -> set[int]:
        """The processes that are taken for alive."""
        return {int(each.stem.split("_")[-1]) for each in self.folders()[0].glob("gauge_livesum_*.db")}

    def folders(self) -> list[Path]:
        return list(Path("/dev/shm").glob(f"insight-figures-{self.master.pid}-*"))


@pytest.fixture
def two(tmp_path: Path, ollama: ScriptedOllama, redis: OwnRedis) -> Iterator[Server]:
    server = Server(tmp_path, ollama, redis)
    yield server
    server.master.terminate()
    try:
        server.master.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.master.kill()
    assert not server.folders(), "what the processes counted together is gone with them"


def counts(found: Figures) -> Figures:
    """Those that never go down, but for what asking itself adds to."""
    own = ("insight_redis_seconds", "insight_database_seconds")
    kinds = ("_total", "_count", "_sum", "_bucket")
    return {key: value for key, value in found.items() if key[0].endswith(kinds) and not key[0].startswith(own)}


def test_whichever_process_is_asked_says_the_same_and_a_killed_ones_counts_stay(
    two: Server, ollama: ScriptedOllama
) -> None:
    visitor = Visitor(RealClient(two.url))  # type: ignore[arg-type]
    for _ in range(6):
        visitor.open("/")
        visitor.asks_and_waits("Hi")
    held = threading.Event()
    for _ in range(2):
        ollama.script("Begun", gate(held), " and ended")
        visitor.open("/")
        visitor.ask("Hi")
    while two.figures()["insight_live_answers", ()] < 2:
        pass
    first, second = two.of_each_worker()
    assert counts(first) == counts(second)
    assert not two.left.exists()
    assert first["insight_answers_total", (("problem", ""), ("state", "done"))] == 6
    assert first["insight_model_answers_total", (("model", "llama3.2:latest"), ("state", "done"))] == 6
    for name in ("insight_live_answers", "insight_running_answers"):
        assert first[name, ()] == second[name, ()] == 2
    assert first["insight_redis_up", ()] == second["insight_redis_up", ()] == 1
    assert first["insight_redis_seconds_count", ()] > 0
    assert not [key for key in first if any(label == "pid" for label, _ in key[1])]

    ollama.script("And", silence)  # what the living one gets when it goes on with those of the dead
    ollama.script("And", silence)
    before = two.figures()
    killed = two.workers()[0]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while killed in (living := set(two.workers())) or len(living) < 2 or two.counted() != living:
        assert time.monotonic() < deadline
    after = two.figures()
    assert after["insight_processes", ()] == 2
    lost = {key: (value, after.get(key)) for key, value in counts(before).items() if after.get(key, 0) < value}
    assert not lost
    while two.figures()["insight_live_answers", ()] != 2:  # those of the dead one too, once somebody goes on with them
        assert time.monotonic() < deadline
    held.set()


def test_one_process_writes_its_figures_nowhere(tmp_path: Path, ollama: ScriptedOllama) -> None:
    port = free_port()
    master = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
    try:
        assert "insight_processes 1.0" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        assert not list(Path("/dev/shm").glob(f"insight-figures-{master.pid}-*"))
    finally:
        master.terminate()
        master.wait(timeout=20)
