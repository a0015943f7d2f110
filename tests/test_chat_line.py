"""The line is the same for answers of one process and of many: nobody goes out of turn, everybody knows their place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_redis import OwnRedis
from test_chat_replies import until

from insight_app.chat import line as about
from insight_app.chat.line import Line, LineInMemory
from insight_app.chat.line_redis import LineInRedis
from insight_app.chat.queue import Queue, Ticket
from insight_app.chat.replies_redis import RepliesInRedis
from insight_app.engines.base import Stop
from insight_app.errors import DatabaseError, EngineBroke, TooManyOfYours, TooManyWaiting

Make = Callable[..., list[Line]]


@pytest.fixture(scope="module")
def redis() -> Iterator[OwnRedis]:
    with OwnRedis() as found:
        yield found


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes the line as two processes have it; in memory it is one."""
    with ExitStack() as stack:

        def in_memory(places: int, **options: object) -> list[Line]:
            return [LineInMemory(places, **options)] * 2

        def in_redis(places: int, **options: object) -> list[Line]:
            server: OwnRedis = request.getfixturevalue("redis")
            server.client.flushall()
            processes = [RepliesInRedis(server.url) for _ in range(2)]
            lines = [LineInRedis(each.link, each.token, places, **options) for each in processes]
            for each in [*processes, *lines]:  # closed in the other order
                stack.callback(each.leave)
            return [*lines]

        yield in_memory if request.param == "memory" else in_redis


class Answer:
    """Somebody's answer in the line, in a thread of its own: it waits, holds its turn until `end`, and is over."""

    def __init__(self, line: Line, person: str, model: str = "m", begun: list[Answer] | None = None) -> None:
        self.line, self.person, self.model = line, person, model
        self.stop = Stop()
        self.heard: list[tuple[int, float | None]] = []
        self.begins, self.ends, self.over = threading.Event(), threading.Event(), threading.Event()
        self.fails = False
        self.had_turn = False
        self._begun = begun
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def place(self) -> int:
        return self.heard[-1][0] if self.heard else 0

    @property
    def seconds(self) -> float | None:
        return self.heard[-1][1] if self.heard else None

    def settled(self) -> Answer:
        """The same, once it has its turn or a place."""
        until(lambda: self.begins.is_set() or self.heard)
        return self

    def end(self) -> None:
        self.ends.set()
        assert self.over.wait(20)

    def _run(self) -> None:
        def told(place: int, seconds: float | None) -> None:
            self.heard.append((place, seconds))

        with suppress(EngineBroke), self.line.turn(self.person, self.model, self.stop, told) as mine:
            self.had_turn = mine
            if mine:
                if self._begun is not None:
                    self._begun.append(self)
                self.begins.set()
                self.ends.wait(20)  # some are never ended by their test, and a thread's fault would be another one's
                if self.fails:
                    raise EngineBroke
        self.over.set()


def test_everybody_knows_which_models_write_or_are_to_write(make: Make) -> None:
    one, other = make(1)
    answers = [Answer(one, "Alice", "a"), Answer(other, "Bob", "b"), Answer(other, "Carol", "b")]
    for each in (one, other):
        until(lambda each=each: each.models() == {"a", "b"})  # type: ignore[misc]
    for answer in answers:  # which of them came first is not said
        answer.ends.set()
    for answer in answers:
        answer.end()
    until(lambda: not one.models() and not other.models())


def test_so_many_go_and_the_next_when_one_leaves(make: Make) -> None:
    one, other = make(1)
    first = Answer(one, "Alice").settled()
    second = Answer(other, "Bob").settled()
    assert first.begins.is_set()
    assert not second.begins.is_set()
    assert first.heard == []  # who does not wait has no place
    first.end()
    assert second.begins.wait(5)
    second.end()
    until(lambda: (one.waiting(), one.running()) == (0, 0) == (other.waiting(), other.running()))


def test_everybody_knows_their_place_and_who_comes_back_waits_behind(make: Make) -> None:
    one, other = make(1)
    begun: list[Answer] = []
    alice = [Answer(one, "Alice", begun=begun).settled() for _ in range(3)]
    bob = Answer(other, "Bob", begun=begun).settled()
    assert bob.place == 1
    until(lambda: [each.place for each in alice[1:]] == [2, 3])
    until(lambda: (one.waiting(), one.running()) == (3, 1) == (other.waiting(), other.running()))
    for number, who in enumerate([alice[0], bob, alice[1], alice[2]], 1):
        until(lambda number=number: len(begun) == number)
        assert begun[-1] is who
        who.end()
    assert [place for place, _ in alice[2].heard] == [2, 3, 2, 1]


def test_who_stops_while_waiting_gets_no_turn_and_blocks_nobody(make: Make) -> None:
    one, other = make(1)
    first = Answer(one, "Alice").settled()
    second = Answer(other, "Bob").settled()
    third = Answer(one, "Carol").settled()
    before = time.monotonic()
    second.stop.ask()
    assert second.over.wait(5)
    assert not second.had_turn
    until(lambda: third.place == 1)
    assert time.monotonic() - before < 1
    first.end()
    assert third.begins.wait(5)
    third.end()


def test_who_stopped_before_gets_no_turn_and_leaves_none_behind(make: Make) -> None:
    one, other = make(1)
    stop = Stop()
    stop.ask()
    with one.turn("Alice", "m", stop) as mine:
        assert not mine
        with other.turn("Bob", "m", Stop()) as theirs:
            assert theirs


