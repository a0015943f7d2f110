"""One line over all processes: the whole queue is one value in Redis, which each may change if nobody else just did.

What a process knows best, its own answers, it puts into whatever value there is; so an emptied Redis, a lost command
and a process that slept mend themselves. Where Redis is gone nobody new comes, and who waits goes on in a line of the
own process.
"""

from __future__ import annotations

import threading
import time

import structlog

from insight_app.chat import redis_keys as keys
from insight_app.chat.line import LineInMemory, Usual
from insight_app.chat.queue import Queue
from insight_app.chat.redis_link import Link
from insight_app.errors import RedisAway

# Notices may be lost, and processes may die, so that often the queue is looked at without one.
LOOK_SECONDS = 1.0
# Changes the queue where it is as its changer saw it; else says how it is.
SWAP = """
local there = redis.call('GET', KEYS[1]) or ''
if there ~= ARGV[1] then return {0, there} end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {1, ''}
"""


class LineInRedis(LineInMemory):
    """The protocol Line for one of many processes, known by its `token`, under which it has a lease.

    The limits are those of all processes together.
    """

    def __init__(
        self,
        link: Link,
        token: str,
        places: int,
        *,
        most_waiting: int = 100,
        shared: bool = False,
        usual: Usual = lambda model: None,
    ) -> None:
        super().__init__(places, most_waiting=most_waiting, shared=shared, usual=usual)
        self._process = token
        self._link = link
        self._seen = b""  # the queue's text, as it was seen last
        self._silent: dict[str, float] = {}  # processes without a lease, and since when
        self._dead: set[str] = set()
        self._sharing = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-line", daemon=True)
        self._thread.start()

    def expect_room(self, person: str, model: str) -> None:
        """Also raises RedisAway: an answer that begins now could be followed, stopped and carried on by nobody else.

        Asks by writing, as a Redis that is full or a replica reads well.
        """
        if self._link.transact([("SET", keys.ASKED, "", "EX", keys.KEPT_SECONDS)]) is None:
            raise RedisAway
        super().expect_room(person, model)

    def leave(self) -> None:
        with self._sharing:
            with self._lock:
                self._mine.clear()  # who waits here waits for the end of the process, and others go on with it
            self._settle()
            self._closed.set()
        self._link.transact([("PUBLISH", keys.LINE_NEWS, "")])  # the thread hears it too, and looks
        self._thread.join()

    def _settle(self) -> None:
        with self._sharing:
            while not self._closed.is_set():
                if self._share():
                    break

    def _share(self) -> bool:
        """Puts what is known here into the queue; False where somebody else changed it just then."""
        is_alone = not self._link.up
        with self._lock:
            queue = Queue.read(self._seen)
            for ticket in list(queue.tickets):
                if ticket.process in self._dead or (is_alone and ticket.process != self._process):
                    queue.leave(ticket)
            self._bring_up_to_date(queue)
            ended, before = len(self._ended), list(self._before)
            text = queue.text()
        if text != self._seen and not is_alone:
            swap = ("EVAL", SWAP, 1, keys.LINE, self._seen, text, keys.LINE_SECONDS, keys.LINE_NEWS, self._process)
            results = self._link.transact([swap])
            if results is None:
                return False
            swapped, there = results[0]
            if not swapped:
                self._seen = there
                return False
        self._seen = text
        self._dead.clear()
        with self._lock:
            del self._ended[:ended]
            for model in before:
                self._before.pop(model, None)
            self._queue = queue
            self._call()
        return True

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._look()
                self._listen()
            except Exception as error:  # a fault of ours must not leave all who wait without their turn
                structlog.get_logger("redis").error("line broke", exc_info=error)
            self._closed.wait(LOOK_SECONDS / 2)

    def _listen(self) -> None:
        """Follows the notices until Redis goes, or this process leaves."""
        look_at = 0.0
        for notices in self._link.listen((keys.LINE_NEWS,), LOOK_SECONDS):
            if self._closed.is_set():
                return
            is_time = time.monotonic() >= look_at
            if is_time:
                look_at = time.monotonic() + LOOK_SECONDS
                self._find_dead()
            if is_time or any(process != self._process for _, process in notices):
                self._look()

    def _look(self) -> None:
        with self._sharing:
            found = self._link.transact([("GET", keys.LINE)])
            if found is not None:
                self._seen = found[0] or b""
            self._settle()

    def _find_dead(self) -> None:
        """Whose lease ran out a while ago is dead; all may have slept, and then need a moment to say that they live."""
        with self._sharing:
            processes = sorted({ticket.process for ticket in Queue.read(self._seen).tickets} - {self._process})
            leases = self._link.transact([("EXISTS", keys.lease(process)) for process in processes])
            if leases is None:
                return
            silent = [process for process, there in zip(processes, leases, strict=True) if not there]
            now = time.monotonic()
            self._silent = {process: self._silent.get(process, now) for process in silent}
            self._dead = {process for process, since in self._silent.items() if now - since >= keys.GRACE_SECONDS}
