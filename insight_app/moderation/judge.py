"""A model as judge: what it finds in a prompt, or in an answer so far, and what that leads to.

It is asked through `Ask`, which knows engines; here it is only known what to ask and what the reply means. A judge
that is late, fails or says nothing that is a verdict refuses, unless it is set otherwise.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from insight_app.engines.base import Stop
from insight_app.errors import InsightError, JudgeFailed, JudgeLate
from insight_app.moderation.judge_families import Category, Exchange, Fate, Question
from insight_app.moderation.judge_settings import JudgeSettings

# Bytes of UTF-8. No token is shorter than a byte, so this and a family's own words fit into 4,096 tokens in any script.
PART, OVERLAP = 3500, 300  # of a prompt; a longer one is judged in parts
CONTEXT, SO_FAR = 600, 2900  # of the prompt and of the answer, where an answer is judged
FAILED = "failed"  # what failures are counted as
_ORDER = tuple(Fate)
_log = structlog.get_logger("judge")


class Ask(Protocol):
    def __call__(self, model: str, question: Question, seconds: float, stop: Stop | None) -> str | None:
        """What the model replies; None where `stop` was asked. Raises TimeoutError after so long, or InsightError."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the category that refuses the text, and the codes of those that let it through."""

    refused: Category | None = None
    flagged: frozenset[str] = field(default_factory=frozenset)


class Judge:
    """One judge as it is set."""

    def __init__(self, settings: JudgeSettings, ask: Ask) -> None:
        assert settings.family is not None, "only a model of a family that is known can be set"
        self.settings = settings
        self._family = settings.family
        self._ask = ask
        chosen = [(settings.fate(category), category) for category in self._family.categories]
        self._fates = {category.code: fate for fate, category in chosen}
        self._categories = {category.code: category for category in self._family.categories}
        # The strictest are asked about first: once something is refused, nothing else matters.
        self._codes = sorted(
            (code for code, fate in self._fates.items() if fate is not Fate.IGNORE),
            key=lambda code: _ORDER.index(self._fates[code]),
        )

    def of_prompt(self, prompt: str) -> Verdict:
        """Raises JudgeLate or JudgeFailed."""
        if not says_something(prompt):
            return Verdict()
        flagged: frozenset[str] = frozenset()
        until = time.monotonic() + self.settings.seconds
        for part in parts(prompt):
            verdict = self._judge(Exchange(part), until) or Verdict()
            flagged |= verdict.flagged
            if verdict.refused:
                return Verdict(verdict.refused, flagged)
        return Verdict(None, flagged)

    def of_answer(self, prompt: str, so_far: str, stop: Stop | None = None) -> Verdict | None:
        """The end of `so_far`, as much as fits, is judged; None where `stop` was asked. Raises as of_prompt() does."""
        half = CONTEXT // 2
        short = (
            prompt
            if len(prompt.encode("utf-8", "replace")) <= CONTEXT
            else f"{first(prompt, half)} … {last(prompt, half)}"
        )
        return self._judge(Exchange(short, last(so_far, SO_FAR)), time.monotonic() + self.settings.seconds, stop)

    def _judge(self, exchange: Exchange, until: float, stop: Stop | None = None) -> Verdict | None:
        found: set[str] = set()
        try:
            for question in self._family.questions(exchange, self._codes):
                reply = self._ask(self.settings.model, question, max(0.0, until - time.monotonic()), stop)
                if reply is None:
                    return None
                found.update(self._family.found(question, reply))
                if any(self._fates[code] is Fate.REFUSE for code in found):
                    break
        except TimeoutError:
            return self._unjudged(JudgeLate())
        except (InsightError, ValueError) as error:
            problem = error.code if isinstance(error, InsightError) else "no verdict"
            return self._unjudged(JudgeFailed(), problem)
        refused = next((code for code in self._codes if code in found and self._fates[code] is Fate.REFUSE), None)
        flagged = frozenset(code for code in found if self._fates[code] is Fate.FLAG)
        return Verdict(self._categories[refused] if refused else None, flagged)

    def _unjudged(self, error: JudgeLate | JudgeFailed, problem: str = "late") -> Verdict:
        _log.warning("not judged", problem=problem)
        if self.settings.late is Fate.REFUSE:
            raise error
        return Verdict(None, frozenset({FAILED}))


def says_something(text: str) -> bool:
    """Whether there is more to judge than spaces, rules and brackets."""
    return re.search(r"[^\W_]|[^\x00-\x7f]", text) is not None


def parts(text: str) -> Iterator[str]:
    """The text, or where it is long its parts, each beginning with the end of the one before."""
    data = text.encode("utf-8", "replace")
    for start in range(0, max(1, len(data) - OVERLAP), PART - OVERLAP):
        yield data[start : start + PART].decode("utf-8", "ignore")


def in_parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts that are judged together, as many as are read at once."""
    some, size = list[str](), 0
    for text in texts:
        length = len(text.encode("utf-8", "replace"))
        if some and size + length > PART:
            yield some
            some, size = [], 0
        some.append(text)
        size += length
    if some:
        yield some


def first(text: str, most: int) -> str:
    """The beginning, of no more than so many bytes."""
    return text[:most].encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def last(text: str, most: int) -> str:
    """The end, of no more than so many bytes."""
    return text[-most:].encode("utf-8", "replace")[-most:].decode("utf-8", "ignore")


def named(codes: Sequence[str]) -> list[str]:
    """As what they are counted."""
    return [f"judge-{code}" for code in codes]
