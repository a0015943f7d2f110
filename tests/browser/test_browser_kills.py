"""Workers and whole servers that are killed in mid-answer, at random moments: every character comes once, and soon.

KILL_RUNS is how often (twice by default); KILL_SEED begins another row of moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_page import Chat, chat_in, free_port, started
from own_redis import OwnRedis
from playwright.sync_api import BrowserContext, expect
from redis import Redis
from steady_ollama import SteadyOllama, Story, children, is_open

RUNS = int(os.environ.get("KILL_RUNS", "2"))
SEED = int(os.environ.get("KILL_SEED", "6"))
AT_MOST_SECONDS = 10.0
PIECES, STORY_SECONDS = 120, 2.5


@pytest.fixture(scope="module")
def steady() -> Iterator[SteadyOllama]:
    with SteadyOllama() as server:
        yield server


@pytest.fixture(scope="module")
def own_redis() -> Iterator[OwnRedis]:
    with OwnRedis() as server:
        yield server


class Fleet:
    """One gunicorn with its engine; with two workers where there is a Redis."""

    def __init__(self, folder: Path, redis: OwnRedis | None, ollama: SteadyOllama, **environ: str) -> None:
        self.folder, self.redis, self.ollama, self.port = folder, redis, ollama, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        shared = {"REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"} if redis else {}
        self._environ = {"OLLAMA_BASE_URL": ollama.url, "GRACEFUL_SECONDS": "30", **shared, **environ}
        self.start()

    def start(self) -> None:
        self.master: subprocess.Popen[bytes] = started(self.folder, self.port, **self._environ)
        if self.redis:
            self.wait_for_workers(2)

    def wait_for_workers(self, count: int) -> None:
        """Until so many, and no others, have a lease."""
        assert self.redis is not None
        redis: Redis = self.redis.client
        until = time.monotonic() + 60
        while len(redis.keys("insight:process:*")) != count or len(children(self.master.pid)) != count:
            assert time.monotonic() < until, "the workers are not there"

    def end(self) -> None:
        if self.master.poll() is None:
            self.master.terminate()
            self.master.wait(timeout=30)


@pytest.fixture(scope="module")
def shared_fleet(
    tmp_path_factory: pytest.TempPathFactory, own_redis: OwnRedis, steady: SteadyOllama
) -> Iterator[Fleet]:
    found = Fleet(tmp_path_factory.mktemp("fleet"), own_redis, steady)
    yield found
    found.end()


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Fleet:
    """One for all tests, whatever the last one did to it."""
    if shared_fleet.master.poll() is not None:
        shared_fleet.start()
    shared_fleet.wait_for_workers(2)
    return shared_fleet


def tell(fleet: Fleet, name: str, chance: random.Random, *, held: bool = False) -> Story:
    story = fleet.ollama.stories[name] = Story(chance, PIECES, STORY_SECONDS, held=held)
    return story


def expect_whole(chat: Chat, other: Chat, story: Story, fleet: Fleet) -> None:
    """Both pages have the text once, in the page and in what is kept, as a page does that is opened only now."""
    for page in (chat, other):
        expect(page.answers.first).to_have_attribute("data-state", "done", timeout=30_000)
    number = str(chat.answers.first.get_attribute("id"))[1:]
    # A connection may have been kept to a worker that ends; a browser asks once more there.
    assert chat.page.request.get(f"{fleet.url}/answers/{number}/text", max_retries=3).text() == story.text
    followed, mirrored = chat.messages_html(), other.messages_html()
    chat.page.reload()
    assert followed == mirrored == chat.messages_html()
    assert story.strange == []
    assert story.at_once == 0


def test_an_answer_outlives_every_kill_of_its_worker(context: BrowserContext, fleet: Fleet) -> None:
    slowest = 0.0
    chat, other = (chat_in(context, fleet.url) for _ in range(2))
    for run in range(RUNS):
        chance = random.Random(SEED * 1_000 + run)
        story = tell(fleet, f"run {run}", chance)
        chat.open()
        chat.ask(f"run {run}")
        other.page.goto(chat.page.url)
        assert story.reached.wait(20)
        os.kill(story.writers_process(children(fleet.master.pid)), signal.SIGKILL)
        killed = time.monotonic()
        while len(story.writers) < 2 and chat.answers.first.get_attribute("data-state") != "done":
            assert time.monotonic() - killed < AT_MOST_SECONDS, f"run {run}: nobody goes on"
        if len(story.writers) == 2:
            slowest = max(slowest, time.monotonic() - killed)
        expect_whole(chat, other, story, fleet)
        fleet.wait_for_workers(2)
        print(f"run {run}: killed at piece {story.moment} of {PIECES}, {len(story.writers)} writers")
    print(f"{RUNS} kills, the slowest went on after {slowest:.1f} s")


def test_an_answer_outlives_its_whole_server(context: BrowserContext, fleet: Fleet) -> None:
    """Killed with all its workers, and started anew."""
    story = tell(fleet, "all", random.Random(SEED))
    chat, other = (chat_in(context, fleet.url) for _ in range(2))
    chat.open()
    chat.ask("all")
    other.page.goto(chat.page.url)
    assert story.reached.wait(20)
    os.killpg(fleet.master.pid, signal.SIGKILL)
    fleet.master.wait()
    fleet.start()
    answers = time.monotonic()
    while len(story.writers) < 2:
        assert time.monotonic() - answers < AT_MOST_SECONDS
    expect_whole(chat, other, story, fleet)


def test_a_worker_without_its_master_keeps_what_it_wrote_and_goes(context: BrowserContext, fleet: Fleet) -> None:
    story = tell(fleet, "master", random.Random(SEED + 1))
    chat, other = (chat_in(context, fleet.url) for _ in range(2))
    chat.open()
    chat.ask("master")
    other.page.goto(chat.page.url)
    assert story.reached.wait(20)
    fleet.master.kill()
    fleet.master.wait()
    until = time.monotonic() + 30
    while is_open(fleet.port):  # until its workers are gone, and the next server can listen
        assert time.monotonic() < until
    fleet.start()
    expect_whole(chat, other, story, fleet)


def test_a_worker_that_slept_until_it_was_taken_for_dead_writes_no_more(context: BrowserContext, fleet: Fleet) -> None:
    story = tell(fleet, "asleep", random.Random(SEED + 2))
    chat, other = (chat_in(context, fleet.url) for _ in range(2))
    chat.open()
    chat.ask("asleep")
    other.page.goto(chat.page.url)
    assert story.reached.wait(20)
    sleeper = story.writers_process(children(fleet.master.pid))
    os.kill(sleeper, signal.SIGSTOP)
    try:
        until = time.monotonic() + AT_MOST_SECONDS
        while len(story.writers) < 2:  # until the other one goes on
            assert time.monotonic() < until
        story.at_once = 0  # an engine does not know that who listens to it sleeps
    finally:
        os.kill(sleeper, signal.SIGCONT)
    assert story.writers[0].client_gone.wait(5) or story.writers[0].over.is_set()
    expect_whole(chat, other, story, fleet)
    assert len(story.writers) == 2


def test_an_upgrade_in_mid_answer_is_seen_by_nobody(context: BrowserContext, fleet: Fleet) -> None:
    """kill -HUP: workers with new code take the place of the old ones, which write their answers to the end."""
    upgrade(context, fleet, "in time", handed_over=False)
    fleet.wait_for_workers(2)


def test_nor_is_one_that_gives_answers_no_time(
    context: BrowserContext, tmp_path: Path, redis: OwnRedis, steady: SteadyOllama
) -> None:
    fleet = Fleet(tmp_path, redis, steady, GRACEFUL_SECONDS="0")
    try:
        upgrade(context, fleet, "handed over", handed_over=True)
    finally:
        fleet.end()


def test_nor_is_one_of_a_single_worker_without_redis(
    context: BrowserContext, tmp_path: Path, steady: SteadyOllama
) -> None:
    fleet = Fleet(tmp_path, None, steady)
    try:
        upgrade(context, fleet, "alone", handed_over=False)
    finally:
        fleet.end()


def wait(for_it: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not for_it():
        assert time.monotonic() < until
        time.sleep(0.01)


def upgrade(context: BrowserContext, fleet: Fleet, name: str, *, handed_over: bool) -> None:
    """`handed_over`: the old workers do not write the answer to its end."""
    context.set_default_timeout(60_000)  # what is asked while no worker listens waits for the first that does
    story = tell(fleet, name, random.Random(SEED + 3), held=True)
    meanwhile = tell(fleet, f"meanwhile {name}", random.Random(SEED + 3))
    chat, other, third = (chat_in(context, fleet.url) for _ in range(3))
    third.open()  # with a connection to one of the old workers
    chat.open()
    chat.ask(name)
    other.page.goto(chat.page.url)
    old = children(fleet.master.pid)
    assert story.reached.wait(20)
    fleet.master.send_signal(signal.SIGHUP)
    wait(lambda: not set(children(fleet.master.pid)) <= set(old))
    third.ask(f"meanwhile {name}")
    # More than once where the second of the old workers took it, and was told to end only then.
    wait(lambda: not handed_over or (len(story.writers) > 1 and not set(old) & set(children(fleet.master.pid))))
    story.goes_on.set()
    expect_whole(chat, other, story, fleet)
    expect_whole(third, third, meanwhile, fleet)
    assert (len(story.writers) > 1) == handed_over
    wait(lambda: not set(old) & set(children(fleet.master.pid)))
    assert not [each for page in (chat, other, third) for each in page.complaints]
