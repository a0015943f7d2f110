"""What every test can ask for: a scripted Ollama, the app before it, a visitor with a browser's manners, a Redis."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any, ClassVar

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from own_app import Start, running
from own_postgres import EMPTY, OwnPostgres
from own_redis import OwnRedis
from people import ALICE, BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.config import Settings
from insight_app.services import Services
from insight_app.storage.database import Database, sqlite_url

hypothesis.settings.register_profile(
    "project", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")), deadline=None, print_blob=True
)
hypothesis.settings.load_profile("project")

os.environ.setdefault("TITLES", "words")  # for servers of their own, too
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


class _Compiled(BytecodeCache):
    """Templates as an app before compiled them: each has its own environment, and would compile all it shows anew."""

    known: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": _Compiled()}


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[OwnPostgres]:
    """One for all tests, with a database EMPTY whose copies are ready for use."""
    with OwnPostgres() as found:
        found.run(f"CREATE DATABASE {EMPTY}")
        with closing(Database(found.url(EMPTY))) as database:
            database.bring_up_to_date()
        yield found


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for SQLite: a file that is copied, because the migrations take a good part of a short test."""
    file = tmp_path_factory.mktemp("ready") / "insight.db"
    with closing(Database(sqlite_url(file))) as database:
        database.bring_up_to_date()
    assert [each.name for each in file.parent.iterdir()] == [file.name], "what is beside it would be lost"
    return file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In files that say ON_BOTH_DATABASES, what uses a database runs on each."""
    if getattr(metafunc.module, "ON_BOTH_DATABASES", False) and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own. TEST_DATABASE=postgres runs all tests on Postgres that do not say otherwise."""
    if getattr(request, "param", os.environ.get("TEST_DATABASE")) != "postgres":
        copy(request.getfixturevalue("ready"), tmp_path / "insight.db")
        yield sqlite_url(tmp_path / "insight.db")
        return
    server: OwnPostgres = request.getfixturevalue("postgres")
    name = server.create(EMPTY)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Ready, without an app before it."""
    with closing(Database(database_url)) as found:
        yield found


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Makes databases of a kind; `is_ready` False: without a table."""
    with ExitStack() as stack:

        def make(kind: str, is_ready: bool = True) -> Database:
            if kind == "sqlite":
                file = tmp_path / f"{secrets.token_hex(4)}.db"
                if is_ready:
                    copy(request.getfixturevalue("ready"), file)
                url = sqlite_url(file)
            else:
                server: OwnPostgres = request.getfixturevalue("postgres")
                name = server.create(EMPTY if is_ready else "template0")
                stack.callback(server.drop, name)
                url = server.url(name)
            return stack.enter_context(closing(Database(url)))

        yield make


@pytest.fixture
def settings(tmp_path: Path, ollama: ScriptedOllama, database_url: str) -> Settings:
    return Settings(
        database_url="" if database_url.startswith("sqlite") else database_url,
        secret_key="only for these tests",
        data_dir=tmp_path,
        ollama_base_url=ollama.url,
        request_timeout_seconds=5,
        engine_wait_seconds=0,
        max_concurrent_answers=4,
        send_rate_limit="1000 per minute",
        titles="words",  # engines are asked what a test asks, and nothing else
    )


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts an app with the test's settings, but for those that are named; each is ended with the test."""
    with ExitStack() as stack:
        yield lambda **others: stack.enter_context(running(replace(settings, **others)))


@pytest.fixture
def app(start: Start) -> Flask:
    return start()


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
def shared(start: Start) -> Flask:
    """The app where people sign in; Alice, Bob and Carol have accounts."""
    app = start(auth_mode="accounts", sign_in_rate_limit="1000 per minute")
    add_people(app.extensions["insight"])
    return app


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
    with OwnRedis() as found:
        yield found


@pytest.fixture
def at_end() -> Iterator[ExitStack]:
    """What is to be closed when the test is over."""
    with ExitStack() as stack:
        yield stack
