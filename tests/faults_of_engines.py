"""What becomes of an answer when its engine goes wrong, as values: each is a test and a row of docs/faults.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import scripted_openai
from scripted_ollama import Answer, Step, closed, cut, done, error, silence, status

from insight_app.errors import explain

CANARY = "canary-3b91-nobodys-business"
# What the texts of errors are filled with in the table; in the tests the app itself knows better.
EXAMPLE = {"model": "llama3.2", "url": "http://127.0.0.1:11434", "seconds": "120"}
BUTTONS = ("Continue", "Try again")


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
    test: str = "test_faults_of_engines.py"

    @property
    def waiting(self) -> str:
        """What is told while the answer waits."""
        known = explain(self.waits_for, **EXAMPLE)
        return f"{known.cause} {known.promise}" if self.waits_for else ""

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
            f"`{self.test}`",
        )


class Speech(Protocol):
    """How one kind of engine says things."""

    def said(self, text: str) -> bytes:
        """A piece of an answer, to be broken somewhere."""
        ...

    def error(self, text: str) -> Step:
        """The error that ends a stream."""
        ...

    def done(self) -> Step: ...


class OfOllama:
    def said(self, text: str) -> bytes:
        return b'{"model":"llama3.2","message":{"role":"assistant","content":"%b"},"done":false}\n' % text.encode()

    def error(self, text: str) -> Step:
        return error(text)

    def done(self) -> Step:
        return done()


class OfOpenAI:
    def said(self, text: str) -> bytes:
        return b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text.encode()

    def error(self, text: str) -> Step:
        return scripted_openai.error(text)

    def done(self) -> Step:
        return scripted_openai.done()


def pause(answer: Answer) -> None:
    """A minute, where REQUEST_TIMEOUT_SECONDS is four; here all of it is quicker."""
    answer.client_gone.wait(0.25)


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


def faults_of(speech: Speech) -> tuple[Fault, ...]:
    """Every fault, as an engine that speaks so would have it."""
    said, half_an_e = speech.said, speech.said("é").index("é".encode()) + 1

    def at_once(tokens: Sequence[str]) -> bytes:
        return b"".join(said(token.replace("\n", "\\n")) for token in tokens)

    return (
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
            [BEGUN, said("é")[:half_an_e], closed],
            "interrupted",
            "answer_cut",
            kept=BEGUN,
            keeps="the last whole character",
        ),
        Fault(
            "half a UTF-8 character in a whole line",
            [BEGUN, said("é")[:half_an_e] + said("é")[half_an_e + 1 :], speech.done()],
            "done",
            kept=BEGUN + "\ufffd",
            keeps="all of it, with � for the half character",
        ),
        Fault(
            "an error line after 100 tokens",
            [*HUNDRED, speech.error(f"broke at {CANARY}")],
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
            [BEGUN, said(LONG), " and more", speech.done()],
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
            [at_once(UNBROKEN), speech.done()],
            "done",
            kept="".join(UNBROKEN),
            keeps="all of it",
        ),
        Fault(
            "10,000 tokens in one burst",
            [at_once(BURST), speech.done()],
            "done",
            kept="".join(BURST),
            keeps="all of it",
        ),
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
        Fault("an answer of 0 tokens", [said(""), speech.done()], "done", keeps="an empty text"),
    )


ENGINE_FAULTS = faults_of(OfOllama())
OPENAI_FAULTS = faults_of(OfOpenAI())
