"""What becomes of a model on its way when something goes wrong, as values: each is a row of docs/faults.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faults_of_engines import EXAMPLE
from scripted_ollama import WEIGHTS, Step, error, fetching, reset, status, telling

from insight_app.errors import explain

GOES_ON = "Fetching goes on by itself as soon as that has passed."
BEGUN = (telling("pulling manifest"), fetching(WEIGHTS, 10**9, 4 * 10**8))
GO_ON, TAKE_OFF = "Go on", "Take off this list"


@dataclass(frozen=True)
class PullFault:
    """A pull that goes wrong after `steps`.

    `waits_for` is the code of what it waits for, and where there is one it is whole in the end; else `problem` is why
    it ended. `come`: some of it had come before.
    """

    name: str
    steps: Sequence[Step] = ()
    waits_for: str = ""
    problem: str = ""
    come: bool = True
    state: str = "done"
    sees: str = ""
    keeps: str = ""
    test: str = "test_faults_of_pulls.py"

    @property
    def told(self) -> str:
        """What is said of it: while it waits, or of its end."""
        known = explain(self.waits_for or self.problem, **EXAMPLE)
        return f"{known.cause} {GOES_ON if self.waits_for else known.next_step}"

    @property
    def buttons(self) -> tuple[str, ...]:
        return (TAKE_OFF,) if self.state == "done" or self.problem == "pull_unknown" else (GO_ON, TAKE_OFF)

    def row(self) -> tuple[str, ...]:
        problem = f", problem `{self.problem}`" if self.problem else ""
        first = f"First “{self.told}”, with Cancel. Then: It is ready to answer."
        sees = self.sees or (first if self.waits_for else f"“{self.told}” {' · '.join(self.buttons)}")
        here = "what has come stays with Ollama" if self.come else "nothing of it, as there was none"
        return (
            self.name,
            sees,
            f"state `{self.state}`{problem}; {self.keeps or ('the model' if self.state == 'done' else here)}",
            f"`pull`, `insight_pulls_total`: state `{self.state}`{problem}",
            f"`{self.test}`",
        )


# Each is tested in the same way.
PULL_FAULTS = (
    PullFault(
        "network gone while a model is fetched",
        (*BEGUN, error("max retries exceeded: Get https://x: dial tcp: lookup x: no such host")),
        "pull_offline",
    ),
    PullFault("Ollama killed while a model is fetched", (*BEGUN, reset), "pull_cut"),
    PullFault("no Ollama behind its proxy when a model is to be fetched", (status(502),), "engine_unreachable"),
    PullFault(
        "disk full while a model is fetched",
        (*BEGUN, error("write /root/.ollama/models/blobs/sha256-a1-partial: no space left on device")),
        problem="pull_no_room",
        state="failed",
    ),
    PullFault(
        "a model that the library does not have",
        (telling("pulling manifest"), error("pull model manifest: file does not exist")),
        problem="pull_unknown",
        state="failed",
        come=False,
    ),
    PullFault(
        "a part of a model comes damaged",
        (*BEGUN, telling("verifying sha256 digest"), error("digest mismatch, file must be downloaded again: want a")),
        problem="pull_damaged",
        state="failed",
    ),
)
SERVER_KILLED = PullFault(
    "server killed with -9 while a model is fetched",
    sees="First Interrupted, with how much has come. Then, from the next start or another process on: On its way, and "
    "in the end: It is ready to answer.",
    keeps="the model: one process goes on with it, 15 seconds after it was last heard of",
)
TWICE = PullFault(
    "two people fetch the same model",
    sees="Both: On its way, and the same figures; who came second, “This model is on its way already.”",
    keeps="the model, which is fetched once",
)
CANCELLED = PullFault(
    "cancelled by one while another looks",
    sees=f"Both: Stopped, and how much has come; who only looks hears it. {GO_ON} · {TAKE_OFF}",
    state="cancelled",
    keeps="what has come stays with Ollama; no start of a server goes on with it",
)
