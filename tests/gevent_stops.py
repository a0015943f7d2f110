"""Three answers at once under gevent: one waits for its headers, one talks, one will end.

A program for test_engines_interruptible, which tells it on stdin when the first request has come.
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
from asking import events_of  # noqa: E402
from gevent.event import Event as Flag  # noqa: E402

from insight_app.engines.base import Piece, Stage, Stop, Task, Turn  # noqa: E402
from insight_app.engines.ollama import Ollama  # noqa: E402

AT_ONCE = 1.0


def say(words: str) -> None:
    print(words, flush=True)


engine = Ollama(sys.argv[1], silence_seconds=30)
task = Task("llama3.2:latest", (Turn("user", "Hello?"),))


class Follower:
    """Reads one answer in a greenlet of its own."""

    def __init__(self, begun: type) -> None:
        self.stop, self.text, self.begun, self._begun = Stop(), "", Flag(), begun
        self.greenlet = gevent.spawn(self.read)
        assert self.begun.wait(10)

    def read(self) -> None:
        for event in events_of(engine, task, self.stop):
            if isinstance(event, Piece):
                self.text += event.text
            if isinstance(event, self._begun):
                self.begun.set()

    def stopped_in(self) -> float:
        before = time.perf_counter()
        self.stop.ask()
        self.greenlet.join(10)
        assert self.greenlet.successful()
        return time.perf_counter() - before


waiting = Follower(Stage)
gevent.get_hub().threadpool.apply(sys.stdin.readline)  # its request is there
talking, other = Follower(Piece), Follower(Piece)
say("all three are under way")
assert waiting.stopped_in() < AT_ONCE
assert waiting.text == ""
say("stopped before its headers")
assert talking.stopped_in() < AT_ONCE
assert talking.text == "so far"
say("stopped in mid-stream")
other.greenlet.join(10)
assert other.text == "one two"
say("another one is whole")
