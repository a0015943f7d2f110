"""What is too old goes and nothing else does: pins, answers that are being written, and what a person chose."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from own_app import Start
from sqlalchemy import update

from insight_app.config import Settings
from insight_app.privacy.diagnostics import DAY_SECONDS
from insight_app.privacy.preferences import Preferences
from insight_app.services import Services
from insight_app.storage.tables import conversations, messages

ROOT = Path(__file__).parent.parent


def aged(services: Services, days: float, *, ended: bool = True, pinned: bool = False) -> str:
    """A conversation whose last message came so many days ago."""
    store = services.conversations
    prompt, answer = store.ask("Hi", model="")
    assert answer is not None
    home = prompt.conversation_id
    at = time.time() - days * DAY_SECONDS
    with services.database.writing() as connection:
        state = {"state": "done", "finished_at": at} if ended else {"state": "queued"}
        mine = messages.c.conversation_id == home
        connection.execute(update(messages).where(mine).values(created_at=at))
        connection.execute(update(messages).where(messages.c.id == answer.id).values(**state))
        values = {"created_at": at, "is_pinned": pinned}
        connection.execute(update(conversations).where(conversations.c.id == home).values(values))
    return home


def kept(services: Services) -> set[str]:
    return {each.id for each in services.conversations.newest_conversations().conversations}


@given(st.none() | st.integers(0, 40_000), st.integers(0, 36_500))
def test_nobody_keeps_for_longer_than_the_server_sets(own: int | None, most: int) -> None:
    days = Preferences(keep_days=own).days_kept(most)
    assert days is None if not (own or most) else days is not None
    assert not most or (days is not None and days <= most)
    assert not own or (days is not None and days <= own)


def test_what_is_too_old_goes_and_nothing_else(services: Services) -> None:
    services.personal.choose(keep_days=10)
    old = aged(services, 10.1)
    stays = {
        aged(services, 9.9),
        aged(services, 400, pinned=True),
        aged(services, 400, ended=False),
    }
    assert kept(services) == {old, *stays}
    assert services.retention.prune() == 1
    assert kept(services) == stays
    assert services.retention.prune() == 0


def test_nothing_goes_where_nothing_is_set(services: Services) -> None:
    old = aged(services, 36_000)
    assert services.retention.prune() == 0
    assert kept(services) == {old}


def test_age_counts_from_the_last_message(services: Services) -> None:
    services.personal.choose(keep_days=10)
    home = aged(services, 400)
    services.conversations.ask("More", model="", conversation_id=home)
    assert services.retention.prune() == 0


def test_more_than_one_transaction_takes_all_go(services: Services) -> None:
    services.personal.choose(keep_days=1)
    for _ in range(45):
        aged(services, 2)
    assert services.retention.prune() == 45


def test_the_server_prunes_at_its_start(start: Start, services: Services) -> None:
    old = aged(services, 11)
    services.pruning.close()
    other: Services = start(history_retention_days=10).extensions["insight"]
    until = time.monotonic() + 5
    while old in kept(services) and time.monotonic() < until:
        time.sleep(0.01)
    other.close()
    assert kept(services) == set()


def test_another_process_forgets_what_was_deleted(services: Services) -> None:
    heard: list[str] = []
    services.pruning.on_deletion(lambda: heard.append("deleted"))
    services.pruning.look()
    before = len(heard)
    services.pruning.look()
    assert len(heard) == before
    services.database.forget()
    services.pruning.look()
    assert len(heard) == before + 1


def test_the_command_prunes_and_leaves_running_answers_alone(services: Services, settings: Settings) -> None:
    services.answering.close()  # or it goes on with the answer that it finds left behind
    old, young = aged(services, 11), aged(services, 1, ended=False)
    environ = {
        **os.environ,
        "SECRET_KEY": settings.secret_key,
        "DATA_DIR": str(settings.data_dir),
        "HISTORY_RETENTION_DAYS": "10",
        "OLLAMA_BASE_URL": settings.ollama_base_url,
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "prune"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "1 conversation was deleted.\n", done.stderr
    assert kept(services) == {young}
    assert old not in kept(services)
    (answer,) = services.conversations.unfinished(young)
    assert services.conversations.message(answer).run == 0
