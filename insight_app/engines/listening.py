"""Reading answers as their bytes come, so that whoever reads from a quick server leaves others their turn."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import requests

from insight_app.engines.base import Done, Event
from insight_app.engines.interruptible import Grip
from insight_app.engines.wire import Wire

# While this many answers are written, nobody is woken for each token of each: pages are sent less often anyway. The
# more there are, the more rarely each is read, so that all together ask for no more than one core can draw and send.
MANY_ANSWERS = 20
PAUSE_SECONDS = 0.06
READS_PER_SECOND = 2500
# Others get their turn while an engine is waited for. One that is quicker than we are would never let them, so whoever
# has read from it for so long rests a moment.
LONGEST_RUN_SECONDS = 0.02
WAIT_SECONDS = 0.005
REST_SECONDS = 0.001


class Listening:
    """To all answers that come over one wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._under_way: set[Grip] = set()

    def to(self, response: requests.Response, grip: Grip) -> Generator[bytes, None, None]:
        """What has arrived of the body, again and again; b"" at its end, nothing more once the grip is broken."""
        self._under_way.add(grip)
        try:
            waited = time.monotonic()
            while True:
                asked = time.monotonic()
                data = self._wire.read(response)
                if grip.broken:
                    return
                now = time.monotonic()
                if now - asked > WAIT_SECONDS:
                    waited = now
                elif now - waited > LONGEST_RUN_SECONDS:
                    time.sleep(REST_SECONDS)
                    waited = time.monotonic()
                yield data
                if not data:
                    return
                if len(self._under_way) >= MANY_ANSWERS:
                    time.sleep(max(PAUSE_SECONDS, len(self._under_way) / READS_PER_SECOND))
                    waited = time.monotonic()
        finally:
            self._under_way.discard(grip)

    def to_the_end(self, response: requests.Response, grip: Grip, events: Iterator[Event]) -> Iterator[Event]:
        """The events that are read of the response, which is closed then."""
        ended = False
        try:
            for event in events:
                ended = isinstance(event, Done)
                yield event
        finally:
            if ended:
                self._wire.finish(response, grip)
            response.close()  # which gives the connection back only where its last byte was read
