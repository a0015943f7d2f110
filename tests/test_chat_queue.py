"""Turns go round among people, for each model; places and estimates say what then happens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from insight_app.chat import queue as about
from insight_app.chat.queue import Outlook, Queue, Ticket

PEOPLE = st.sampled_from(["Alice", "Bob", "Carol", "Dave"])
MODELS = st.sampled_from(["large", "small"])


def ticket(name: str, model: str = "m") -> Ticket:
    """One of the person whose first letter its name has."""
    return Ticket(name, name[0], model)


def filled(*names: str, places: int = 1) -> Queue:
    """A queue into which they came one after the other."""
    queue = Queue()
    for name in names:
        queue.join(ticket(name))
        queue.advance(places, now=0.0)
    return queue


def running(queue: Queue) -> list[str]:
    return [each.id for each in queue.tickets if each.since is not None]


def end(queue: Queue, name: str, places: int = 1, now: float = 0.0) -> None:
    queue.leave(next(each for each in queue.tickets if each.id == name))
    queue.advance(places, now)


def order(queue: Queue, places: int = 1) -> list[str]:
    """Whose turn begins when, where always the one ends that began first."""
    begun = running(queue)
    for name in begun:
        end(queue, name, places)
        begun += [new for new in running(queue) if new not in begun]
    return begun


def test_five_prompts_of_one_do_not_hold_up_one_of_another() -> None:
    assert order(filled("A1", "A2", "A3", "A4", "A5", "B1")) == ["A1", "B1", "A2", "A3", "A4", "A5"]


def test_turns_go_round() -> None:
    assert order(filled("A1", "A2", "A3", "B1", "B2", "C1")) == ["A1", "B1", "C1", "A2", "B2", "A3"]


def test_who_comes_back_at_once_goes_behind_those_who_waited() -> None:
    queue = filled("A1", "B1", "B2", "A2")
    end(queue, "A1")
    assert running(queue) == ["B1"]
    queue.join(ticket("C1"))
    end(queue, "B1")
    assert running(queue) == ["A2"]
    end(queue, "A2")
    queue.join(ticket("A3"))
    assert order(queue)[0] == "C1"  # B2 waits since the end of B1, which was later


def test_a_place_that_is_free_goes_to_who_has_fewest() -> None:
    queue = filled("A1", "A2", "A3", "A4", "B1", "B2", places=3)
    assert running(queue) == ["A1", "A2", "A3"]
    end(queue, "A1", places=3)
    assert running(queue) == ["A2", "A3", "B1"]
    end(queue, "A2", places=3)
    assert running(queue) == ["A3", "B1", "B2"] or running(queue) == ["A3", "A4", "B1"]


def test_each_model_has_its_places() -> None:
    queue = filled("A1", "A2")
    queue.join(ticket("B1", "other"))
    queue.advance(1, now=0.0)
    assert running(queue) == ["A1", "B1"]


def test_an_estimate_counts_what_is_left_of_those_before() -> None:
    queue = filled("A1", "B1", "C1")
    assert queue.outlook("m", 1, now=4.0) == {"B1": Outlook(1, None), "C1": Outlook(2, None)}
    queue.measured("m", 10.0)
    assert queue.outlook("m", 1, now=4.0) == {"B1": Outlook(1, 6.0), "C1": Outlook(2, 16.0)}
    # What lasts longer than usual will end soon, and a clock that was set back tells nothing.
    assert queue.outlook("m", 1, now=19.0) == {"B1": Outlook(1, 1.0), "C1": Outlook(2, 11.0)}
    assert queue.outlook("m", 1, now=-400.0)["B1"] == Outlook(1, 10.0)


def test_nobody_is_told_a_time_while_an_answer_lasts_much_longer_than_usual() -> None:
    queue = filled("A1", "B1", "C1")
    queue.measured("m", 10.0)
    assert queue.outlook("m", 1, now=20.0) == {"B1": Outlook(1, None), "C1": Outlook(2, None)}
    # Another place may be free before.
    queue = filled("A1", "B1", "C1", "D1", places=2)
    queue.measured("m", 10.0)
    queue.tickets[0].since = -100.0
    assert [each.seconds for each in queue.outlook("m", 2, now=4.0).values()] == [6.0, 16.0]


def test_with_two_places_two_go_at_a_time() -> None:
    queue = filled("A1", "B1", "C1", "D1", "E1", places=2)
    queue.measured("m", 10.0)
    assert [each.seconds for each in queue.outlook("m", 2, now=0.0).values()] == [10.0, 10.0, 20.0]
    # One process may have gone on with more than there are places, as while Redis was gone.
    assert [each.seconds for each in queue.outlook("m", 1, now=0.0).values()] == [10.0, 20.0, 30.0]


def test_what_is_usual_is_the_median_of_the_last_turns() -> None:
    queue = Queue()
    assert queue.usual_seconds("m") is None
    for seconds in [1000.0] * 30 + [2.0] * 15 + [60.0] * 5:
        queue.measured("m", seconds)
    assert queue.usual_seconds("m") == 2.0
    for number in range(about.MODELS_KEPT):
        queue.measured(f"m{number}", 1.0)
    assert queue.usual_seconds("m") is None
    assert len(queue.turns) == about.MODELS_KEPT


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"tickets":[[1]]}', b"\xff"])
def test_a_text_that_is_no_queue_is_an_empty_one(text: bytes) -> None:
    assert Queue.read(text).text() == b""


class InTurn(RuleBasedStateMachine):
    """People come, give up and are served in any order; the queue crosses to another process at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()
        self.places = 2
        self.count = 0
        self.overtaken: dict[tuple[str, str], Counter[str]] = {}  # who began how often while somebody had no turn

    def settle(self) -> None:
        before = {each.id for each in self.queue.tickets if each.since is not None}
        waited = {(each.model, each.person) for each in self.queue.tickets if each.since is None}
        self.queue.advance(self.places, float(self.count))
        for begun in [each for each in self.queue.tickets if each.since is not None and each.id not in before]:
            for model, person in waited:
                if model == begun.model and person != begun.person:
                    self.overtaken.setdefault((model, person), Counter())[begun.person] += 1
        served = {(each.model, each.person) for each in self.queue.tickets if each.since is not None}
        for model, person in [*self.overtaken]:
            if (model, person) in served or (model, person) not in waited:
                del self.overtaken[model, person]

    @rule(person=PEOPLE, model=MODELS)
    def comes(self, person: str, model: str) -> None:
        self.count += 1
        self.queue.join(Ticket(f"{person}{self.count}", person, model))
        self.settle()

    @precondition(lambda self: self.queue.tickets)
    @rule(which=st.integers(0, 10**6))
    def leaves(self, which: int) -> None:
        self.queue.leave(self.queue.tickets[which % len(self.queue.tickets)])
        self.settle()

    @rule()
    def crosses(self) -> None:
        text = self.queue.text()
        self.queue = Queue.read(text)
        assert self.queue.text() == text

    @invariant()
    def no_model_has_more_than_its_places(self) -> None:
        for model in ("large", "small"):
            count = sum(each.model == model and each.since is not None for each in self.queue.tickets)
            assert count <= self.places
            assert count == self.places or not self.queue.waiting(model)

    @invariant()
    def nobody_goes_twice_before_somebody_who_has_no_turn(self) -> None:
        for passed in self.overtaken.values():
            # One for the turn that is going on at the moment, as many as there are places.
            assert max(passed.values()) <= self.places

    @invariant()
    def everybody_who_waits_has_a_place(self) -> None:
        for model in ("large", "small"):
            places = [each.place for each in self.queue.outlook(model, self.places, 0.0).values()]
            assert places == list(range(1, self.queue.waiting(model) + 1))


