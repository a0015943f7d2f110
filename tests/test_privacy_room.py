"""What uploads hold at once is bounded, and nobody waits for somebody whose own does not fill all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from insight_app.privacy.room import Room

SECONDS = 20


class Somebody:
    """Takes room and gives it back when told."""

    def __init__(self, room: Room, person: str, need: int) -> None:
        self.is_in, self._leave, self._room = threading.Event(), threading.Event(), room
        waiting = room.waiting()
        self._thread = threading.Thread(target=self._takes, args=(person, need), daemon=True)
        self._thread.start()
        until = time.monotonic() + SECONDS
        while not (self.is_in.is_set() or room.waiting() > waiting) and time.monotonic() < until:
            self.is_in.wait(0.001)

    def leaves(self) -> None:
        self._leave.set()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def comes(self) -> bool:
        return self.is_in.wait(SECONDS)

    def _takes(self, person: str, need: int) -> None:
        with self._room.taken(person, need):
            self.is_in.set()
            self._leave.wait(SECONDS)


@contextmanager
def nobody_left(room: Room) -> Iterator[None]:
    free = room.free()
    yield
    assert (room.free(), room.waiting()) == (free, 0)


def test_others_go_by_who_has_one_already() -> None:
    room = Room(100)
    with nobody_left(room):
        first, second = Somebody(room, "ann", 60), Somebody(room, "ann", 10)
        bob = Somebody(room, "bob", 30)
        assert first.comes()
        assert bob.comes()
        assert not second.is_in.is_set()
        first.leaves()
        assert second.comes()
        bob.leaves()
        second.leaves()


def test_what_is_large_waits_for_room_and_what_is_small_does_not_go_before_it() -> None:
    room = Room(100)
    with nobody_left(room):
        ann, bob = Somebody(room, "ann", 60), Somebody(room, "bob", 1000)
        carol = Somebody(room, "carol", 10)
        assert ann.comes()
        assert not bob.is_in.is_set()
        assert not carol.is_in.is_set()
        ann.leaves()
        assert bob.comes(), "as it gets all there is"
        assert not carol.is_in.is_set()
        bob.leaves()
        assert carol.comes()
        carol.leaves()


def test_who_gives_up_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(100)
    with nobody_left(room):
        with room.taken("ann", 100), monkeypatch.context() as patch:

            def wait_for(self: threading.Condition, predicate: object) -> bool:
                raise KeyboardInterrupt

            patch.setattr(threading.Condition, "wait_for", wait_for)
            with pytest.raises(KeyboardInterrupt), room.taken("bob", 1):
                pass
        with room.taken("bob", 100):
            pass