def test_models_do_not_wait_for_each_other(make: Make) -> None:
    one, other = make(1)
    answers = [Answer(line, "Alice", model).settled() for line, model in ((one, "large"), (other, "small"))]
    assert all(each.begins.is_set() for each in answers)
    for each in answers:
        each.end()


def test_an_estimate_comes_from_the_turns_of_all_processes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "WORTH_TELLING_SECONDS", 0.0)
    one, other = make(1, usual=lambda model: 30.0)
    first = Answer(one, "Alice").settled()
    second = Answer(other, "Bob").settled()
    until(lambda: second.seconds is not None)
    assert second.heard[0] == (1, None)  # nobody waits for the database in front of the line
    assert 25 < (second.seconds or 0) <= 30
    first.end()
    assert second.begins.wait(5)
    third = Answer(one, "Alice").settled()
    until(lambda: third.seconds is not None)
    assert 10 < (third.seconds or 0) < 20  # 30 s before, and no time just now
    second.end()
    third.end()


def test_a_turn_that_failed_tells_nothing_of_how_long_they_last(make: Make) -> None:
    one, other = make(1)
    first = Answer(one, "Alice").settled()
    first.fails = True
    first.end()
    second = Answer(one, "Alice").settled()
    third = Answer(other, "Bob").settled()
    assert third.heard == [(1, None)]
    for each in (second, third):
        each.end()


def test_a_database_that_cannot_be_read_costs_only_the_estimate(make: Make) -> None:
    def usual(model: str) -> float | None:
        raise DatabaseError

    one, other = make(1, usual=usual)
    first, second = Answer(one, "Alice").settled(), Answer(other, "Bob").settled()
    assert second.heard == [(1, None)]
    first.end()
    assert second.begins.wait(5)
    second.end()


def test_a_fault_of_ours_holds_no_place(make: Make) -> None:
    def usual(model: str) -> float | None:
        raise ZeroDivisionError

    one, other = make(1, usual=usual)
    first = Answer(one, "Alice").settled()
    with pytest.raises(ZeroDivisionError), other.turn("Bob", "m", Stop()):
        raise AssertionError("it has no turn")
    until(lambda: (one.waiting(), one.running()) == (0, 1))
    first.end()
    until(lambda: other.running() == 0)


def test_who_waits_longer_than_was_thought_is_told_anew(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "WORTH_TELLING_SECONDS", 0.05)
    monkeypatch.setattr(about, "TELL_AGAIN_SECONDS", 0.02)
    one, other = make(1, usual=lambda model: 0.5)
    first = Answer(one, "Alice").settled()
    second = Answer(other, "Bob").settled()
    third = Answer(other, "Carol").settled()
    until(lambda: len([seconds for _, seconds in third.heard if seconds is not None and seconds < 0.6]) > 3)
    assert min(seconds for _, seconds in third.heard if seconds is not None) >= 0.5  # Bob's turn is to come in any case
    for each in (first, second, third):
        each.end()


def test_there_is_room_for_so_many_for_each_model(make: Make) -> None:
    one, other = make(1, most_waiting=2, usual=lambda model: 40.0)
    answers = []
    for number, person in enumerate(("Alice", "Alice", "Bob")):
        until(lambda number=number: one.waiting() == max(0, number - 1))
        one.expect_room(person, "m")
        answers.append(Answer(one, person).settled())
    until(lambda: other.waiting() == 2)
    until(lambda: answers[-1].seconds)
    for line in (one, other):
        with pytest.raises(TooManyWaiting) as refused:
            until(lambda line=line: line.expect_room("Carol", "m"))
        assert 30 <= int(refused.value.facts["retry_after"]) <= 40
        line.expect_room("Carol", "another")
    for each in (answers[0], answers[2], answers[1]):
        each.end()
    until(lambda: other.waiting() == 0)
    other.expect_room("Carol", "m")


def test_nobody_fills_a_line_alone_that_is_shared(make: Make) -> None:
    one, other = make(1, most_waiting=4, shared=True)
    answers = [Answer(one, "Alice").settled() for _ in range(3)]
    until(lambda: other.waiting() == 2)
    with pytest.raises(TooManyOfYours) as refused:
        other.expect_room("Alice", "m")
    assert refused.value.status == 429
    other.expect_room("Bob", "m")
    for each in answers:
        each.end()


COMING = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["large", "small"])), min_size=1, max_size=12)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COMING, st.integers(1, 2), st.data())
def test_whatever_comes_and_goes_it_is_one_queue(
    make: Make, coming: list[tuple[str, str]], places: int, data: st.DataObject
) -> None:
    """What tests/test_chat_queue.py finds out about the value holds for real threads, in one process and in two."""
    lines, expected = make(places), Queue()
    with ExitStack() as over:
        for line in lines:  # or those of the next example would have the places of this one
            over.callback(line.leave)
        answers: dict[str, Answer] = {}
        for number, (person, model) in enumerate(coming):
            answers[str(number)] = Answer(lines[number % 2], person, model).settled()
            expected.join(Ticket(str(number), person, model))
            expected.advance(places, 0.0)

        def is_as_expected() -> bool:
            told = {
                name: at for model in ("large", "small") for name, at in expected.outlook(model, places, 0.0).items()
            }
            return all(
                answers[each.id].begins.is_set()
                if each.since is not None
                else answers[each.id].place == told[each.id].place
                for each in expected.tickets
            )

        while expected.tickets:
            until(is_as_expected)
            leaving = data.draw(st.sampled_from(expected.tickets), label="who ends or gives up")
            expected.leave(leaving)
            expected.advance(places, 0.0)
            answers[leaving.id].stop.ask()
            answers[leaving.id].end()
        until(lambda: not any(line.waiting() or line.running() for line in lines))
