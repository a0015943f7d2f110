"""Messages drawn: the same templates make the page, the reload and the swaps of the stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from flask import render_template, request, url_for
from markupsafe import Markup, escape

from insight_app import words
from insight_app.accounts.guards import me, still_in
from insight_app.chat import days, stream
from insight_app.chat.guards import own_message
from insight_app.chat.messages import Conversation, Listed, Message, State
from insight_app.chat.options import NOTHING, Wishes
from insight_app.chat.replies import Activity, Reply
from insight_app.chat.stream import Reader, Snapshot
from insight_app.chat.tree import PART, part
from insight_app.errors import InsightError, NotThere, explain
from insight_app.languages import language
from insight_app.refusals import signed_out
from insight_app.rendering import sse
from insight_app.rendering.markdown import render
from insight_app.rendering.swaps import swap
from insight_app.traceparent import here
from insight_app.web import Chunk, draw, guarded, services
from insight_app.words import N_, _, said_number


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


def conversation(found: Conversation, at: int | None, before: int | None, *, draft: str = "") -> str:
    """The path through the message `at`, or the newest one: its end, or the part that ends before a message of it.

    `draft` stands where one writes.
    """
    return render_template("chat/conversation.html", **part_of(found, at, before), draft=draft)


def earlier(found: Conversation, at: int | None, before: int) -> str:
    """What a page gets in the place of its link to the messages before one."""
    names = part_of(found, at, before)
    return draw("chat/_messages.html", **names) + _announce(_("Earlier messages are there"))


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
        **_context(messages, wishes),
        "after": last.id if last else "",
        # Conversations of before have none of their own.
        "model": wishes.model if wishes.model is not None else last.choice if last else "",
    }


def _context(messages: Sequence[Message], wishes: Wishes = NOTHING) -> dict[str, int | None]:
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
    return ready + swap(f"#c-{home.id}:not(.editing)", "outerHTML", line(home))


def place() -> tuple[bool, float, str] | None:
    """The place in the list after which a page asks to go on, by ?pinned=, ?before= and ?id=; None: at its start."""
    before = request.args.get("before", type=float)
    if before is None:
        return None
    return request.args.get("pinned") == "1", before, request.args.get("id", "")


def rows(listed: Listed, template: str = "chat/_conversation_rows.html") -> str:
    """Lines of the list for the page that asks for them."""
    return render_template(template, listed=listed, current=_open_one(), base=conversations_base(), after=place())


def line(found: Conversation) -> str:
    """The line of one conversation, for the page that asks for it."""
    return _line(found, conversations_base(), found.id == _open_one(), language())


def lines(listed: Listed, base: str, current: str, after: tuple[bool, float, str] | None = None) -> Markup:
    """Those conversations, a line each, with what day it was above those of each day; `after` one of such a place."""
    spoken, zone = language(), days.zone_named(request.cookies.get("zone", ""))
    today, drawn = days.day_in(zone, time.time()), list[str]()
    last = days.group(after[1], after[0], today, zone) if after else ""
    for each in listed.conversations:
        if (here := days.group(each.updated_at, each.is_pinned, today, zone)) != last:
            drawn.append(_heading(here, spoken))
            last = here
        drawn.append(_line(each, base, each.id == current, spoken))
    return Markup("\n".join(drawn))


@lru_cache(maxsize=1000)
def _heading(group: str, _language: str) -> str:
    return draw("chat/_conversation_day.html", day=days.heading(group))


@lru_cache(maxsize=1000)
def _line(found: Conversation, base: str, is_current: bool, _language: str) -> str:
    """Most lines are the same on each page that anybody opens: to draw all would take as long as the rest of it."""
    return draw("chat/_conversation_line.html", conversation=found, address=base + found.id, is_current=is_current)


def listed_anew(why: str) -> str:
    """The beginning of the list for a page whose list is in another order now, and why."""
    listed = rows(services().conversations.newest_conversations(owner=me().id))
    # Of a response without anything to swap htmx leaves the list as it is, and a line stayed where the last one went.
    return (listed.strip() or "<li hidden></li>") + _announce(why)


def _open_one() -> str:
    """The id of the conversation of the page that asks, "" where it is none."""
    return request.headers.get("HX-Current-URL", "").partition("?")[0].rpartition("/c/")[2]


def said_day(seconds: float) -> str:
    """The day of a time (in seconds since 1970) where the reader is, in the language of the page."""
    return words.said_day(days.day_in(days.zone_named(request.cookies.get("zone", "")), seconds))


def number(given: str) -> int | None:
    """The number of a message in an address; None for what is none."""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def conversations_base() -> str:
    """The address of conversations, without an id."""
    return url_for("chat.conversation", conversation_id="-").removesuffix("-")


def forget() -> None:
    """Nothing of what was deleted stays in memory."""
    _finished.cache_clear()
    _line.cache_clear()
    _facts.cache_clear()


def follow(reply: Reply, place: str) -> Iterator[bytes]:
    """The events that bring a page up to date that has everything before `place`."""
    found = services()
    is_still_in = still_in()

    def now(how: str, *, announced: bool) -> str:
        try:
            answer = found.conversations.message(reply.id)
        except NotThere as gone:
            return _removal(reply.id, gone)
        return _stored(answer, how) + (_announce(end_of(answer)) if announced else "")

    return stream.follow(
        reply,
        place,
        status=lambda activity, changed: _status(reply.id, activity, changed=changed),
        finished=lambda: now("outerMorph", announced=True),
        anew=lambda: now("outerHTML", announced=False),
        still=lambda: _announce(_("Still writing")),
        # What is written here is followed to its end, also by a server that takes nothing new.
        closing=lambda: is_left(reply),
        leaving=lambda: "" if is_still_in() else signed_out(reply.id),
    )


def is_left(reply: Reply) -> bool:
    """Whether this process follows it no longer."""
    found = services()
    return found.closing or (found.draining and reply not in found.replies.here())


def ended(answer_id: int) -> Iterator[bytes]:
    """The stream of an answer that nobody writes: its finished form, or, where it is gone or not theirs, its removal.

    One that has not ended is written by somebody unknown, or will be again soon: the page connects again by itself.
    """
    try:
        found = own_message(answer_id)
        if found.state.is_live:
            return iter((sse.comment("nobody knows yet"),))
        html = _stored(found, "outerMorph") + _announce(end_of(found))
    except NotThere as gone:
        html = _removal(answer_id, gone)
    return stream.last_events(html)


def _stored(answer: Message, how: str) -> str:
    """What a page gets for an answer as it is stored, in the place of the one that grew there."""
    # A notice may be about this very answer, as "still being written" is.
    told = swap("#notice", "innerHTML", "") + _memory_line(answer)
    if answer.figures.prompt_tokens:
        wishes = services().options.wishes(answer.conversation_id)
        told += swap("#context", "outerHTML", draw("chat/_context.html", **_context([answer], wishes)))
    return swap(f"#a{answer.id}", how, message_html(answer)) + told


def _removal(answer_id: int, gone: NotThere) -> str:
    """What a page gets for an answer that was deleted while it showed it."""
    told = swap("#notice", "innerHTML", draw("_notice.html", error=gone))
    return swap(f"#a{answer_id}", "delete", "") + told


def counted(events: Iterator[Chunk], trace: str = "") -> Iterator[Chunk]:
    """The same events, with the reader in the metrics while they last, and in the trace of the answer."""
    readers = services().metrics.readers
    readers.inc()
    try:
        with services().tracing.span("reader", within=trace or None, beside=here.get() if trace else ""):
            yield from guarded(events)
    finally:
        readers.dec()


def _status(answer_id: int, activity: Activity, *, changed: bool) -> str:
    line = draw("chat/_status.html", activity=activity)
    said = swap(f"#a{answer_id}-status", "innerHTML", line)
    return said + (_announce(_beginning(activity)) if changed else "")


def _beginning(activity: Activity) -> str:
    """What is said once of what is going on; the seconds that are counted are for the eye."""
    if activity.problem:
        problem = waited_for(activity)
        return f"{problem.cause} {problem.promise}"
    if activity.state is State.QUEUED:
        return (
            _("The answer waits for a free place, number %(number)s in line", number=said_number(activity.place))
            if activity.place
            else ""
        )
    return began(activity.state)


_BEGINNINGS = {
    State.LOADING: N_("The model is being loaded"),
    State.THINKING: N_("The model is thinking"),
    State.WRITING: N_("Answer started"),
}


def began(state: State) -> str:
    """What is said where a state begins, "" where nothing is."""
    return _(_BEGINNINGS.get(state, ""))


def waited_for(activity: Activity) -> InsightError:
    """What has to be mended before the answer can begin, or be kept."""
    return explain(activity.problem, **services().engine_facts(activity.model))


def lasting(seconds: float) -> str:
    """A time as one says it: 8 s, 8.3 s, 2 min 5 s."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes:
        return _("%(minutes)s\u00a0min %(seconds)s\u00a0s", minutes=said_number(minutes), seconds=said_number(rest))
    return _("%(seconds)s\u00a0s", seconds=said_number(seconds))


def size_of(model: str) -> int:
    """The size of a model in bytes; 0 where nobody knows."""
    return next((each.size for each in services().engine.standing.models if each.name == model), 0)


def _memory_line(answer: Message) -> str:
    """Moves the line to where this answer's memory begins, if that is on the page; leaves it where it read nothing."""
    if not answer.figures.messages_read:
        return ""
    start = answer.figures.memory_from
    line = swap(f"#a{start}", "beforebegin", draw("chat/_memory.html", answer=answer)) if start else ""
    return swap(".memory", "delete", "") + line


def _problem(answer: Message) -> InsightError | None:
    if not answer.problem:
        return None
    facts = services().engine_facts(answer.model, answer.figures.context_tokens)
    return explain(answer.problem, reason=answer.reason, **facts)


def end_of(answer: Message) -> str:
    if problem := _problem(answer):
        return str(problem)
    return _("Answer stopped") if answer.state is State.STOPPED else _("Answer complete")


def _announce(said: str) -> str:
    """Read out by screen readers, which hear of a stream's beginning and end but never its fragments."""
    return swap("#announcer", "innerHTML", escape(said))
