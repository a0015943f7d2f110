"""What every test can ask for: a scripted Ollama, the app before it, a visitor with a browser's manners, a Redis."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from own_redis import OwnRedis
from people import ALICE, BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app import create_app
from insight_app.config import Settings
from insight_app.services import Services

hypothesis.settings.register_profile(
    "project", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")), deadline=None, print_blob=True
)
hypothesis.settings.load_profile("project")

FORBID_SKIPS = os.environ.get("FORBID_SKIPS") == "1"


def _unskipped(report: Any) -> Any:
    if FORBID_SKIPS and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"skipping is forbidden here: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    return _unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    return _unskipped((yield))


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, ollama: ScriptedOllama) -> Settings:
    return Settings(
        secret_key="only for these tests",
        data_dir=tmp_path,
        ollama_base_url=ollama.url,
        request_timeout_seconds=5,
        engine_wait_seconds=0,
        max_concurrent_answers=4,
        send_rate_limit="1000 per minute",
    )


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    """The app for the block; what is being written is stopped at its end."""
    app = create_app(settings)
    services: Services = app.extensions["insight"]
    services.engine.look()
    yield app
    for reply in services.replies.here():
        reply.stop.ask()
    services.close()
    services.database.close()


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with running(settings) as app:
        yield app


@pytest.fixture
def services(app: Flask) -> Services:
    found: Services = app.extensions["insight"]
    return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def visitor(client: FlaskClient) -> Visitor:
    found = Visitor(client)
    found.open("/")
    return found


@pytest.fixture
def shared(settings: Settings) -> Iterator[Flask]:
    """The app where people sign in; Alice, Bob and Carol have accounts."""
    with running(replace(settings, auth_mode="accounts", sign_in_rate_limit="1000 per minute")) as app:
        add_people(app.extensions["insight"])
        yield app


@pytest.fixture
def alice(shared: Flask) -> Visitor:
    """An admin, signed in."""
    return signed_in(shared, ALICE)


@pytest.fixture
def bob(shared: Flask) -> Visitor:
    """A member, signed in."""
    return signed_in(shared, BOB)


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    found = OwnRedis()
    found.start()
    yield found
    found.close()


@pytest.fixture
def at_end() -> Iterator[ExitStack]:
    """What is to be closed when the test is over."""
    with ExitStack() as stack:
        yield stack
