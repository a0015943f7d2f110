"""Messages drawn: the same templates make the page, the reload and the swaps of the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from insight_app import words
from insight_app.chat import days, list_pages, stream
from insight_app.chat.messages import Conversation, Message, State
from insight_app.chat.options import NOTHING, Wishes
from insight_app.chat.stream import Reader, Snapshot
from insight_app.chat.tree import PART, part
from insight_app.errors import InsightError, explain
from insight_app.languages import language
from insight_app.rendering.markdown import render
from insight_app.rendering.swaps import announce, swap
from insight_app.web import draw, services
from insight_app.words import _, said_number


@dataclass(frozen=True, slots=True)
class Article:
    """A message as its template wants it.

    `tries` are the ids of all messages in its place, itself among them; `live` is what is there so far of one that is
    being written. One that `is_streamed` grows within its page, and goes when the finished one has followed it.
    """

    message: Message
    tries: Sequence[int]
    answer: str = ""  # HTML, as is thinking
    thinking: str = ""
    live: Snapshot | None = None
    problem: InsightError | None = None
    is_streamed: bool = False

    @property
    def number(self) -> int:
        """Which of the tries it is, from 1."""
        return self.tries.index(self.message.id) + 1


def article(message: Message, tries: Sequence[int]) -> Article:
    if message.role == "user":
        return Article(message, tries)
    if message.state.is_live:
        if reply := services().replies.get(message.id):
            return Article(message, tries, live=Reader(reply).snapshot())
        message = services().conversations.message(message.id)  # it may have ended after this row was read
        if message.state.is_live:
            return Article(message, tries, live=stream.unknown(message))
    # Of a temporary chat nothing stays in memory when it is over.
    html = _finished.__wrapped__ if message.is_temporary else _finished
    answer, thinking = (
        # Only footnotes need to know whose they are.
        html(text, f"{kind}{message.id}" if "[^" in text else "", language())
        for kind, text in (("a", message.text), ("t", message.thinking))
    )
    return Article(message, tries, answer, thinking, problem=_problem(message))


@lru_cache(maxsize=300)
def _finished(text: str, scope: str, _language: str) -> Markup:
    """A finished text never changes, so a page that is opened again costs nothing."""
    return Markup(render(text, scope=scope))


def conversation(found: Conversation, at: int | None, before: int | None, **typed: Any) -> str:
    """The path through the message `at`, or the newest one: its end, or the part that ends before a message of it.

    `typed` is what stands where one writes, as _writing.html has it.
    """
    return render_template("chat/conversation.html", **part_of(found, at, before) | typed)


def earlier(found: Conversation, at: int | None, before: int) -> str:
    """What a page gets in the place of its link to the messages before one."""
    names = part_of(found, at, before)
    return draw("chat/_messages.html", **names) + announce(_("Earlier messages are there"))


def part_of(found: Conversation, at: int | None, before: int | None) -> dict[str, Any]:
    """What the templates need to know of a part of a path."""
    store = services().conversations
    tree = store.tree(found.id)
    path = tree.path(before if at is None else at)
    shown = part(path, before, at)
    # The end of the path is read in any case: it says which model is asked, and how far its memory reaches.
    messages = store.messages({*shown.ids, *path[-PART:]})
    articles = [article(one, tree.tries(one.id)) for one in messages if one.id in shown.ids]
    last = messages[-1] if messages else None
    remembering = next((one for one in reversed(messages) if one.figures.messages_read), None)
    memory_from = remembering.figures.memory_from if remembering else None
    wishes = Wishes.from_json(found.options)
    return {
        "conversation": found,
        "at": at,
        "part": shown,
        "articles": articles,
        "remembering": remembering,
        # The message itself may be deleted: then the memory begins with what follows it.
        "memory_begins": memory_from and next((each for each in path if each >= memory_from), None),
        **context(messages, wishes),
        "after": last.id if last else "",
        # Conversations of before have none of their own.
        "model": wishes.model if wishes.model is not None else last.choice if last else "",
    }


def context(messages: Sequence[Message], wishes: Wishes = NOTHING) -> dict[str, int | None]:
    """How much of its context the model had used at the end of these, as _context.html has it.

    A length that was wished since then holds from the next answer on.
    """
    last = next((each.figures for each in reversed(messages) if each.figures.prompt_tokens), None)
    used = (last.prompt_tokens or 0) + (last.answer_tokens or 0) if last else 0
    wished = services().options.context(wishes)
    return {"used": used, "context": wished or (last.context_tokens if last else None)}


def message_html(message: Message, tries: Sequence[int] = ()) -> str:
    """The message with its `tries`, which are looked up where nobody knows them."""
    tries = tries or services().conversations.tries(message)
    return draw("chat/_message.html", article=article(message, tries))


def prompt_form(prompt: Message, *, alone: bool) -> str:
    return render_template("chat/prompt_form.html" if alone else "chat/_prompt_form.html", message=prompt)


def sent(prompt: Message, answer: Message) -> str:
    """What a page gets for a prompt it sent: both messages, and a composer that is ready for the next."""
    return swap("#messages", "beforeend", message_html(prompt) + message_html(answer, [answer.id])) + _ready(answer)


def instead(old: Message, new: Message) -> str:
    """What a page gets for another answer in the place of one."""
    return swap(f"#a{old.id}", "outerHTML", message_html(new)) + _ready(new)


def facts(message: Message) -> Markup:
    """What an answer took; it has more words and numbers than all else of it, and is the same whenever it is shown."""
    drawn = _facts.__wrapped__ if message.is_temporary else _facts
    return drawn(replace(message, text="", thinking="", rating=None), language())


@lru_cache(maxsize=1000)
def _facts(message: Message, _language: str) -> Markup:
    return Markup(draw("chat/_facts.html", message=message))


def _ready(last: Message) -> str:
    """A composer without notice, for a prompt that comes after `last`; and the title, which may be better by now."""
    keys = draw("chat/_composer_keys.html", after=last.id)
    ready = swap("#notice", "innerHTML", "") + swap("#composer-keys", "outerHTML", keys)
    if last.is_temporary:
        return ready
    home = services().conversations.conversation(last.conversation_id)
    return ready + swap(f"#c-{home.id}:not(.editing)", "outerHTML", list_pages.line(home))


def to_conversation(conversation_id: str) -> ResponseReturnValue:
    """Where a form leads that was sent without JavaScript."""
    return redirect(url_for("chat.conversation", conversation_id=conversation_id), 303)


def said_day(seconds: float) -> str:
    """The day of a time (in seconds since 1970) where the reader is, in the language of the page."""
    return words.said_day(days.day_in(days.zone_named(request.cookies.get("zone", "")), seconds))


def number(given: str) -> int | None:
    """The number of a message in an address; None for what is none."""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def forget() -> None:
    """Nothing of what was deleted stays in memory."""
    _finished.cache_clear()
    list_pages.forget()
    _facts.cache_clear()


def lasting(seconds: float) -> str:
    """A time as one says it: 8 s, 8.3 s, 2 min 5 s."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes:
        return _("%(minutes)s\u00a0min %(seconds)s\u00a0s", minutes=said_number(minutes), seconds=said_number(rest))
    return _("%(seconds)s\u00a0s", seconds=said_number(seconds))


def size_of(model: str) -> int:
    """The size of a model in bytes; 0 where nobody knows."""
    return next((each.size for each in services().engine.standing.models if each.name == model), 0)


def _problem(answer: Message) -> InsightError | None:
    if not answer.problem:
        return None
    facts = services().engine_facts(answer.model, answer.figures.context_tokens)
    return explain(answer.problem, reason=answer.reason, **facts)


def end_of(answer: Message) -> str:
    if problem := _problem(answer):
        return str(problem)
    return _("Answer stopped") if answer.state is State.STOPPED else _("Answer complete")
