"""Engines and rules that tell a trace when they were asked and what it took; nothing of what was said."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing

from insight_app.engines.base import About, Done, Engine, Event, Model, Options, Piece, Stage, Stop, Task
from insight_app.moderation.answers import AnswerScreen
from insight_app.moderation.moderating import Beside, Hold, Moderation, nothing
from insight_app.telemetry.traces import Tracing


class TracedEngine(Engine):
    """`engine`, with a span for each time that it is asked to load, and to write."""

    def __init__(self, engine: Engine, tracing: Tracing) -> None:
        self._engine = engine
        self._tracing = tracing
        self.name, self.url = engine.name, engine.url
        self.words: Mapping[str, str] = engine.words

    def prepare(self, model: str, options: Options, stop: Stop) -> Generator[Stage, None, None]:
        with self._tracing.span("prepare") as span:
            for stage in self._engine.prepare(model, options, stop):
                span.note(engine=self.name, loaded=stage.name == "loading" or None)
                yield stage

    def stream(self, task: Task, stop: Stop) -> Generator[Event, None, None]:
        with self._tracing.span("engine") as span, closing(self._engine.stream(task, stop)) as events:
            span.note(engine=self.name)
            began = False
            for event in events:
                if not began and isinstance(event, Piece):
                    began = True
                    self._tracing.span("first word", within=span.traceparent).end()
                elif isinstance(event, Done):
                    span.note(prompt_tokens=event.prompt_tokens, answer_tokens=event.answer_tokens, end=event.reason)
                yield event

    def continues(self, model: str, stop: Stop) -> bool:
        return self._engine.continues(model, stop)

    def about(self, model: str, stop: Stop) -> About:
        return self._engine.about(model, stop)

    def models(self) -> list[Model]:
        return self._engine.models()


class TracedModeration(Moderation):
    """`moderation`, with a span for each prompt that is held to the rules, and to a judge."""

    def __init__(self, moderation: Moderation, tracing: Tracing) -> None:
        self._moderation = moderation
        self._tracing = tracing

    def prompt(self, text: str, *, beside: Beside = nothing) -> str:
        with self._tracing.span("moderation"):
            return self._moderation.prompt(text, beside=beside)

    def answer(self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stop | None = None) -> AnswerScreen:
        return self._moderation.answer(thinking, text, prompt=prompt, stop=stop)

    def earlier(self) -> Hold:
        return self._moderation.earlier()

    @property
    def judges_prompts(self) -> bool:
        return self._moderation.judges_prompts

    def refresh(self) -> None:
        self._moderation.refresh()
