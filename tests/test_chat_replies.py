"""Replies are the same wherever they are kept: who writes one and who reads it may be in different processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from own_redis import OwnRedis

from insight_app.chat.messages import State
from insight_app.chat.replies import Replies
from insight_app.chat.replies_memory import RepliesInMemory
from insight_app.chat.replies_redis import RepliesInRedis
from insight_app.chat.reply import Activity, Reply

Found = TypeVar("Found")


@pytest.fixture(scope="module")
def redis() -> Iterator[OwnRedis]:
    with OwnRedis() as found:
        yield found


@pytest.fixture(params=["memory", "redis"])
def two(request: pytest.FixtureRequest) -> Iterator[tuple[Replies, Replies]]:
    """The replies as the process that writes has them, and as one that reads has them."""
    if request.param == "memory":
        one = RepliesInMemory()
        yield one, one
        return
    server: OwnRedis = request.getfixturevalue("redis")
    server.client.flushall()
    pair = RepliesInRedis(server.url), RepliesInRedis(server.url)
    yield pair
    for each in pair:
        each.leave()


def until(look: Callable[[], Found], seconds: float = 5) -> Found:
    """What `look` finds, as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not happen"
    return found


def reads(replies: Replies, answer_id: int = 7) -> Reply:
    found = until(lambda: replies.get(answer_id))
    assert found is not None
    return found


def reaches(reply: Reply, is_there: Callable[[Reply], bool]) -> bool:
    """Waits as a page does."""
    end = time.monotonic() + 5
    while not is_there(reply) and time.monotonic() < end:
        reply.wait(reply.version, 0.05)
    return is_there(reply)


Two = tuple[Replies, Replies]


def test_what_one_opens_everybody_finds(two: Two) -> None:
    writer, reader = two
    reply = writer.open(7, "conversation", "qwen3", run=1)
    assert writer.get(7) is reply
    found = reads(reader)
    assert (found.id, found.conversation_id, found.activity.model, found.run) == (7, "conversation", "qwen3", 1)
    assert (found.state, found.position, found.ended, found.lost) == (State.QUEUED, 0, False, False)
    assert reader.get(7) is found


def test_nobody_finds_what_nobody_opened(two: Two) -> None:
    assert two[1].get(7) is None


def test_text_and_reasoning_come_whole_and_in_place(two: Two) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "m")
    reply.append("Hm… ", thought=True)
    found = reads(reader)
    reply.append("möglich\ud800", thought=True)
    reply.append("So 🙂 ")
    reply.append("late", thought=True)
    reply.append("it is.")
    assert reaches(found, lambda one: one.position == reply.position)
    assert (str(found.thinking), str(found.answer)) == ("Hm… möglich\ufffd", "So 🙂 it is.")
    assert found.state is State.WRITING
    assert found.place(3) == reply.place(3)


def test_what_was_there_before_is_the_beginning(two: Two) -> None:
    writer, reader = two
    writer.open(7, "c", "m", run=1).begin_with("thought", "and said")
    found = reads(reader)
    assert reaches(found, lambda one: str(one.answer) == "and said")
    assert str(found.thinking) == "thought"
    assert found.place(4) == "4.1"


def test_what_is_going_on_is_told_with_its_seconds(two: Two) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "")
    found = reads(reader)
    reply.enter(Activity(State.LOADING, "qwen3:8b", since=time.monotonic() - 60, usual_seconds=20.5))
    assert reaches(found, lambda one: one.state is State.LOADING)
    assert replace(found.activity, since=reply.activity.since) == reply.activity
    assert 60 <= found.activity.seconds <= reply.activity.seconds + 0.1
    reply.queue_at(3)
    assert reaches(found, lambda one: one.activity.place == 3)


def test_an_end_is_told_to_who_reads_and_nobody_finds_it_any_more(two: Two) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "m")
    reply.append("All of it")
    found = reads(reader)
    outcome = reply.outcome(State.INTERRUPTED, problem="engine_broke")
    writer.close(reply)
    reply.end(outcome)
    assert reaches(found, lambda one: one.ended)
    assert (found.state, found.activity.problem, str(found.answer)) == (State.INTERRUPTED, "engine_broke", "All of it")
    assert writer.get(7) is None
    assert reader.get(7) is None
    writer.close(reply)


def test_who_waits_is_woken_by_a_piece(two: Two) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "m")
    found = reads(reader)
    version = found.version
    threading.Timer(0.01, reply.append, ["a piece"]).start()
    assert reaches(found, lambda one: one.version != version and one.position > 0)


@pytest.mark.parametrize("by", ["id", "reply"])
def test_a_wish_to_stop_reaches_the_writer_within_200_ms(two: Two, by: str) -> None:
    writer, reader = two

    def reaches_in_time(answer_id: int) -> bool:
        reply = writer.open(answer_id, "c", "m")
        found = until(lambda: reader.get(answer_id))
        asked = threading.Event()
        reply.stop.then(asked.set)
        if by == "id":
            reader.stop(answer_id)
        else:
            found.stop.ask()
        return asked.wait(0.2)

    assert any(map(reaches_in_time, range(7, 12)))  # a machine may stall once


def test_a_wish_to_stop_what_nobody_writes_does_nothing(two: Two) -> None:
    two[1].stop(7)


def test_all_are_counted_and_each_process_knows_its_own(two: Two) -> None:
    writer, reader = two
    mine, other = writer.open(7, "c", "m"), writer.open(8, "d", "m")
    assert until(lambda: reader.count() == 2)
    assert writer.here() == [mine, other]
    assert reader.here() == ([mine, other] if reader is writer else [])
    writer.close(mine)
    mine.end(mine.outcome(State.DONE))
    assert until(lambda: reader.count() == 1)
    assert writer.here() == [other]


def test_everybody_who_waits_can_be_woken_without_news(two: Two) -> None:
    writer, reader = two
    writer.open(7, "c", "m")
    found = reads(reader)
    version = found.version
    reader.wake()
    assert found.version != version


def test_what_somebody_writes_is_no_orphan(two: Two) -> None:
    writer, reader = two
    writer.open(7, "c", "m")
    reads(reader)
    assert reader.orphans({7}) == []
    assert reader.connected()
