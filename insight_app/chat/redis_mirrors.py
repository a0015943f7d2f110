"""What other processes write, as far as somebody here reads it; a mirror goes when its last reader does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from weakref import WeakValueDictionary

import structlog

from insight_app.chat import redis_keys as keys
from insight_app.chat.crossing import Mirror
from insight_app.chat.redis_link import Command, Link

# Notices may be lost, so that often everything is looked at without one.
RESYNC_SECONDS = 1.0
# How long a wish to stop is repeated: it may be lost too, or come while nobody writes the answer.
WISH_SECONDS = 60.0


class Mirrors:
    """Thread-safe. `stop` is called with the id of every answer that somebody, somewhere, wants to end."""

    def __init__(self, link: Link, stop: Callable[[int], object]) -> None:
        self._link = link
        self._stop = stop
        self._known: WeakValueDictionary[int, Mirror] = WeakValueDictionary()
        self._wishes: dict[int, float] = {}  # answers to be stopped, and until when that is repeated
        self._pulling = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-mirrors", daemon=True)

    def begin(self) -> None:
        """From now on news is followed as it comes."""
        self._thread.start()

    def get(self, answer_id: int) -> Mirror | None:
        """None where no process writes it, or Redis is gone and nobody here reads it yet."""
        if not self._link.up:
            return self._known.get(answer_id)
        with self._pulling:
            if (known := self._known.get(answer_id)) is not None:
                return known
            found = self._link.transact([("GET", keys.facts(answer_id))])
            if not found or found[0] is None:
                return None
            mirror = self._known[answer_id] = Mirror(answer_id, json.loads(found[0]))
            mirror.stop.then(lambda: self.stop(answer_id))
            self._pull([mirror])
        return None if mirror.ended or mirror.lost else mirror

    def all(self) -> list[Mirror]:
        with self._pulling:
            return list(self._known.values())

    def stop(self, answer_id: int) -> None:
        """Asks whichever process writes it, now or soon, to end it."""
        self._wishes[answer_id] = time.monotonic() + WISH_SECONDS
        self._link.transact([("PUBLISH", keys.STOP, answer_id)])

    def leave(self) -> None:
        """Listens no more."""
        self._closed.set()
        self._link.transact([("PUBLISH", keys.NEWS, "")])  # the thread hears it too, and looks
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except Exception as error:  # a fault of ours must not leave all readers without news
                structlog.get_logger("redis").error("mirrors broke", exc_info=error)
            self._closed.wait(RESYNC_SECONDS / 2)

    def _listen(self) -> None:
        """Follows the notices until Redis goes, or this process leaves."""
        resync_at = 0.0
        for notices in self._link.listen((keys.NEWS, keys.STOP), RESYNC_SECONDS):
            if self._closed.is_set():
                return
            changed: set[int] = set()
            for channel, text in notices:
                if channel == keys.STOP:
                    self._stop(int(text))
                elif self._known:  # most of what is told is of this process itself
                    changed.update(int(answer_id) for answer_id in text.split(",") if answer_id)
            now = time.monotonic()
            if everything := now >= resync_at:
                resync_at = now + RESYNC_SECONDS
                self._repeat_wishes(now)
            self.look(None if everything else changed)

    def _repeat_wishes(self, now: float) -> None:
        for wished, until in list(self._wishes.items()):
            if until <= now:
                del self._wishes[wished]
        self._link.transact([("PUBLISH", keys.STOP, wished) for wished in list(self._wishes)])

    def look(self, changed: Collection[int] | None = None) -> None:
        """Brings those of these ids, or all, up to date where Redis answers."""
        with self._pulling:
            self._pull([mirror for mirror in self.all() if changed is None or mirror.id in changed])

    def _pull(self, mirrors: Sequence[Mirror]) -> None:
        commands: list[Command] = []
        for mirror in mirrors:
            thought, said = mirror.sizes
            commands.append(("GET", keys.facts(mirror.id)))
            commands.append(("GETRANGE", keys.thinking(mirror.id), thought, -1))
            commands.append(("GETRANGE", keys.answer(mirror.id), said, -1))
        results = self._link.transact(commands)
        if results is None:
            return
        for place, mirror in enumerate(mirrors):
            facts, thinking, answer = results[3 * place : 3 * place + 3]
            mirror.take(None if facts is None else json.loads(facts), thinking, answer)
            if mirror.ended or mirror.lost:
                del self._known[mirror.id]
