"""A reply that crosses from the process that writes it to others that read it: text by position, all else as facts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from insight_app.chat.messages import State
from insight_app.chat.reply import Activity, Reply
from insight_app.telemetry.traces import Span


@dataclass(frozen=True, slots=True)
class News:
    """What somebody lacks who has so much of each text: the rest of both, and the facts as they are now."""

    version: int  # of the reply
    facts: str  # as JSON
    thinking: str
    answer: str
    is_last: bool


class Written(Reply):
    """A reply that this process writes; calls `changed` whenever there is more."""

    def __init__(
        self, answer_id: int, conversation_id: str, model: str, run: int, owner: str, changed: Callable[[], None]
    ) -> None:
        super().__init__(answer_id, conversation_id, model, run, owner)
        self._notice = changed
        self._stamped: tuple[Activity | None, str] = None, ""  # what is going on, and the facts of that

    def news(self, thought: int, said: int) -> News:
        """For somebody who has so many characters of the reasoning and of the answer."""
        with self._changing:
            activity = self.activity
            if activity is not self._stamped[0]:
                # The time of day is the only clock that others have too.
                facts = {**asdict(activity), "since": time.time() - activity.seconds}
                facts |= {"conversation": self.conversation_id, "run": self.run}
                facts |= {"owner": self.owner, "trace": self.trace}
                self._stamped = activity, json.dumps(facts)
            return News(
                self.version, self._stamped[1], self.thinking.since(thought), self.answer.since(said), self.ended
            )

    def be_traced(self, span: Span) -> None:
        self._stamped = None, ""
        super().be_traced(span)

    def _tell(self) -> None:
        super()._tell()
        self._notice()


class Mirror(Reply):
    """A reply that another process writes, as far as it is known here."""

    def __init__(self, answer_id: int, facts: dict[str, Any]) -> None:
        super().__init__(answer_id, facts["conversation"], run=facts["run"], owner=facts["owner"])
        self.trace = facts.get("trace", "")
        self.sizes = (0, 0)  # of the reasoning and of the answer, in bytes
        self._facts: dict[str, Any] = {}

    def take(self, facts: dict[str, Any] | None, thinking: bytes, answer: bytes) -> None:
        """What came to both texts, and the facts as they are now; None where nobody knows any more.

        Whoever waits is told once all of it is there.
        """
        if facts is None or facts["run"] != self.run:
            self.lose()
            return
        with self._changing:
            if thinking or answer or facts != self._facts:
                self.thinking.append(thinking.decode())
                self.answer.append(answer.decode())
                self.sizes = (self.sizes[0] + len(thinking), self.sizes[1] + len(answer))
                if facts != self._facts:
                    self._facts = facts
                    self.trace = facts.get("trace", "")
                    self.activity = _activity(facts)
                self._tell()


def _activity(facts: dict[str, Any]) -> Activity:
    known = {each.name: facts[each.name] for each in fields(Activity)}
    ago = max(0.0, time.time() - facts["since"])
    return Activity(**{**known, "state": State(facts["state"]), "since": time.monotonic() - ago})
