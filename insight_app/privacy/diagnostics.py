"""A record of what the model was sent and wrote, only while the person wants it: a file of theirs, never the log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from insight_app.chat.messages import is_temporary
from insight_app.chat.reply import Reply
from insight_app.engines.base import Task
from insight_app.errors import InsightError

DAY_SECONDS = 86_400
CHOICES_SECONDS = (15 * 60, 60 * 60, DAY_SECONDS)
KEPT_DAYS = 7
LOOK_SECONDS = 1.0
NOBODY, ENDING = "local", ".jsonl"  # the name of the file where nobody signs in


class Diagnostics:
    """One person's record, a JSON object a line. `until` says when their consent ends; None: there is none."""

    def __init__(self, folder: Path, until: Callable[[], float | None], person: str = "") -> None:
        self._file = folder / f"{person or NOBODY}{ENDING}"
        self._until = until
        self._look_at = 0.0
        self._wanted = False
        self._log = structlog.get_logger("diagnostics")

    def seconds_left(self) -> float:
        """How long the consent still holds; 0.0 where there is none."""
        left = (self._until() or 0.0) - time.time()
        # More than anybody can ask for: the clock was set back, and nobody wanted it for that long.
        return left if 0 < left <= CHOICES_SECONDS[-1] else 0.0

    @contextmanager
    def watching(self, reply: Reply, task: Task) -> Iterator[None]:
        """Records the exchange with the engine in the block, if the consent holds from its beginning to its end.

        Never one of a temporary chat: that is not to be on a disk.
        """
        if is_temporary(reply.id) or not self._is_wanted():
            yield
            return
        began, problem = time.time(), ""
        try:
            yield
        except InsightError as error:
            problem = error.code
            raise
        finally:
            self._record(reply, task, began, problem)

    def entries(self) -> Iterator[dict[str, Any]]:
        """What was recorded, oldest first; a line that was cut by the end of a server is left out."""
        with suppress(FileNotFoundError), self._file.open(encoding="utf-8") as lines:
            for line in lines:
                with suppress(ValueError):
                    yield json.loads(line)

    def count(self) -> int:
        """How many exchanges are recorded."""
        try:
            with self._file.open("rb") as lines:
                return sum(1 for _ in lines)
        except FileNotFoundError:
            return 0

    def delete(self) -> None:
        self._file.unlink(missing_ok=True)

    def delete_outdated(self, days_kept: int | None) -> None:
        """Deletes the record when its first entry is a week old, or as old as conversations may become."""
        kept = min(KEPT_DAYS, days_kept or KEPT_DAYS) * DAY_SECONDS
        first = next(self.entries(), None)
        if first is not None and not 0 <= time.time() - first["at_seconds"] < kept:
            self.delete()

    def _is_wanted(self) -> bool:
        """Asks for the consent once a second: every answer comes by here."""
        if time.monotonic() >= self._look_at:
            self.look()
        return self._wanted

    def look(self) -> None:
        """Asks for the consent now."""
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._wanted = self.seconds_left() > 0

    def _record(self, reply: Reply, task: Task, began: float, problem: str) -> None:
        try:
            if not self.seconds_left():
                return
            entry = {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
                "at_seconds": began,
                "took_seconds": round(time.time() - began, 3),
                "conversation_id": reply.conversation_id,
                "answer_id": reply.id,
                "sent": asdict(task, dict_factory=_but_nothing),
                "thinking": reply.thinking.since(0),
                "answer": reply.answer.since(0),
                "problem": problem,
            }
            self._append(json.dumps(entry, ensure_ascii=False) + "\n")
            if self._until() is None:  # it was stopped, and the record deleted, just now
                self.delete()
        except Exception as error:  # no reason to keep anybody's answer from them
            self._log.error("not recorded", exc_info=error)

    def _append(self, line: str) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0) as file:
            file.write(line.encode("utf-8", "replace"))


def _but_nothing(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields that say something: most are for programs. Of pictures only how many there were."""
    told = ((name, len(value) if name == "images" else value) for name, value in fields if value not in (None, "", ()))
    return dict(told)


class Records:
    """The record of each person; `until` says when somebody's consent ends."""

    def __init__(self, folder: Path, until: Callable[[str], float | None]) -> None:
        self._folder = folder
        self._until = until
        self._known: dict[str, Diagnostics] = {}

    def of(self, person: str) -> Diagnostics:
        if person not in self._known:
            self._known[person] = Diagnostics(self._folder, lambda: self._until(person), person)
        return self._known[person]

    def people(self) -> list[str]:
        """Those who have a record."""
        names = [file.name.removesuffix(ENDING) for file in self._folder.glob(f"*{ENDING}")]
        return ["" if name == NOBODY else name for name in names]

    def watching(self, reply: Reply, task: Task) -> AbstractContextManager[None]:
        """As Diagnostics has it, for the person who asked."""
        return self.of(reply.owner).watching(reply, task)
