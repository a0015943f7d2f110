"""What becomes of prompts and answers when they cannot be held to the rules or judged, as values with their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faults_of_engines import CANARY
from scripted_ollama import ScriptedOllama, Step, silence, status

from insight_app.errors import explain
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.rulebook import entry
from insight_app.moderation.rules import Kind, Rule
from insight_app.moderation.store import Entry
from insight_app.services import Services

TEST = "`test_faults_of_moderation.py`"
MODEL = "llama-guard3:1b"


@dataclass(frozen=True)
class ModerationFault:
    """Rules or a judge that fail once `sets` has set an entry: at a prompt, and at an answer that is being written.

    `goes_on`: what is being written is held to the rules that were there before.
    """

    name: str
    problem: str
    logged: str  # the event
    sets: Callable[[ScriptedOllama], Entry]
    goes_on: bool = False

    def begin(self, services: Services, ollama: ScriptedOllama) -> None:
        entry = self.sets(ollama)
        services.rules.change("a test", {entry.id: entry})

    def end(self, services: Services) -> None:
        services.rules.change("a test", {entry.id: None for entry in services.rules.as_kept()[1]})

    @property
    def ended(self) -> tuple[str, str]:
        """The state and the problem of an answer that was being written."""
        return ("done", "") if self.goes_on else ("interrupted", self.problem)

    @property
    def metric(self) -> str:
        state, problem = self.ended
        return f'insight_answers_total{{problem="{problem}",state="{state}"}}'

    def rows(self) -> tuple[tuple[str, ...], ...]:
        error = explain(self.problem)
        state, problem = self.ended
        ended = f"state `{state}`" + (f", problem `{problem}`" if problem else "")
        told = f"What was written. “{error}” Continue · Try again"
        return (
            (
                f"{self.name} when a prompt is sent",
                f"“{error}” What was typed stays where it was.",
                "nothing, and not half a conversation; no model reads it",
                f"`{self.logged}`; `request`: status {error.status}",
                TEST,
            ),
            (
                f"{self.name} while an answer is written",
                "The whole answer, under the rules that were there before. Try again" if self.goes_on else told,
                f"{ended}; {'all of it' if self.goes_on else 'what had been let through'}",
                f"`{self.logged}`; `answer`, `insight_answers_total`: {ended}",
                TEST,
            ),
        )


def unreadable(_: ScriptedOllama) -> Entry:
    """A rule as a newer version might keep it."""
    return Entry("rule-x", 0, {"name": CANARY, "kind": "sound", "text": CANARY})


def unusable(_: ScriptedOllama) -> Entry:
    return entry(Rule("rule-x", CANARY, Kind.PATTERN, f"({CANARY}"), 0)


def judge_that(does: Step) -> Callable[[ScriptedOllama], Entry]:
    def sets(ollama: ScriptedOllama) -> Entry:
        ollama.replies[MODEL] = lambda body: [does]
        return Entry(JUDGE, 0, JudgeSettings(MODEL, seconds=1).as_json())

    return sets


MODERATION_FAULTS = (
    ModerationFault("rules unreadable", "rules_unreadable", "rules unreadable", unreadable, goes_on=True),
    ModerationFault("a rule breaks", "screening_failed", "not screened", unusable),
    ModerationFault("judge late", "judge_late", "not judged", judge_that(silence)),
    ModerationFault(
        "judge gone", "judge_failed", "not judged", judge_that(status(404, {"error": f"no such model {CANARY}"}))
    ),
)
