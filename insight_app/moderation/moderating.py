"""Holds prompts and answers to the rules; where that cannot be done, nothing is let through."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

import structlog

from insight_app.errors import DatabaseError, PromptRefused, RulesUnreadable, ScreeningFailed
from insight_app.moderation import rulebook
from insight_app.moderation.classifier import Ask, Judge, Stopping, named
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.judging import Judging
from insight_app.moderation.rulebook import Rulebook
from insight_app.moderation.rules import Action
from insight_app.moderation.screen import Matcher, Screen, screened
from insight_app.moderation.store import ModerationStore

_log = structlog.get_logger("moderation")

# Pieces of an answer, and whether each is reasoning.
Shown = list[tuple[str, bool]]


class AnswerScreen(Protocol):
    """Holds one answer to the rules, and before the judge, while it grows.

    Raises ScreeningFailed, JudgeLate or JudgeFailed, and then nothing more may be shown.
    """

    @property
    def refusal(self) -> str | None:
        """What a rule that ended the answer says in public; nothing comes any more then."""
        ...

    def feed(self, text: str, *, thought: bool) -> Shown:
        """What may be shown now that this came."""
        ...

    def end(self) -> Shown:
        """What was held back and may be shown, since nothing more comes."""
        ...

    def close(self) -> None:
        """Counts what the rules did."""
        ...


class Moderation(Protocol):
    """What the chat knows of it."""

    def prompt(self, text: str) -> str:
        """The prompt as it may be sent. Raises PromptRefused, or the error that keeps anybody from knowing that."""
        ...

    def answer(
        self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stopping | None = None
    ) -> AnswerScreen:
        """The screen for an answer to `prompt` that has this already; it waits for nobody once `stop` was asked.

        Raises RulesUnreadable or ScreeningFailed.
        """
        ...

    @property
    def judges_prompts(self) -> bool:
        """Whether a prompt may take a while until it is sent, as it was when somebody last looked."""
        ...

    def refresh(self) -> None:
        """Looks for new rules, for the answers that are being written; called each second."""
        ...


class Unmoderated:
    """No rules at all: ENABLE_MODERATION=false."""

    refusal: str | None = None
    judges_prompts = False

    def prompt(self, text: str) -> str:
        return text

    def answer(
        self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stopping | None = None
    ) -> AnswerScreen:
        return self

    def refresh(self) -> None:
        pass

    def feed(self, text: str, *, thought: bool) -> Shown:
        return [(text, thought)]

    def end(self) -> Shown:
        return []

    def close(self) -> None:
        pass


class Moderating:
    """The rules of the store, and the judge that `ask` reaches, read anew whenever they changed.

    `report` is told how often each action was taken.
    """

    def __init__(
        self, store: ModerationStore, ask: Ask, report: Callable[[Mapping[str, int]], None] = lambda actions: None
    ) -> None:
        self._store = store
        self._ask = ask
        self._report = report
        self._book: Rulebook | None = None
        self._judge: Judge | None = None
        self._reading = threading.Lock()

    def book(self) -> Rulebook:
        """The rules as they are now. Raises RulesUnreadable."""
        try:
            with self._reading:
                if self._book is None or self._book.version != self._store.version():
                    book = rulebook.read(*self._store.entries())
                    settings = JudgeSettings.from_json(book.others.get(JUDGE, {}))
                    self._judge = Judge(settings, self._ask) if settings.model else None
                    self._book = book
                return self._book
        except DatabaseError as error:
            raise RulesUnreadable from error
        except Exception as error:
            _log.error("rules unreadable", exc_info=error)
            raise RulesUnreadable from error

    def prompt(self, text: str) -> str:
        book = self.book()
        with _failing_closed():
            found = screened(book.prompts, text)
            _ = book.answers  # a rule that would break the answer breaks it before anything is sent
        self.count(found.hits)
        if found.refusal:
            raise PromptRefused(reason=found.refusal.public_reason)
        self._have_judged(found.text)
        return found.text

    def answer(
        self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stopping | None = None
    ) -> AnswerScreen:
        self.book()
        return _Judged(self, _Answer(self, thinking, text), Judging(self.judge, prompt, thinking, text, stop))

    def refresh(self) -> None:
        with suppress(RulesUnreadable):  # who begins now is told; what is being written goes on under what it knows
            self.book()

    def matcher(self) -> Matcher:
        """For answers, as the rules were when somebody last looked. Raises ScreeningFailed."""
        assert self._book is not None, "an answer begins with a look at the rules"
        return self._book.answers

    @property
    def judges_prompts(self) -> bool:
        judge = self._judge
        return judge is not None and judge.settings.prompts

    def judge(self) -> Judge | None:
        """Who judges answers, as it was when somebody last looked."""
        judge = self._judge
        return judge if judge and judge.settings.answers else None

    def _have_judged(self, prompt: str) -> None:
        """After the rules, so that the judge reads what is masked as the model would."""
        judge = self._judge
        if judge is None or not judge.settings.prompts:
            return
        verdict = judge.of_prompt(prompt)
        codes = [*verdict.flagged, *([verdict.refused.code] if verdict.refused else [])]
        actions = {Action.FLAG.value: len(verdict.flagged), Action.REFUSE.value: int(verdict.refused is not None)}
        self.count(Counter(named(codes)), actions)
        if verdict.refused:
            raise PromptRefused(reason=verdict.refused.public_reason)

    def count(self, hits: Mapping[str, int], by_judge: Mapping[str, int] | None = None) -> None:
        """A count that cannot be kept is lost, and no reason to keep anybody's answer from them."""
        if not hits:
            return
        actions: Counter[str] = Counter(by_judge)
        for rule in self._book.rules if self._book else ():
            actions[rule.action.value] += hits.get(rule.id, 0)
        self._report(+actions)
        try:
            self._store.count(hits)
        except DatabaseError as error:
            _log.warning("not counted", problem=error.code)


