"""Holds prompts and answers to the rules; where that cannot be done, nothing is let through."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from insight_app.engines.base import Stop
from insight_app.errors import DatabaseError, PromptRefused, RulesUnreadable
from insight_app.moderation import rulebook
from insight_app.moderation.answers import AnswerScreen, JudgedAnswer, RuledAnswer, failing_closed
from insight_app.moderation.judge import Ask, Judge, in_parts, named
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.judging import Judging, Pieces
from insight_app.moderation.rulebook import Rulebook
from insight_app.moderation.rules import Action, Rule, Scope
from insight_app.moderation.screen import Matcher, screened
from insight_app.moderation.store import ModerationStore

MOST_REMEMBERED = 10_000
# Gives a text of before as it may be sent now, told whether it is an answer's. Raises ScreeningFailed.
Hold = Callable[[str, bool], str]
# Tells what else is said with a prompt; asked only where somebody wants to know.
Beside = Callable[[], Iterable[str]]
_log = structlog.get_logger("moderation")


def nothing() -> Iterable[str]:
    return ()


class Moderation(Protocol):
    """What the chat knows of it."""

    def prompt(self, text: str, *, beside: Beside = nothing) -> str:
        """The prompt as it may be sent. Raises PromptRefused, or the error that keeps anybody from knowing that.

        `beside` tells what else is said with it, as it may be sent: a judge reads that too.
        """
        ...

    def answer(self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stop | None = None) -> AnswerScreen:
        """The screen for an answer to `prompt` that has this already; it waits for nobody once `stop` was asked.

        Raises RulesUnreadable or ScreeningFailed.
        """
        ...

    def earlier(self) -> Hold:
        """What holds texts of before to the rules of now, since they are sent again. Raises RulesUnreadable."""
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

    def prompt(self, text: str, *, beside: Beside = nothing) -> str:
        return text

    def answer(self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stop | None = None) -> AnswerScreen:
        return self

    def earlier(self) -> Hold:
        return lambda text, is_answer: text

    def refresh(self) -> None:
        pass

    def feed(self, text: str, *, thought: bool) -> Pieces:
        return [(text, thought)]

    def end(self) -> Pieces:
        return []

    def close(self) -> None:
        pass


class Moderating:
    """The rules of the store, and the judge that `ask` reaches, read anew whenever they changed.

    `report` is told how often each action was taken, and by which rules.
    """

    def __init__(
        self,
        store: ModerationStore,
        ask: Ask,
        report: Callable[[Mapping[str, int], Mapping[str, int]], None] = lambda actions, hits: None,
    ) -> None:
        self._store = store
        self._ask = ask
        self._report = report
        self._book: Rulebook | None = None
        self._judge: Judge | None = None
        self._harmless: set[int] = set()  # what this judge found nothing in; programs send the same again and again
        self._reading = threading.Lock()

    def book(self) -> Rulebook:
        """The rules as they are now. Raises RulesUnreadable."""
        try:
            with self._reading:
                if self._book is None or self._book.version != self._store.version():
                    book = rulebook.read(*self._store.entries())
                    settings = JudgeSettings.from_json(book.others.get(JUDGE, {}))
                    self._judge = Judge(settings, self._ask) if settings.model else None
                    self._harmless = set()
                    with suppress(Exception):  # who needs those that cannot be used is told
                        _ = book.prompts, book.answers  # here, so that of all who wait one makes them ready
                    self._book = book
                return self._book
        except DatabaseError as error:
            raise RulesUnreadable from error
        except Exception as error:
            _log.error("rules unreadable", exc_info=error)
            raise RulesUnreadable from error

    def prompt(self, text: str, *, beside: Beside = nothing) -> str:
        book = self.book()
        with failing_closed():
            text, refusal, hits = _around_labels(book, book.prompts, text)
            _ = book.answers  # a rule that would break the answer breaks it before anything is sent
        self.count(hits)
        if refusal:
            raise PromptRefused(reason=refusal.public_reason)
        self._have_judged(text, beside)
        return text

    def answer(self, thinking: str = "", text: str = "", *, prompt: str = "", stop: Stop | None = None) -> AnswerScreen:
        if self._book is None:  # else the rules were read for what was said before, just now
            self.book()
        return JudgedAnswer(
            RuledAnswer(self.matcher, thinking, text),
            Judging(self.judge, prompt, thinking, text, stop),
            self.count,
        )

    def earlier(self) -> Hold:
        return partial(_earlier, self.book())

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

    def _have_judged(self, prompt: str, beside: Beside) -> None:
        """After the rules, so that the judge reads what is masked as the model would."""
        judge = self._judge
        if judge is None or not judge.settings.prompts:
            return
        last = [[prompt]] if prompt.strip() else []  # of files alone, or tools, nobody has to judge nothing
        for texts in (*in_parts(each for each in beside() if hash(each) not in self._harmless), *last):
            if self._judged(judge, "\n\n".join(texts)):
                if len(self._harmless) >= MOST_REMEMBERED:
                    self._harmless.clear()
                self._harmless.update(map(hash, texts))

    def _judged(self, judge: Judge, prompt: str) -> bool:
        """Whether nothing at all was found. Raises PromptRefused, and as Judge.of_prompt() does."""
        verdict = judge.of_prompt(prompt)
        codes = [*verdict.flagged, *([verdict.refused.code] if verdict.refused else [])]
        actions = {Action.FLAG.value: len(verdict.flagged), Action.REFUSE.value: int(verdict.refused is not None)}
        self.count(Counter(named(codes)), actions)
        if verdict.refused:
            raise PromptRefused(reason=verdict.refused.public_reason)
        return not verdict.flagged

    def count(self, hits: Mapping[str, int], by_judge: Mapping[str, int] | None = None) -> None:
        """A count that cannot be kept is lost, and no reason to keep anybody's answer from them."""
        if not hits:
            return
        actions: Counter[str] = Counter(by_judge)
        for rule in self._book.rules if self._book else ():
            actions[rule.action.value] += hits.get(rule.id, 0)
        self._report(+actions, hits)
        try:
            self._store.count(hits)
        except DatabaseError as error:
            _log.warning("not counted", problem=error.code)


def _earlier(book: Rulebook, text: str, is_answer: bool) -> str:
    known = hash((text, is_answer))
    if known in book.unchanged:
        return text
    with failing_closed():
        found, _, _ = _around_labels(book, book.earlier[Scope.ANSWERS if is_answer else Scope.PROMPTS], text)
    if found == text:
        if len(book.unchanged) >= MOST_REMEMBERED:
            book.unchanged.clear()
        book.unchanged.add(known)
    return found


def _around_labels(book: Rulebook, matcher: Matcher, text: str) -> tuple[str, Rule | None, Counter[str]]:
    """What rules make of a text in which something may be masked already, what refuses it, and how often each acts.

    A label may hold the very word that its rule looks for.
    """
    parts = book.labels.split(text) if book.labels else [text]
    found = [screened(matcher, part) for part in parts[::2]]
    parts[::2] = [each.text for each in found]
    hits = sum((each.hits for each in found), Counter[str]())
    return "".join(parts), next((each.refusal for each in found if each.refusal), None), hits
