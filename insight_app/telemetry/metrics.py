"""Figures for Prometheus about answers; labels are our own few words, never names that people choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One app's figures, in a registry of its own."""

    def __init__(self, redis_up: Callable[[], bool] = lambda: True) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "insight_answers_total", "Answers by how they ended.", ["state", "problem"], registry=self.registry
        )
        self.tokens = Counter("insight_answer_tokens_total", "Tokens written.", registry=self.registry)
        self.first_text = Histogram(
            "insight_first_text_seconds",
            "From the prompt to the answer's first text.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
            registry=self.registry,
        )
        self.stages = Histogram(
            "insight_stage_seconds",
            "How long an answer was in each of its stages.",
            ["stage"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
            registry=self.registry,
        )
        self.faults = Counter("insight_faults_total", "Requests that met a fault of ours.", registry=self.registry)
        self.database_faults = Counter(
            "insight_database_faults_total", "What could not be kept or read.", ["problem"], registry=self.registry
        )
        self.moderated = Counter(
            "insight_moderated_total", "What rules did, by their action.", ["action"], registry=self.registry
        )
        self.readers = Gauge("insight_stream_readers", "Open streams of answers.", registry=self.registry)
        self._live = Gauge("insight_live_answers", "Answers being written or waiting.", registry=self.registry)
        redis = Gauge("insight_redis_up", "1 while Redis answers, or none is needed.", registry=self.registry)
        redis.set_function(redis_up)
        self.too_many_waiting = Counter(
            "insight_too_many_waiting_total", "Prompts that found no place in the line.", registry=self.registry
        )
        self._log = structlog.get_logger("answer")

    def follow_line(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Shows how many answers wait for their turn, and how many have it."""
        words = {"waiting": (waiting, "in line for their turn"), "running": (running, "that have their turn")}
        for name, (count, what) in words.items():
            gauge = Gauge(f"insight_{name}_answers", f"Answers {what}, of all processes.", registry=self.registry)
            gauge.set_function(count)

    def watch_live_answers(self, count: Callable[[], int]) -> None:
        """`count` says how many answers are being written or wait."""
        self._live.set_function(count)

    def database_failed(self, problem: str) -> None:
        """Counts and logs that something could not be kept or read now."""
        self.database_faults.labels(problem).inc()
        self._log.warning("database", problem=problem)

    def rules_acted(self, actions: Mapping[str, int]) -> None:
        """Counts how often rules refused, masked or flagged something."""
        for action, times in actions.items():
            self.moderated.labels(action).inc(times)

    def answer_ended(self, state: str, problem: str, seconds: float, figures: Mapping[str, float]) -> None:
        """Counts an answer's end and logs its one line; what was asked and answered never gets here.

        `figures` are those of chat/messages.py that are known, by name.
        """
        self.answers.labels(state, problem).inc()
        self.tokens.inc(figures.get("answer_tokens", 0))
        if (first := figures.get("first_text_seconds")) is not None:
            self.first_text.observe(first)
        for stage in ("queued", "loading", "reading", "thinking", "writing"):
            if (spent := figures.get(f"{stage}_seconds")) is not None:
                self.stages.labels(stage).observe(spent)
        rounded = {name: round(value, 3) for name, value in figures.items()}
        self._log.info("answer", state=state, problem=problem, seconds=round(seconds, 3), **rounded)
