"""Turns to have a file read: one of each person at a time, whoever waited longest first, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest
from test_chat_replies import until

from insight_app.chat import reading_turns
from insight_app.chat.reading_turns import MOST_OF_ONE, ReadingTurns
from insight_app.errors import FileWaits


class Reading:
    """Somebody's file that is read, in a thread of its own, until `end`."""

    def __init__(self, turns: ReadingTurns, person: str) -> None:
        self._turns, self._person = turns, person
        self.begun, self._ends, self.over = threading.Event(), threading.Event(), threading.Event()
        self.refused = False
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        self._ends.set()
        assert self.over.wait(10)

    def _run(self) -> None:
        try:
            with self._turns.turn(self._person, "a.pdf"):
                self.begun.set()
                self._ends.wait(20)
        except FileWaits:
            self.refused = True
        self.over.set()


def waiting(turns: ReadingTurns) -> int:
    return turns._own.waiting() + turns._everybody.waiting()


def test_who_brings_many_files_holds_up_nobody_else() -> None:
    turns = ReadingTurns()
    alices = [Reading(turns, "alice")]
    assert alices[0].begun.wait(10)
    alices += [Reading(turns, "alice") for _ in range(4)]
    until(lambda: waiting(turns) == 4)
    bob = Reading(turns, "bob")
    assert bob.begun.wait(10), "Alice has one of the two places, however many files she brings"
    carol = Reading(turns, "carol")
    until(lambda: waiting(turns) == 5)
    alices[0].end()
    assert carol.begun.wait(10), "who waits comes before the next one of somebody who just had a turn"
    assert not any(each.begun.is_set() for each in alices[1:])
    bob.end()
    until(lambda: sum(each.begun.is_set() for each in alices[1:]) == 1)
    carol.end()
    for _ in range(4):
        until(lambda: any(each.begun.is_set() and not each.over.is_set() for each in alices[1:]))
        next(each for each in alices[1:] if each.begun.is_set() and not each.over.is_set()).end()
    assert not any(each.refused for each in (*alices, bob, carol))
    assert turns._own.running() == turns._everybody.running() == 0


def test_who_waits_for_too_long_or_with_too_many_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = ReadingTurns()
    first = Reading(turns, "alice")
    assert first.begun.wait(10)
    monkeypatch.setattr(reading_turns, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(FileWaits, match=r"b\.pdf"), turns.turn("alice", "b.pdf"):
        pass
    monkeypatch.undo()
    others = [Reading(turns, "alice") for _ in range(MOST_OF_ONE)]
    until(lambda: waiting(turns) == MOST_OF_ONE)
    with pytest.raises(FileWaits), turns.turn("alice", "c.pdf"):
        pass
    with turns.turn("bob", "d.pdf"):
        pass
    for each in (first, *others):
        each._ends.set()
    assert all(each.over.wait(10) for each in (first, *others))
    assert not any(each.refused for each in others)
