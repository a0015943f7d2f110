"""The line in Redis when things go wrong: processes that die or sleep, an emptied Redis, one that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from own_redis import OwnRedis
from test_chat_line import Answer
from test_chat_replies import until
from test_chat_replies_redis import kill as kill_replies

from insight_app.chat import redis_keys as keys
from insight_app.chat.line_redis import LineInRedis
from insight_app.chat.queue import Queue
from insight_app.chat.replies_redis import RepliesInRedis
from insight_app.engines.base import Stop


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(keys, "LEASE_SECONDS", 0.8)


class Process(NamedTuple):
    """What a server process has of Redis."""

    replies: RepliesInRedis
    line: LineInRedis

    @classmethod
    def at(cls, redis: OwnRedis) -> Process:
        replies = RepliesInRedis(redis.url)
        return cls(replies, LineInRedis(replies.link, replies.token, 1))

    def leave(self) -> None:
        self.line.leave()
        self.replies.leave()

    def kill(self) -> None:
        """As kill -9 would end it: it sends and hears nothing any more, and gives up nothing."""
        self.line._closed.set()
        self.line._thread.join()
        kill_replies(self.replies)


@pytest.fixture
def two(redis: OwnRedis) -> Iterator[tuple[Process, Process]]:
    pair = Process.at(redis), Process.at(redis)
    yield pair
    for each in pair:
        each.leave()


Two = tuple[Process, Process]


def test_the_turn_of_a_killed_process_goes_to_the_next(two: Two, redis: OwnRedis) -> None:
    dead = Process.at(redis)
    lost = [Answer(dead.line, person).settled() for person in ("Alice", "Bob")]
    mine = Answer(two[0].line, "Carol").settled()
    assert mine.place == 2
    dead.kill()
    assert mine.begins.wait(6 * keys.LEASE_SECONDS)
    assert (two[0].line.waiting(), two[0].line.running()) == (0, 1)
    mine.end()
    lost[0].end()


def test_a_process_that_ends_in_peace_gives_its_places_up_at_once(two: Two, redis: OwnRedis) -> None:
    ending = Process.at(redis)
    writing = Answer(ending.line, "Alice").settled()
    waiting = Answer(ending.line, "Bob").settled()
    mine = Answer(two[0].line, "Carol").settled()
    before = time.monotonic()
    ending.leave()
    assert mine.begins.wait(5)
    assert time.monotonic() - before < keys.LEASE_SECONDS
    assert not waiting.begins.is_set()  # it goes on elsewhere
    late = Answer(ending.line, "Dave")
    mine.end()
    assert not late.begins.wait(0.05)
    writing.end()


def test_a_process_that_slept_has_its_turn_still_and_stands_in_the_line_again(two: Two, redis: OwnRedis) -> None:
    first = Answer(two[0].line, "Alice").settled()
    second = Answer(two[0].line, "Bob").settled()
    queue = Queue.read(redis.client.get(keys.LINE))
    queue.tickets.clear()  # as another process leaves it that took this one for dead
    redis.client.set(keys.LINE, queue.text())
    until(lambda: len(Queue.read(redis.client.get(keys.LINE) or b"").tickets) == 2)
    assert [each.since is not None for each in Queue.read(redis.client.get(keys.LINE)).tickets] == [True, False]
    assert not second.begins.is_set()
    first.end()
    assert second.begins.wait(5)
    second.end()


@pytest.mark.parametrize("left", [None, b"not a queue", b'{"tickets":1}'])
def test_what_was_in_redis_may_be_lost(two: Two, redis: OwnRedis, left: bytes | None) -> None:
    first = Answer(two[0].line, "Alice").settled()
    second = Answer(two[1].line, "Bob").settled()
    third = Answer(two[0].line, "Carol").settled()
    redis.client.delete(keys.LINE)
    if left is not None:
        redis.client.set(keys.LINE, left)
    until(lambda: len(Queue.read(redis.client.get(keys.LINE) or b"").tickets) == 3)
    assert first.begins.is_set()
    first.end()
    for _ in range(2):  # whoever was the first to stand there again
        ready = until(lambda: [each for each in (second, third) if each.begins.is_set() and not each.over.is_set()])
        ready[0].end()
    assert second.over.is_set()
    assert third.over.is_set()


def test_notices_may_be_lost(two: Two, redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Answer(two[0].line, "Alice").settled()
    second = Answer(two[1].line, "Bob").settled()
    monkeypatch.setattr(keys, "LINE_NEWS", "insight:nowhere")
    first.end()
    assert second.begins.wait(5)
    second.end()


def test_without_redis_each_process_goes_on_with_its_own_and_all_meet_again(two: Two, redis: OwnRedis) -> None:
    alice = Answer(two[0].line, "Alice").settled()
    bob = Answer(two[1].line, "Bob").settled()
    carol = Answer(two[1].line, "Carol").settled()
    assert carol.place == 2
    redis.stop()
    assert bob.begins.wait(8)  # nobody knows whether Alice's is written still
    assert not carol.begins.is_set()
    dave = Answer(two[0].line, "Dave").settled()
    assert dave.heard == [(1, None)]
    bob.end()
    assert carol.begins.wait(5)
    redis.start()
    until(lambda: two[0].line.running() == 2 and two[1].line.running() == 2)
    erin = Answer(two[1].line, "Erin").settled()
    alice.end()
    assert not dave.begins.wait(0.1)  # Carol's is written still
    carol.end()
    assert dave.begins.wait(5)
    dave.end()
    assert erin.begins.wait(5)
    erin.end()
    until(lambda: not two[0].line.running() and not two[1].line.running())


def test_nobody_waits_long_for_a_redis_that_says_nothing(two: Two, redis: OwnRedis) -> None:
    redis.pause()
    before = time.monotonic()
    answers = [Answer(two[0].line, "Alice", f"m{number}").settled() for number in range(5)]
    assert time.monotonic() - before < 3  # the first finds out, the others are told
    for each in answers:
        each.end()
    redis.go_on()
    until(two[0].replies.connected)


def test_who_changes_the_queue_at_the_same_time_loses_nothing(two: Two, redis: OwnRedis) -> None:
    third = Process.at(redis)
    most, written = [0], []
    counting = threading.Lock()
    running: set[int] = set()

    def writes(process: Process, person: str, number: int) -> None:
        for turn in range(10):
            with process.line.turn(person, "m", Stop()) as mine:
                assert mine
                with counting:
                    running.add(number)
                    most[0] = max(most[0], len(running))
                    written.append((person, turn))
                with counting:
                    running.discard(number)

    threads = [
        threading.Thread(target=writes, args=(process, f"{name}{index}", 3 * index + number))
        for index, process in enumerate((*two, third))
        for number, name in enumerate("ABC")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(set(written)) == 90
    assert most == [1]
    third.leave()
    until(lambda: not two[0].line.running())


def test_nothing_of_the_line_stays_in_redis_for_good(two: Two, redis: OwnRedis) -> None:
    Answer(two[0].line, "Alice").settled().end()
    assert 0 < redis.client.ttl(keys.LINE) <= keys.LINE_SECONDS
    assert b"Alice" not in redis.client.get(keys.LINE)


def test_who_waits_asks_redis_seldom(two: Two, redis: OwnRedis) -> None:
    first = Answer(two[0].line, "Alice").settled()
    waiting = [Answer(two[number % 2].line, f"B{number}").settled() for number in range(8)]
    swaps = redis.client.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"]
    queue = redis.client.get(keys.LINE)
    gets = redis.client.info("commandstats")["cmdstat_get"]["calls"]
    assert not waiting[0].begins.wait(1.5)
    assert redis.client.get(keys.LINE) == queue
    assert redis.client.info("commandstats")["cmdstat_eval"]["calls"] == swaps  # nothing changed
    assert redis.client.info("commandstats")["cmdstat_get"]["calls"] - gets < 10
    for each in (first, *waiting):
        until(each.begins.is_set)
        each.end()
