"""The app as a test has it: started for a block, and what it writes stopped at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask

from insight_app import create_app
from insight_app.config import Settings
from insight_app.services import Services

Start = Callable[..., Flask]  # takes settings that are not the test's usual ones, by name


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    """The app for the block; what is being written is stopped at its end, and nothing is left open."""
    app = create_app(settings)
    services: Services = app.extensions["insight"]
    services.engine.look()
    try:
        yield app
    finally:
        for reply in services.replies.here():
            reply.stop.ask()
        services.close()
        services.database.close()
