"""An answer while it grows: held to the rules, then before the judge; where that fails nothing more is let through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from insight_app.errors import ScreeningFailed
from insight_app.moderation.judging import Judging, Pieces
from insight_app.moderation.screen import Matcher, Screen

# Told how often each entry acted, by its id, and how often what a judge found led to each action.
Count = Callable[[Mapping[str, int], Mapping[str, int]], None]


class AnswerScreen(Protocol):
    """Holds one answer to the rules, and before the judge, while it grows.

    Raises ScreeningFailed, JudgeLate or JudgeFailed, and then nothing more may be shown.
    """

    @property
    def refusal(self) -> str | None:
        """What a rule or the judge that ended the answer says in public; only `end` is to be called then."""
        ...

    def feed(self, text: str, *, thought: bool) -> Pieces:
        """What may be shown now that this came."""
        ...

    def end(self) -> Pieces:
        """What was held back and may be shown, since nothing more comes, be it for a refusal."""
        ...

    def close(self) -> None:
        """Counts what the rules and the judge did."""
        ...


class RuledAnswer:
    """An answer's reasoning and its text, each held to the rules by a screen of its own."""

    def __init__(self, matcher: Callable[[], Matcher], thinking: str, text: str) -> None:
        self._now = matcher
        self._before: Counter[str] = Counter()  # what former rules did
        self.refusal: str | None = None
        with failing_closed():
            self._matcher = matcher()
            self._screens = {True: Screen(self._matcher, thinking), False: Screen(self._matcher, text)}
        self._thought = True

    def feed(self, text: str, *, thought: bool) -> Pieces:
        with failing_closed():
            shown = [] if thought or not self._thought else self._look(self._screens[True].end())
            self._thought = thought
            self._keep_up()
            return shown if self.refusal else shown + self._look(self._screens[thought].feed(text))

    def end(self) -> Pieces:
        with failing_closed():
            return [] if self.refusal else self._look(self._screens[self._thought].end())

    @property
    def hits(self) -> Counter[str]:
        """How often each rule acted, by its id."""
        return sum((screen.hits for screen in self._screens.values()), self._before)

    def _keep_up(self) -> None:
        """What is held back now, and what comes, is judged by the rules of now."""
        matcher = self._now()
        if matcher is self._matcher:
            return
        self._matcher = matcher
        for thought, screen in self._screens.items():
            self._before += screen.hits
            self._screens[thought] = screen.under(matcher)

    def _look(self, shown: str) -> Pieces:
        """A piece of what is being written; notes where it ends because of a rule."""
        if (rule := self._screens[self._thought].refusal) is not None:
            self.refusal = rule.public_reason
        return [(shown, self._thought)] if shown else []


class JudgedAnswer:
    """An answer whose text the rules let through, and then the judge."""

    def __init__(self, answer: RuledAnswer, judging: Judging, count: Count) -> None:
        self._answer = answer
        self._judging = judging
        self._count = count

    @property
    def refusal(self) -> str | None:
        return self._judging.refusal or self._answer.refusal

    def feed(self, text: str, *, thought: bool) -> Pieces:
        return self._let_through(self._answer.feed(text, thought=thought))

    def end(self) -> Pieces:
        return self._let_through(self._answer.end()) + self._judging.rest()

    def close(self) -> None:
        self._count(self._answer.hits, {})
        self._count(self._judging.hits, self._judging.actions)

    def _let_through(self, pieces: Pieces) -> Pieces:
        return [part for piece, thought in pieces for part in self._judging.feed(piece, thought=thought)]


class failing_closed:  # noqa: N801 - used as a verb; a class, since one is entered for every piece of an answer
    """Whatever goes wrong in the block is ScreeningFailed, and logged without a word of what was screened."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        if isinstance(error, Exception):
            structlog.get_logger("moderation").error("not screened", exc_info=error)
            raise ScreeningFailed from error
