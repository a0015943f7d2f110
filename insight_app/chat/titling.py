"""A better title by the model, when nobody waits for it: it never loads a model and gives way to whoever comes.

One thread. What it did not come to is forgotten with the process, and the first words stay the title.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress

import structlog

from insight_app.chat.messages import Message, State, is_temporary, title_of
from insight_app.chat.store import ConversationStore
from insight_app.engines.base import Done, Options, Piece, Stop, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.errors import InsightError, NotThere
from insight_app.moderation.moderating import Moderation

LOOK_SECONDS = 1.0  # so long nobody is there before it begins
WATCH_SECONDS = 0.02  # how soon it gives way
LONGEST_SECONDS = 30.0
MOST_WAITING, MOST_TRIES = 20, 3
READ_CHARS, MOST_TOKENS = 1000, 24
WISH = "Give this conversation a title of two to six words, in its own language. Write the title only, nothing else."
_MARKS = re.compile(r"[*_`#<>\[\]{}|\\~]+")
_LABEL = re.compile(r"^(title|titel|titre|título)\s*[:：]\s*", re.IGNORECASE)


class Titling:
    """`is_idle` says whether nobody waits for an answer, or gets one, from whichever process."""

    def __init__(
        self, engine: Fallback, store: ConversationStore, moderation: Moderation, is_idle: Callable[[], bool]
    ) -> None:
        self._engine, self._store, self._moderation, self._is_idle = engine, store, moderation, is_idle
        self._waiting: deque[tuple[int, int]] = deque(maxlen=MOST_WAITING)  # answers, and how often they were tried
        self._closed = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="titling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)

    def consider(self, answer_id: int) -> None:
        """An answer has ended; if it is its conversation's first one, that may get a title."""
        if not is_temporary(answer_id):
            self._waiting.append((answer_id, 0))
            self._news.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            while self._waiting and not self._closed.wait(LOOK_SECONDS):
                if self._is_idle():
                    self._try(*self._waiting.pop())

    def _try(self, answer_id: int, tries: int) -> None:
        try:
            if not self._title(answer_id) and tries + 1 < MOST_TRIES:
                self._waiting.appendleft((answer_id, tries + 1))
        except InsightError:
            pass  # the title stays as it is
        except Exception as error:
            structlog.get_logger("titling").error("no title", exc_info=error)

    def _title(self, answer_id: int) -> bool:
        """False where somebody came first."""
        answer = self._store.message(answer_id)
        if answer.state is not State.DONE or self._engine.engine_of(answer.model) in ("", "embedded"):
            return True
        if self._store.conversation(answer.conversation_id).titled_by != "words":
            return True
        before = self._store.history(answer.conversation_id, answer.id)
        if len(before) != 2:
            return True
        stop = Stop()
        with _Watch(lambda: not self._is_idle() or self._closed.is_set(), stop):
            title = self._written(before[0], answer, stop)
        if title:
            with suppress(NotThere):  # deleted, or named by somebody meanwhile
                self._store.title_by_model(answer.conversation_id, title)
        return not stop.asked

    def _written(self, prompt: Message, answer: Message, stop: Stop) -> str:
        """The title, as rules let it through; "" for none."""
        hold = self._moderation.earlier()
        asked = hold(prompt.text or prompt.said or prompt.gist, False)[:READ_CHARS]
        turns = (Turn("user", asked), Turn("assistant", hold(answer.text, True)[:READ_CHARS]))
        # Of the same size as for the answer: another one would load the model anew.
        context = answer.figures.context_tokens
        options = Options(max_tokens=MOST_TOKENS, num_ctx=context, think=False, temperature=0.2)
        with closing(self._engine.prepare(answer.model, options, stop)) as stages:
            for stage in stages:
                if stage.name == "loading":  # it is told before it is done
                    return ""
        task, words, is_whole = Task(answer.model, (*turns, Turn("user", WISH)), options), [], False
        if stop.asked:
            return ""
        with closing(self._engine.stream(task, stop)) as events:
            for event in events:
                is_whole = isinstance(event, Done) and event.reason == "stop"
                if isinstance(event, Piece) and not event.thought:
                    words.append(event.text)
        title = title_in("".join(words)) if is_whole and not stop.asked else ""
        return self._let_through(title, stop) if title else ""

    def _let_through(self, title: str, stop: Stop) -> str:
        with closing(self._moderation.answer(prompt=WISH, stop=stop)) as screen:
            shown = [*screen.feed(title, thought=False), *screen.end()]
        return "" if screen.refusal or stop.asked else "".join(piece for piece, _ in shown)


def title_in(said: str) -> str:
    """A title without marks and quotes, of a length that fits the list; "" where there is none."""
    line = next((line for line in said.splitlines() if _MARKS.sub("", line).strip()), "")
    line = _LABEL.sub("", _MARKS.sub(" ", line).strip()).strip(" \t\"'“”„«»‘’.。")
    line = "".join(letter for letter in line if letter.isprintable())
    return title_of(line) if len(line) > 1 else ""


class _Watch:
    """Has `stop` asked as soon as `somebody_comes`, or after a while in any case."""

    def __init__(self, somebody_comes: Callable[[], bool], stop: Stop) -> None:
        self._somebody_comes, self._stop = somebody_comes, stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="title-watch", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        looks = int(LONGEST_SECONDS / WATCH_SECONDS)
        while looks and not self._over.wait(WATCH_SECONDS) and not self._somebody_comes():
            looks -= 1
        if not self._over.is_set():
            self._stop.ask()