TestInTurn = InTurn.TestCase


@given(st.lists(PEOPLE, min_size=1, max_size=25), st.integers(1, 3), st.data())
def test_places_are_what_then_happens(people: list[str], places: int, data: st.DataObject) -> None:
    """With one place whoever ends; with more, where turns last equally long."""
    queue = filled(*(f"{person}{number}" for number, person in enumerate(people)), places=places)
    for _ in range(data.draw(st.integers(0, 5))):
        if done := running(queue):
            end(queue, data.draw(st.sampled_from(done)), places)
    told = sorted(queue.outlook("m", places, now=0.0).items(), key=lambda item: item[1].place)
    begun = running(queue)
    assert [name for name in order(queue, places) if name not in begun] == [name for name, _ in told]


@given(st.lists(PEOPLE, min_size=1, max_size=25), st.integers(1, 3))
def test_estimates_are_what_then_happens_where_turns_last_as_usual(people: list[str], places: int) -> None:
    queue = filled(*(f"{person}{number}" for number, person in enumerate(people)), places=places)
    queue.measured("m", 10.0)
    told = queue.outlook("m", places, now=0.0)
    now = 0.0
    while begun := [each for each in queue.tickets if each.since is not None]:
        begun.sort(key=lambda each: told[each.id].place if each.id in told else 0)  # in which they began
        for each in begun:
            if each.id in told:
                assert told[each.id].seconds == each.since
        now += 10.0
        for each in begun:
            end(queue, each.id, places, now)
