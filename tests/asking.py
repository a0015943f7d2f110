"""Asks an engine as the product does: first to make the model ready, then to answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from insight_app.engines.base import Engine, Event, Stage, Stop, Task


def events_of(engine: Engine, task: Task, stop: Stop | None = None) -> Generator[Stage | Event, None, None]:
    """The stages of the engine, then what it says; ends early where stop was asked."""
    stop = stop or Stop()
    stage = None
    for stage in engine.prepare(task.model, task.options, stop):
        yield stage
    if stage is not None and stage.name == "reading":
        yield from engine.stream(replace(task, model=stage.model), stop)