class _Answer:
    """An answer's reasoning and its text, each held to the rules by a screen of its own."""

    def __init__(self, moderating: Moderating, thinking: str, text: str) -> None:
        self._moderating = moderating
        self._hits: Counter[str] = Counter()
        self.refusal: str | None = None
        with _failing_closed():
            self._matcher = moderating.matcher()
            self._screens = {True: Screen(self._matcher, thinking), False: Screen(self._matcher, text)}
        self._thought = True

    def feed(self, text: str, *, thought: bool) -> Shown:
        with _failing_closed():
            shown = [] if thought or not self._thought else self._look(self._screens[True].end())
            self._thought = thought
            self._keep_up()
            return shown if self.refusal else shown + self._look(self._screens[thought].feed(text))

    def end(self) -> Shown:
        with _failing_closed():
            return [] if self.refusal else self._look(self._screens[self._thought].end())

    def close(self) -> None:
        for screen in self._screens.values():
            self._hits += screen.hits
        self._moderating.count(self._hits)

    def _keep_up(self) -> None:
        """What is held back now, and what comes, is judged by the rules of now."""
        matcher = self._moderating.matcher()
        if matcher is self._matcher:
            return
        self._matcher = matcher
        for thought, screen in self._screens.items():
            self._hits += screen.hits
            self._screens[thought] = screen.under(matcher)

    def _look(self, shown: str) -> Shown:
        """A piece of what is being written; notes where it ends because of a rule."""
        if (rule := self._screens[self._thought].refusal) is not None:
            self.refusal = rule.public_reason
        return [(shown, self._thought)] if shown else []


class _Judged:
    """An answer whose text the rules let through, and then the judge."""

    def __init__(self, moderating: Moderating, answer: _Answer, judging: Judging) -> None:
        self._moderating = moderating
        self._answer = answer
        self._judging = judging

    @property
    def refusal(self) -> str | None:
        return self._judging.refusal or self._answer.refusal

    def feed(self, text: str, *, thought: bool) -> Shown:
        return self._let_through(self._answer.feed(text, thought=thought), is_end=self._answer.refusal is not None)

    def end(self) -> Shown:
        return self._let_through(self._answer.end(), is_end=True)

    def close(self) -> None:
        self._answer.close()
        self._moderating.count(self._judging.hits, self._judging.actions)

    def _let_through(self, pieces: Shown, *, is_end: bool) -> Shown:
        shown = [part for piece, thought in pieces for part in self._judging.feed(piece, thought=thought)]
        return shown + self._judging.rest() if is_end else shown


@contextmanager
def _failing_closed() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _log.error("not screened", exc_info=error)
        raise ScreeningFailed from error
