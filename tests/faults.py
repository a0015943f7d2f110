"""The table of faults: for each what breaks, and what is then to be seen, stored, logged and counted.

`docs/faults.md` shows the same table; `python tests/faults.py` prints it as it must stand there.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextlib import closing as closing_at_end
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from scripted_ollama import Answer, Step, closed, cut, done, error, line, silence, status

from insight_app.errors import explain
from insight_app.storage.database import Database

CANARY = "canary-3b91-nobodys-business"
# What the texts of errors are filled with in the table; in the tests the app itself knows better.
EXAMPLE = {"model": "llama3.2", "url": "http://127.0.0.1:11434", "seconds": "120"}
BUTTONS = ("Continue", "Try again")
COLUMNS = ("fault", "what the person sees", "what is stored", "what the log and the metric say", "test")


@dataclass(frozen=True)
class Fault:
    """An engine that goes wrong while it answers, and what becomes of the answer.

    `kept` is the text that is stored, `keeps` the same in words; `problem` the code of the error that is told.
    `heartbeats`: the stream says that it lives while the engine says nothing. `down`: nobody listens until the engine
    is asked again. `waits_for` is the code of what the answer waits for, `then` what the engine says when it is back.
    """

    name: str
    steps: Sequence[Step]
    state: str
    problem: str = ""
    kept: str = ""
    keeps: str = "nothing of an answer, as there was none"
    settings: Mapping[str, object] = field(default_factory=dict)
    heartbeats: bool = False
    down: bool = False
    waits_for: str = ""
    then: Sequence[Step] = ()

    @property
    def waiting(self) -> str:
        """What is told while the answer waits."""
        cause = explain(self.waits_for, **EXAMPLE).cause
        return f"{cause} The answer begins by itself as soon as it can" if self.waits_for else ""

    @property
    def buttons(self) -> tuple[str, ...]:
        """Which of BUTTONS the answer has: continuing needs something to go on from, and a reason to."""
        return BUTTONS if self.kept and self.problem else BUTTONS[1:]

    @property
    def log(self) -> dict[str, str]:
        return {"event": "answer", "state": self.state, "problem": self.problem}

    @property
    def metric(self) -> str:
        return f'insight_answers_total{{problem="{self.problem}",state="{self.state}"}}'

    def row(self) -> tuple[str, ...]:
        whole = "The whole answer, as it comes." if self.heartbeats else "The whole answer."
        told = f"“{explain(self.problem, **EXAMPLE)}”" if self.problem else whole
        first = f"First “{self.waiting}”, with Stop. Then: " if self.waits_for else ""
        written = "What was written. " if self.kept and self.problem else ""
        problem = f", problem `{self.problem}`" if self.problem else ""
        return (
            self.name,
            f"{first}{written}{told} {' · '.join(self.buttons)}",
            f"state `{self.state}`{problem}; {self.keeps}",
            f"`answer`, `insight_answers_total`: state `{self.state}`{problem}",
            "`test_faults.py`",
        )


def said(text: str) -> bytes:
    """A line of an answer as Ollama writes it, to be broken somewhere."""
    return b'{"model":"llama3.2","message":{"role":"assistant","content":"%b"},"done":false}\n' % text.encode()


def pause(answer: Answer) -> None:
    """A minute, where REQUEST_TIMEOUT_SECONDS is four; here all of it is quicker."""
    answer.client_gone.wait(0.25)


HALF_AN_E = said("é").index("é".encode()) + 1
BEGUN = f"So far {CANARY}"
PATIENT = {"engine_wait_seconds": 60}
NO_MEMORY = {"error": f"CUDA error: out of memory {CANARY}"}
BUSY = {"error": f"server busy, please try again. {CANARY}"}
AT_LAST = f"At last {CANARY}"
SILENT = {"request_timeout_seconds": 1}
HUNDRED = tuple(f"{CANARY} {number} " for number in range(100))
LONG = f" {CANARY}" * 180_000
UNBROKEN = tuple(f"word{number} " for number in range(50_000))
BURST = tuple(f"{CANARY} {number}\n\n" if number % 10 == 0 else f"word{number} " for number in range(10_000))


def at_once(tokens: Sequence[str]) -> bytes:
    return b"".join(said(token.replace("\n", "\\n")) for token in tokens)


ENGINE_FAULTS = (
    Fault(
        "refused connection",
        [],
        "done",
        kept=AT_LAST,
        keeps="all of it",
        settings=PATIENT,
        down=True,
        waits_for="engine_unreachable",
        then=[AT_LAST],
    ),
    Fault("refused connection for longer than ENGINE_WAIT_SECONDS", [], "failed", "engine_unreachable", down=True),
    Fault("accepted and silent", [silence], "failed", "engine_silent", settings=SILENT),
    Fault(
        "silent in mid-answer",
        [BEGUN, silence],
        "interrupted",
        "engine_silent",
        kept=BEGUN,
        keeps="what was written",
        settings=SILENT,
    ),
    Fault(
        "closed in mid-line",
        [BEGUN, said(" and more")[:70], cut],
        "interrupted",
        "answer_cut",
        kept=BEGUN,
        keeps="the last whole token",
    ),
    Fault(
        "half a UTF-8 character at the end",
        [BEGUN, said("é")[:HALF_AN_E], closed],
        "interrupted",
        "answer_cut",
        kept=BEGUN,
        keeps="the last whole character",
    ),
    Fault(
        "half a UTF-8 character in a whole line",
        [BEGUN, said("é")[:HALF_AN_E] + said("é")[HALF_AN_E + 1 :], done()],
        "done",
        kept=BEGUN + "\ufffd",
        keeps="all of it, with � for the half character",
    ),
    Fault(
        "an error line after 100 tokens",
        [*HUNDRED, error(f"broke at {CANARY}")],
        "interrupted",
        "engine_broke",
        kept="".join(HUNDRED),
        keeps="the 100 tokens",
    ),
    Fault(
        "`done` missing",
        [BEGUN, closed],
        "interrupted",
        "answer_cut",
        kept=BEGUN,
        keeps="what was written",
    ),
    Fault(
        "a line that is no JSON",
        [BEGUN, f"<html>{CANARY}</html>\n".encode(), " never read"],
        "interrupted",
        "engine_broke",
        kept=BEGUN,
        keeps="what was written before it",
    ),
    Fault(
        "a 5 MB line",
        [BEGUN, said(LONG), " and more", done()],
        "done",
        kept=f"{BEGUN}{LONG} and more",
        keeps="all of it",
    ),
    Fault(
        "a line without an end",
        [BEGUN, *[b"x" * 2**20] * 17, silence],
        "interrupted",
        "engine_broke",
        kept=BEGUN,
        keeps="what was written before it; after 16 MB the engine is not listened to any more",
    ),
    Fault(
        "50,000 tokens without a newline",
        [at_once(UNBROKEN), done()],
        "done",
        kept="".join(UNBROKEN),
        keeps="all of it",
    ),
    Fault("10,000 tokens in one burst", [at_once(BURST), done()], "done", kept="".join(BURST), keeps="all of it"),
    Fault(
        "a token a minute",
        ["One ", pause, "two ", pause, f"{CANARY} ", pause, "four ", pause, "five ", pause, "six."],
        "done",
        kept=f"One two {CANARY} four five six.",
        keeps="all of it",
        settings=SILENT,
        heartbeats=True,
    ),
    Fault("404", [status(404, {"error": f"model 'llama3.2' not found {CANARY}"})], "failed", "model_missing"),
    Fault("403 with an empty body", [status(403)], "failed", "engine_forbids"),
    Fault(
        "500 out of memory",
        [status(500, NO_MEMORY)],
        "done",
        kept=AT_LAST,
        keeps="all of it",
        settings=PATIENT,
        waits_for="out_of_memory",
        then=[AT_LAST],
    ),
    Fault(
        "500 out of memory, twice",
        [status(500, NO_MEMORY)],
        "failed",
        "out_of_memory",
        settings=PATIENT,
        waits_for="out_of_memory",
        then=[status(500, NO_MEMORY)],
    ),
    Fault(
        "503",
        [status(503, BUSY)],
        "done",
        kept=AT_LAST,
        keeps="all of it",
        settings=PATIENT,
        waits_for="engine_busy",
        then=[AT_LAST],
    ),
    Fault("503 for longer than ENGINE_WAIT_SECONDS", [status(503, BUSY)], "failed", "engine_busy"),
    Fault("an answer of 0 tokens", [line(message={"content": ""}, done=False), done()], "done", keeps="an empty text"),
)
KILLED = Fault(
    "worker killed with -9",
    [BEGUN, silence],
    "done",
    kept=f"{BEGUN} and the rest.",
    keeps="all of it: the next worker goes on from the last second",
    heartbeats=True,
)
KILLED_TWICE = Fault(
    "worker killed with -9, twice in one answer",
    [BEGUN, silence],
    "interrupted",
    "server_stopped",
    kept=BEGUN,
    keeps="what was written before the first time",
)
SET_BACK = Fault(
    "clock set back an hour",
    [BEGUN, pause, " and the rest."],
    "done",
    kept=f"{BEGUN} and the rest.",
    keeps="all of it; what comes later stays in front in the list",
    heartbeats=True,
)


@dataclass(frozen=True)
class DatabaseFault:
    """A database that takes nothing while `broken` lasts: at a prompt, and at an answer that is being written."""

    name: str
    problem: str
    broken: Callable[[Database], AbstractContextManager[object]]
    late = ("checkpoint failed", "answer not kept yet")  # what the log says while an answer waits to be kept
    state = "done"  # of such an answer, when it is kept

    @property
    def metric(self) -> str:
        return f'insight_database_faults_total{{problem="{self.problem}"}}'

    @property
    def waiting(self) -> str:
        """What is told while an answer has ended and waits to be kept."""
        return f"{explain(self.problem).cause} The answer is kept as soon as that is possible"

    @property
    def _counted(self) -> str:
        return f"`database`, `insight_database_faults_total`: problem `{self.problem}`"

    def page_row(self) -> tuple[str, ...]:
        error = explain(self.problem)
        logged = f"{self._counted}; `request`: status {error.status}"
        return (f"{self.name} when a page is opened", f"“{error}”", "what was there", logged, "`test_faults.py`")

    def rows(self) -> tuple[tuple[str, ...], ...]:
        error = explain(self.problem)
        return (
            (
                f"{self.name} when a prompt is sent",
                f"“{error}” What was typed stays where it was.",
                "nothing, and not half a conversation",
                f"{self._counted}; `request`: status {error.status}",
                "`test_faults.py`",
            ),
            (
                f"{self.name} while an answer is written",
                f"The answer goes on. At its end: “{self.waiting}”. It is shown as finished when it is kept.",
                f"as soon as that can be: state `{self.state}`; all of it",
                f"{self._counted}; `{'`, `'.join(self.late)}`; then as for every answer: state `{self.state}`",
                "`test_faults.py`",
            ),
        )


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another program holds the database."""
    with closing_at_end(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(database: Database) -> Iterator[None]:
    """SQLite finds no room for another page."""
    with database.writing() as connection:
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    yield
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


@contextmanager
def gone(database: Database) -> Iterator[None]:
    """The disk with the database is not there."""
    file = Path(str(database.url.database))
    database.close()
    kept = file.rename(file.with_suffix(".kept"))
    file.mkdir()
    yield
    database.close()
    file.rmdir()
    kept.rename(file)


GONE = DatabaseFault("database gone", "database", gone)
DATABASE_FAULTS = (
    DatabaseFault("database locked", "database_busy", locked),
    DatabaseFault("disk full", "database_full", full),
)


def table() -> str:
    """The table as docs/faults.md has it."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(fault.row() for fault in ENGINE_FAULTS)]
    rows += [row for fault in DATABASE_FAULTS for row in fault.rows()]
    rows += [GONE.page_row()]
    rows += [fault.row() for fault in (KILLED, KILLED_TWICE, SET_BACK)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    print(table(), end="")
