"""Workers and whole servers that are killed in mid-answer, at random moments: every character comes once, and soon.

KILL_RUNS is how often (three times by default); KILL_SEED begins another row of moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_page import Chat, chat_in, free_port, started
from own_redis import OwnRedis
from playwright.sync_api import BrowserContext, expect
from redis import Redis
from steady_ollama import SteadyOllama, Story, children

RUNS = int(os.environ.get("KILL_RUNS", "3"))
SEED = int(os.environ.get("KILL_SEED", "6"))
AT_MOST_SECONDS = 10.0
PIECES, STORY_SECONDS = 120, 2.5


@pytest.fixture
def steady() -> Iterator[SteadyOllama]:
    with SteadyOllama() as server:
        yield server


class Fleet:
    """One gunicorn with two workers, its Redis, and its engine."""

    def __init__(self, folder: Path, redis: OwnRedis, ollama: SteadyOllama) -> None:
        self.folder, self.redis, self.ollama, self.port = folder, redis, ollama, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self, **environ: str) -> None:
        self.master: subprocess.Popen[bytes] = started(
            self.folder,
            self.port,
            OLLAMA_BASE_URL=self.ollama.url,
            REDIS_URL=self.redis.url,
            WEB_CONCURRENCY="2",
            **environ,
        )
        self.wait_for_workers(2)

    def wait_for_workers(self, count: int) -> None:
        """Until so many, and no others, have a lease."""
        redis: Redis = self.redis.client
        until = time.monotonic() + 30
        while len(redis.keys("insight:process:*")) != count or len(children(self.master.pid)) != count:
            assert time.monotonic() < until, "the workers are not there"

    def end(self) -> None:
        if self.master.poll() is None:
            self.master.terminate()
            self.master.wait(timeout=30)


@pytest.fixture
def fleet(tmp_path: Path, redis: OwnRedis, steady: SteadyOllama) -> Iterator[Fleet]:
    found = Fleet(tmp_path, redis, steady)
    yield found
    found.end()


def tell(fleet: Fleet, name: str, chance: random.Random) -> Story:
    story = fleet.ollama.stories[name] = Story(chance, PIECES, STORY_SECONDS)
    return story


def expect_whole(chat: Chat, other: Chat, story: Story, fleet: Fleet) -> None:
    """Both pages have the text once, in the page and in what is kept, as a page does that is opened only now."""
    for page in (chat, other):
        expect(page.answers.first).to_have_attribute("data-state", "done", timeout=30_000)
    number = str(chat.answers.first.get_attribute("id"))[1:]
    assert chat.page.request.get(f"{fleet.url}/answers/{number}/text").text() == story.text
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
