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
from insight_app.moderation.rulebook import Rulebook
from insight_app.moderation.screen import Matcher, Screen, screened
from insight_app.moderation.store import ModerationStore

_log = structlog.get_logger("moderation")

# Pieces of an answer, and whether each is reasoning.
Shown = list[tuple[str, bool]]


class AnswerScreen(Protocol):
    """Holds one answer to the rules while it grows. Raises ScreeningFailed, and then nothing more may be shown."""

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
        """The prompt as it may be sent. Raises PromptRefused, RulesUnreadable or ScreeningFailed."""
        ...

    def answer(self, thinking: str = "", text: str = "") -> AnswerScreen:
        """The screen for an answer that has this already. Raises RulesUnreadable or ScreeningFailed."""
        ...

    def refresh(self) -> None:
        """Looks for new rules, for the answers that are being written; called each second."""
        ...


class Unmoderated:
    """No rules at all: ENABLE_MODERATION=false."""

    refusal: str | None = None

    def prompt(self, text: str) -> str:
        return text

    def answer(self, thinking: str = "", text: str = "") -> AnswerScreen:
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
    """The rules of the store, read anew whenever they changed; `report` is told how often each action was taken."""

    def __init__(
        self, store: ModerationStore, report: Callable[[Mapping[str, int]], None] = lambda actions: None
    ) -> None:
        self._store = store
        self._report = report
        self._book: Rulebook | None = None
        self._reading = threading.Lock()

    def book(self) -> Rulebook:
        """The rules as they are now. Raises RulesUnreadable."""
        try:
            with self._reading:
                if self._book is None or self._book.version != self._store.version():
                    self._book = rulebook.read(*self._store.entries())
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
        return found.text

    def answer(self, thinking: str = "", text: str = "") -> AnswerScreen:
        self.book()
        return _Answer(self, thinking, text)

    def refresh(self) -> None:
        with suppress(RulesUnreadable):  # who begins now is told; what is being written goes on under what it knows
            self.book()

    def matcher(self) -> Matcher:
        """For answers, as the rules were when somebody last looked. Raises ScreeningFailed."""
        assert self._book is not None, "an answer begins with a look at the rules"
        return self._book.answers

    def count(self, hits: Mapping[str, int]) -> None:
        """A count that cannot be kept is lost, and no reason to keep anybody's answer from them."""
        if not hits:
            return
        actions: Counter[str] = Counter()
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


@contextmanager
def _failing_closed() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _log.error("not screened", exc_info=error)
        raise ScreeningFailed from error
