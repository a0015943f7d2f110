"""Figures for Prometheus about answers; labels are our own few words, or names of which only so many are told apart.

With several processes each writes its figures into files of a folder (PROMETHEUS_MULTIPROC_DIR, made by
deploy/gunicorn.conf.py), and whichever is asked adds all of them up. docs/metrics.md says what each figure tells.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

# When a counter was made is nothing that anybody asks for, several processes could not say it, and it doubles the text.
disable_created_metrics()  # type: ignore[no-untyped-call]

MOST_MODELS = 20
MOST_RULES = 50
OTHER = "other"
WAITS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SPEEDS = (1, 2.5, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500)
STAGES = ("queued", "loading", "reading", "thinking", "writing")


class Few:
    """Lets the first so many names through; every other one is OTHER, so that no label has values without end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> str:
        with self._lock:
            if name not in self._known and len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
            return name


class Metrics:
    """One app's figures."""

    def __init__(self, redis_up: Callable[[], bool] = lambda: True) -> None:
        self.registry = CollectorRegistry()
        # Where processes are several, their figures are here.
        self._folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
        self._models, self._rules = Few(MOST_MODELS), Few(MOST_RULES)
        counter, histogram = partial(Counter, registry=self.registry), partial(Histogram, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        self.answers = counter("insight_answers_total", "Answers by how they ended.", ["state", "problem"])
        self.model_answers = counter("insight_model_answers_total", "Answers by model.", ["model", "state"])
        self.tokens = counter("insight_answer_tokens_total", "Tokens written.")
        self.first_text = histogram(
            "insight_first_text_seconds", "From the prompt to the answer's first text.", buckets=WAITS
        )
        self.speed = histogram(
            "insight_tokens_per_second", "How fast a model wrote an answer.", ["model"], buckets=SPEEDS
        )
        self.stages = histogram(
            "insight_stage_seconds",
            "How long an answer was in each of its stages.",
            ["stage"],
            buckets=(*WAITS, 300),
        )
        self.engine_errors = counter(
            "insight_engine_errors_total", "What an engine could not do, also where it was tried again.", ["problem"]
        )
        self.pulls = counter("insight_pulls_total", "Models fetched, by how that ended.", ["state", "problem"])
        self.ratings = counter("insight_ratings_total", "Thumbs up and down, by model.", ["model", "rating"])
        self.faults = counter("insight_faults_total", "Requests that met a fault of ours.")
        self.database_faults = counter("insight_database_faults_total", "What could not be kept or read.", ["problem"])
        self.database_seconds = histogram(
            "insight_database_seconds",
            "How long transactions took, with the wait for their turn.",
            ["kind"],
            buckets=SHORT,
        )
        self.redis_seconds = histogram("insight_redis_seconds", "How long Redis took to answer.", buckets=SHORT)
        self.moderated = counter("insight_moderated_total", "What rules did, by their action.", ["action"])
        self.rules = counter("insight_rule_hits_total", "How often each rule acted, by its id.", ["rule"])
        self.limited = counter("insight_limited_total", "Requests that a limit refused.", ["limit"])
        self.too_many_waiting = counter("insight_too_many_waiting_total", "Prompts that found no place in the line.")
        self.readers = gauge("insight_stream_readers", "Open streams of answers.")
        self.live = gauge("insight_live_answers", "Answers being written or waiting.")
        self._log = structlog.get_logger("answer")
        self._shared = _Shared(self._folder)
        self._shared.add("insight_redis_up", "1 while Redis answers, or none is needed.", redis_up)

    def text(self) -> bytes:
        """Every figure as Prometheus reads it, of all processes together."""
        everything = CollectorRegistry()
        if self._folder:
            MultiProcessCollector(everything, path=self._folder)  # type: ignore[no-untyped-call]
        everything.register(self._shared)
        return (b"" if self._folder else generate_latest(self.registry)) + generate_latest(everything)

    def follow_line(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Shows how many answers wait for their turn, and how many have it."""
        words = {"waiting": (waiting, "in line for their turn"), "running": (running, "that have their turn")}
        for name, (count, what) in words.items():
            self._shared.add(f"insight_{name}_answers", f"Answers {what}, of all processes.", count)

    def database_failed(self, problem: str) -> None:
        """Counts and logs that something could not be kept or read now."""
        self.database_faults.labels(problem).inc()
        self._log.warning("database", problem=problem)

    def database_took(self, kind: str, seconds: float) -> None:
        self.database_seconds.labels(kind).observe(seconds)

    def engine_failed(self, problem: str) -> None:
        self.engine_errors.labels(problem).inc()

    def pull_ended(self, state: str, problem: str, seconds: float) -> None:
        """Counts and logs the end of a pull; which model it was is in neither."""
        self.pulls.labels(state, problem).inc()
        self._log.info("pull", state=state, problem=problem, seconds=round(seconds, 3))

    def rules_acted(self, actions: Mapping[str, int], hits: Mapping[str, int]) -> None:
        """Counts how often rules refused, masked or flagged something, and which ones, by id."""
        for action, times in actions.items():
            self.moderated.labels(action).inc(times)
        for rule, times in hits.items():
            self.rules.labels(self._rules(rule)).inc(times)

    def rated(self, model: str, rating: int) -> None:
        """Counts what somebody thinks of an answer: 1 or -1. `model` as in answer_ended."""
        self.ratings.labels(self._models(model) if model else "", "up" if rating > 0 else "down").inc()

    def answer_ended(
        self, state: str, problem: str, seconds: float, figures: Mapping[str, float], model: str = ""
    ) -> None:
        """Counts an answer's end and logs its one line; what was asked and answered never gets here.

        `figures` are those of chat/messages.py that are known, by name. `model` is one that an engine has, never a
        name that somebody made up; "" where none is known.
        """
        model = self._models(model) if model else ""
        self.answers.labels(state, problem).inc()
        self.model_answers.labels(model, state).inc()
        self.tokens.inc(figures.get("answer_tokens", 0))
        if (first := figures.get("first_text_seconds")) is not None:
            self.first_text.observe(first)
        if tokens := figures.get("answer_tokens"):
            wrote = figures.get("answer_seconds") or 0
            if wrote > 0:
                self.speed.labels(model).observe(tokens / wrote)
        for stage in STAGES:
            if (spent := figures.get(f"{stage}_seconds")) is not None:
                self.stages.labels(stage).observe(spent)
        rounded = {name: round(value, 3) for name, value in figures.items()}
        self._log.info("answer", state=state, problem=problem, seconds=round(seconds, 3), **rounded)


class _Shared:
    """What is the same whoever tells it, found out when somebody asks: a collector as prometheus_client knows them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self.add("insight_processes", "Server processes that live.", lambda: len(self._processes()))
        self.add("insight_memory_bytes", "Resident memory of all of them together.", self._memory)

    def add(self, name: str, about: str, value: Callable[[], float]) -> None:
        self._gauges.append((name, about, value))

    def collect(self) -> Iterable[Metric]:
        for name, about, value in self._gauges:
            yield GaugeMetricFamily(name, about, value=float(value()))

    def _processes(self) -> list[int]:
        """By the files of those that live: who is gone has its own taken away."""
        if not self._folder:
            return [os.getpid()]
        found = (re.fullmatch(r"gauge_livesum_(\d+)\.db", each.name) for each in Path(self._folder).iterdir())
        return [int(each[1]) for each in found if each]

    def _memory(self) -> float:
        pages = 0
        for pid in self._processes():
            with suppress(OSError, ValueError, IndexError):  # of another system, or just gone
                pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE")) if pages else 0.0
