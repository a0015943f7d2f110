"""Replies in Redis when things go wrong: lost notices, an emptied Redis, one that is gone, processes that die."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_redis import OwnRedis
from structlog.testing import capture_logs
from test_chat_replies import reaches, reads, until

from insight_app.chat import redis_keys as keys
from insight_app.chat.messages import Outcome, State
from insight_app.chat.redis_link import Link
from insight_app.chat.redis_mirrors import Mirrors
from insight_app.chat.redis_outbox import ALONE_ROUND_SECONDS, Outbox
from insight_app.chat.replies_redis import CLAIM_SECONDS, RepliesInRedis
from insight_app.errors import ConfigError


@pytest.fixture(scope="module")
def steady() -> Iterator[OwnRedis]:
    """One that no test stops."""
    with OwnRedis() as found:
        yield found


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(keys, "LEASE_SECONDS", 0.8)
    monkeypatch.setattr(keys, "GIVEN_UP_SECONDS", 0.3)


@pytest.fixture
def two(redis: OwnRedis) -> Iterator[tuple[RepliesInRedis, RepliesInRedis]]:
    pair = RepliesInRedis(redis.url), RepliesInRedis(redis.url)
    yield pair
    for each in pair:
        each.leave()


Two = tuple[RepliesInRedis, RepliesInRedis]
STEPS = st.one_of(
    st.tuples(st.booleans(), st.text(max_size=12)),  # a piece, thought or said
    st.sampled_from(["send", "look", "empty", "lose a text"]),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_lost_a_mirror_becomes_the_original(steady: OwnRedis, steps: list[object]) -> None:
    """Notices do not come at all here: looking without one must be enough."""
    steady.client.flushall()
    link = Link(steady.url)
    outbox, mirrors = Outbox(link, "writer"), Mirrors(link, lambda answer_id: None)
    original = outbox.open(1, "c", "m", 0)
    outbox.send()
    mirror = mirrors.get(1)
    for step in steps:
        if isinstance(step, tuple):
            original.append(step[1], thought=step[0])
        elif step == "send":
            outbox.send()
        elif step == "look":
            mirrors.look()
        elif step == "empty":
            steady.client.flushall()
        else:
            steady.client.delete(keys.answer(1))
        if mirror is None or mirror.lost:
            mirror = mirrors.get(1)
        if mirror is not None:
            assert str(original.thinking).startswith(str(mirror.thinking))
            assert str(original.answer).startswith(str(mirror.answer))
    original.append("The end")
    outbox.send()
    outbox.send()  # the first may have found out that something was lost
    mirrors.look()
    if mirror is None or mirror.lost:
        mirror = mirrors.get(1)
    assert mirror is not None
    assert (str(mirror.thinking), str(mirror.answer)) == (str(original.thinking), str(original.answer))
    assert (mirror.state, mirror.position) == (original.state, original.position)
    link.close()


def ends(replies: RepliesInRedis, answer_id: int = 7) -> None:
    reply = replies.get(answer_id)
    assert reply is not None
    outcome = reply.outcome(State.DONE)
    replies.close(reply)
    reply.end(outcome)


def test_nothing_of_an_answer_stays_in_redis(two: Two, redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "ENDED_SECONDS", 1)
    writer, reader = two
    writer.open(7, "conversation", "m").append("Something private")
    reads(reader)
    ends(writer)
    until(lambda: not redis.client.keys("*answer*"))
    assert redis.client.hlen(keys.WRITING) == 0


def test_all_that_is_in_redis_goes_by_itself(two: Two, redis: OwnRedis) -> None:
    two[0].open(7, "conversation", "m").append("Something private", thought=True)
    until(lambda: redis.client.exists(*keys.all_of(7)) == 3)
    lasting = {key for key in redis.client.scan_iter() if redis.client.ttl(key) < 0}
    assert lasting == {keys.WRITING.encode()}


def test_a_mirror_that_nobody_reads_goes(two: Two) -> None:
    writer, reader = two
    writer.open(7, "c", "m")
    found = reads(reader)
    assert reader._mirrors.all() == [found]
    del found
    gc.collect()
    assert reader._mirrors.all() == []


def test_readers_catch_up_when_redis_is_back_and_empty(two: Two, redis: OwnRedis) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "m")
    reply.append("Before. ")
    found = reads(reader)
    assert reaches(found, lambda one: str(one.answer) == "Before. ")
    redis.stop()
    reply.append("While it is gone. ")
    until(lambda: not writer.connected())
    assert writer.get(7) is reply
    assert reader.get(7) is found
    assert not found.ended
    redis.start()
    reply.append("After.")
    reached = until(lambda: (one := reader.get(7)) and str(one.answer) == "Before. While it is gone. After." and one)
    assert isinstance(reached, type(found))
    ends(writer)
    assert reaches(reached, lambda one: one.ended or one.lost)  # either way the page asks the database


def test_an_answer_that_ended_while_redis_was_gone_is_found_by_nobody(two: Two, redis: OwnRedis) -> None:
    writer, reader = two
    writer.open(7, "c", "m")
    found = reads(reader)
    redis.stop()
    ends(writer)
    redis.start()
    assert reaches(found, lambda one: one.lost or one.ended)
    until(lambda: reader.connected() and reader.count() == 0)
    assert reader.get(7) is None


def test_a_start_without_redis_works_and_what_is_left_waits_for_it(redis: OwnRedis) -> None:
    redis.stop()
    before = time.monotonic()
    replies = RepliesInRedis(redis.url)
    assert time.monotonic() - before < 3
    assert not replies.connected()
    reply = replies.open(7, "c", "m")
    assert replies.get(7) is reply
    assert replies.get(8) is None
    assert replies.orphans({3}) == []
    assert replies.count() == 1
    ends(replies)
    redis.start()
    until(replies.connected)
    assert until(lambda: replies.orphans({3})) == [3]
    replies.leave()


def test_nobody_waits_for_a_redis_that_says_nothing(two: Two, redis: OwnRedis) -> None:
    writer, reader = two
    redis.pause()
    before = time.monotonic()
    for answer_id in range(20):
        assert reader.get(answer_id) is None
        writer.open(answer_id, "c", "m").append("Some")
    assert time.monotonic() - before < 4  # the first one of each process finds out, the others are told
    redis.go_on()
    assert str(until(lambda: (found := reader.get(19)) and found.position and found).answer) == "Some"


def test_what_a_dead_process_wrote_is_given_to_one_other_once(redis: OwnRedis) -> None:
    dead, *others = (RepliesInRedis(redis.url) for _ in range(4))
    dead.open(7, "c", "m").append("It was ")
    mirror = reads(others[0])
    kill(dead)
    given = []

    def one_round() -> bool:
        given.extend([one for one in others if one.orphans(()) == [7]])
        return bool(given)

    until(one_round, 4 * keys.LEASE_SECONDS)
    assert reaches(mirror, lambda one: one.lost)
    (heir,) = given
    heir.open(7, "c", "m", run=1).append("It was written")
    for one in others:
        found = reads(one)
        assert found.run == 1
        assert reaches(found, lambda one: str(one.answer) == "It was written")
        assert one.orphans(()) == []
    for one in others:
        one.leave()


def test_who_was_given_it_and_could_not_begin_is_given_it_again_and_nobody_else(two: Two) -> None:
    """The database was away for a moment, say: the answer must not wait until others may have it."""
    assert until(lambda: two[0].orphans({3})) == [3]
    before = time.monotonic()
    while not (given := two[0].orphans({3})):
        assert two[1].orphans({3}) == []
    assert given == [3]
    assert time.monotonic() - before < CLAIM_SECONDS / 4


def test_what_a_process_gives_up_is_taken_soon(two: Two, redis: OwnRedis) -> None:
    third = RepliesInRedis(redis.url)
    third.open(7, "c", "m")
    reads(two[1])
    third.leave()
    before = time.monotonic()
    assert until(lambda: two[0].orphans(())) == [7]
    assert time.monotonic() - before < keys.LEASE_SECONDS
    assert two[1].orphans(()) == []


def test_what_has_ended_goes_soon_also_where_all_texts_are_renewed_at_that_moment(redis: OwnRedis) -> None:
    link = Link(redis.url)
    link.transact([("PING",)], probing=True)
    outbox = Outbox(link, "me")
    reply = outbox.open(7, "c", "m", 0)
    reply.append("Secret")
    reply.end(Outcome(State.DONE, "Secret"))
    outbox._keep_at = 0.0  # now
    outbox.send()
    assert all(0 < redis.client.ttl(key) <= keys.ENDED_SECONDS for key in keys.all_of(7) if redis.client.exists(key))
    link.close()


def test_what_was_taken_and_given_up_again_is_taken_by_the_next(two: Two, redis: OwnRedis) -> None:
    third = RepliesInRedis(redis.url)
    redis.client.hset(keys.WRITING, "7", "")
    assert until(lambda: third.orphans(())) == [7]
    third.open(7, "c", "m", run=1)
    third.leave()
    before = time.monotonic()
    assert until(lambda: two[0].orphans(())) == [7]
    assert time.monotonic() - before < keys.LEASE_SECONDS


def test_what_a_start_finds_unfinished_is_given_to_one_process_unless_somebody_writes_it(two: Two) -> None:
    two[0].open(8, "c", "m")
    reads(two[1], 8)
    before = time.monotonic()
    given = until(lambda: two[1].orphans({7, 8}) or two[0].orphans({7, 8}))
    assert given == [7]
    assert time.monotonic() - before >= keys.LEASE_SECONDS  # who began to write it just now has the time to say so
    assert two[0].orphans({7, 8}) == two[1].orphans({7, 8}) == []


def test_a_process_that_was_only_asleep_harms_nothing(two: Two, redis: OwnRedis) -> None:
    link = Link(redis.url)
    sleeper = Outbox(link, "sleeper")
    reply = sleeper.open(7, "c", "m", 0)
    reply.append("old")
    sleeper.send()
    redis.client.hset(keys.WRITING, "7", two[0]._token)
    two[0].open(7, "c", "m", run=1).append("new")
    found = until(lambda: (one := two[1].get(7)) and one.run == 1 and one)
    reply.append(" and late")
    sleeper.send()
    assert reply.lost
    assert reply.stop.asked
    assert not sleeper.has(7)
    assert reaches(found, lambda one: str(one.answer) == "new")
    assert redis.client.get(keys.answer(7)) == b"new"
    link.close()


def test_a_wish_to_stop_that_was_lost_is_repeated(two: Two, redis: OwnRedis) -> None:
    writer, reader = two
    reply = writer.open(7, "c", "m")
    asked = threading.Event()
    reply.stop.then(asked.set)
    found = reads(reader)
    redis.stop()
    found.stop.ask()
    redis.start()
    assert asked.wait(5)


def test_each_change_of_redis_is_one_line_in_the_log(redis: OwnRedis) -> None:
    with capture_logs() as said:
        link = Link(redis.url)
        for change in (redis.stop, redis.start, redis.stop):
            for _ in range(3):
                link.transact([("PING",)], probing=True)
            change()
        link.transact([("PING",)], probing=True)
        link.close()
    redis.start()
    assert [line["event"] for line in said] == ["redis answers", "redis is gone", "redis answers", "redis is gone"]
    assert said[1] == {"event": "redis is gone", "fault": "ConnectionError", "log_level": "warning"}


@pytest.mark.parametrize("url", ["redis://host:port", "redis://127.0.0.1?db=many", "redis://127.0.0.1?nobody=knows"])
def test_an_address_that_cannot_be_one_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        RepliesInRedis(url)


def kill(replies: RepliesInRedis) -> None:
    """As kill -9 would end its process: it sends and hears nothing any more, and gives up nothing."""
    for part in (replies._outbox, replies._mirrors):
        part._closed.set()
    replies._outbox._changed.set()
    replies._outbox._thread.join()
    replies._mirrors._thread.join()
    replies._link.close()


def test_while_no_other_process_listens_redis_is_told_rarely_and_then_at_once(redis: OwnRedis) -> None:
    def is_quick(*, expected: bool) -> bool:
        reply.append("a word ")
        outbox.send()
        return (outbox._pause < ALONE_ROUND_SECONDS) is expected

    link = Link(redis.url)
    outbox, mirrors = Outbox(link, "me"), Mirrors(link, lambda answer_id: None)
    outbox.send()
    mirrors.begin()
    reply = outbox.open(1, "c", "m", 0)
    until(lambda: is_quick(expected=False))
    others = Mirrors(link, lambda answer_id: None)
    others.begin()
    until(lambda: is_quick(expected=True))
    others.leave()
    until(lambda: is_quick(expected=False))
    mirrors.leave()
    link.close()
