"""Who is next: people take turns at each model. A value made for JSON, so that processes can share it.

Among the people who wait for a model comes first who has the fewest answers being written by it, then who has waited
longest since their last turn there ended, or since they came. A person's own answers keep their order. So five prompts
of one person hold up one prompt of another for as long as the answer that is being written, and not for five; and
whoever comes later goes once before somebody who waits, and not again and again.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from math import inf
from operator import itemgetter
from statistics import median
from typing import NamedTuple

import msgspec

# How many of a model's last turns tell how long one usually lasts, and of how many models that is kept.
TURNS_KEPT = 20
MODELS_KEPT = 50
# What is thought to be left of an answer that lasts longer than usual, as a part of what is usual; and from how many
# times the usual on nobody can tell any more.
OVERDUE = 0.1
UNHEARD_OF = 2


class Ticket(msgspec.Struct, array_like=True):
    """An answer that waits for a model, or is being written by it.

    `process` is the token of the process that holds it, `rank` orders people (see Queue), `since` is when its turn
    began, in seconds since 1970 (None: it waits).
    """

    id: str
    person: str
    model: str
    process: str = ""
    rank: int = 0
    since: float | None = None


class Outlook(NamedTuple):
    """A place in the line, from 1, and in how many seconds its turn will come (None: nobody knows)."""

    place: int
    seconds: float | None


class Queue(msgspec.Struct):
    """All tickets in the order in which they came, and how long the last turns of each model took, in seconds."""

    tickets: list[Ticket] = []
    clock: int = 0  # counts whatever changes somebody's rank
    turns: dict[str, list[float]] = {}

    @classmethod
    def read(cls, text: bytes) -> Queue:
        """What `text` wrote; an empty queue for anything else, as another version may have left it."""
        try:
            return _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return cls()

    def text(self) -> bytes:
        """The same queue has the same text; that of an empty one is empty."""
        return _ENCODER.encode(self) if self.tickets or self.turns else b""

    def join(self, ticket: Ticket) -> None:
        """Adds a ticket, behind those of its person."""
        self.clock += 1
        ticket.rank = self.clock
        self.tickets.append(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Takes a ticket away; where it had its turn, its person goes behind all the others who wait."""
        self.tickets.remove(ticket)
        if ticket.since is not None:
            self.clock += 1
            for other in self.tickets:
                if other.since is None and (other.person, other.model) == (ticket.person, ticket.model):
                    other.rank = self.clock

    def advance(self, places: int, now: float) -> None:
        """Gives turns while a model has less than `places`; `now` is the time of day."""
        for tickets in self._by_model().values():
            order = _Order(tickets)
            while order.running < places and (ticket := order.take()) is not None:
                ticket.since = now

    def outlook(self, model: str, places: int, now: float) -> dict[str, Outlook]:
        """Where those who wait for a model stand, by ticket, if turns last as they usually do and nobody comes."""
        usual = self.usual_seconds(model)
        lasting = 1.0 if usual is None else usual
        tickets = self._by_model().get(model, [])
        order, found, moment = _Order(tickets), dict[str, Outlook](), 0.0
        started = [(ticket.since, ticket.person) for ticket in tickets if ticket.since is not None]
        ends = [
            (_left(now - since, lasting), number, person)
            for number, (since, person) in enumerate(sorted(started, key=itemgetter(0)))
        ]
        heapify(ends)
        while order.waits:
            while order.running >= places:
                moment, _, person = heappop(ends)
                order.end(person)
            if (ticket := order.take()) is not None:
                found[ticket.id] = Outlook(len(found) + 1, None if usual is None or moment == inf else moment)
                heappush(ends, (moment + lasting, len(tickets) + len(found), ticket.person))
        return found

    def measured(self, model: str, seconds: float) -> None:
        """Notes how long a turn took."""
        last = [*self.turns.pop(model, []), round(seconds, 3)]
        self.turns[model] = last[-TURNS_KEPT:]
        while len(self.turns) > MODELS_KEPT:
            del self.turns[next(iter(self.turns))]

    def usual_seconds(self, model: str) -> float | None:
        """How long a turn usually lasts; None where nobody has seen one."""
        return median(self.turns[model]) if self.turns.get(model) else None

    def waiting(self, model: str | None = None, person: str | None = None) -> int:
        """How many wait, for one model or for all, of one person or of all."""
        return sum(
            ticket.since is None and model in (None, ticket.model) and person in (None, ticket.person)
            for ticket in self.tickets
        )

    def running(self) -> int:
        return sum(ticket.since is not None for ticket in self.tickets)

    def models(self) -> set[str]:
        """Those that somebody has his turn at, or waits for."""
        return {ticket.model for ticket in self.tickets}

    def _by_model(self) -> dict[str, list[Ticket]]:
        found = defaultdict[str, list[Ticket]](list)
        for ticket in self.tickets:
            found[ticket.model].append(ticket)
        return found


def _left(passed: float, usual: float) -> float:
    """How long a turn will still last; infinite where it lasts so long already that nobody can tell."""
    if passed >= UNHEARD_OF * usual:
        return inf
    return max(usual - max(0.0, passed), OVERDUE * usual)


class _Order:
    """The people of one model, as turns begin and end; changes no ticket."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self._written = Counter[str]()
        self._waiting = defaultdict[str, deque[Ticket]](deque)
        self._last = 0
        for ticket in tickets:
            self._last = max(self._last, ticket.rank)
            if ticket.since is not None:
                self._written[ticket.person] += 1
            else:
                self._waiting[ticket.person].append(ticket)
        self.running = self._written.total()
        self._ended: dict[str, int] = {}
        self._people = [self._place(person) for person in self._waiting]
        heapify(self._people)

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Ticket | None:
        """The one whose turn begins now; None where nobody waits."""
        while self._people:
            place = heappop(self._people)
            person = place[-1]
            if person in self._waiting and place == self._place(person):  # else there is a newer place of theirs
                ticket = self._waiting[person].popleft()
                self._written[person] += 1
                self.running += 1
                self._put(person)
                return ticket
        return None

    def end(self, person: str) -> None:
        """A turn of theirs ends."""
        self._written[person] -= 1
        self.running -= 1
        self._last += 1
        self._ended[person] = self._last
        self._put(person)

    def _put(self, person: str) -> None:
        if self._waiting.get(person):
            heappush(self._people, self._place(person))
        else:
            self._waiting.pop(person, None)

    def _place(self, person: str) -> tuple[int, int, str]:
        rank = max(self._waiting[person][0].rank, self._ended.get(person, 0))
        return self._written[person], rank, person


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Queue)
