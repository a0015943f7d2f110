"""A conversation as a page that grows with its answer, for who has no JavaScript."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from flask import Blueprint, Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from insight_app import web
from insight_app.accounts.guards import still_in
from insight_app.chat import live_pages, pages
from insight_app.chat.guards import own_conversation
from insight_app.chat.messages import Conversation, Message, State
from insight_app.chat.pages import Article
from insight_app.chat.reply import Reply
from insight_app.chat.stream import Snapshot
from insight_app.chat.streamed import STILL_THERE, Frame, follow
from insight_app.errors import InsightError, NotThere
from insight_app.refusals import out
from insight_app.web import draw, services
from insight_app.words import _

streamed = Blueprint("streamed", __name__)
# Where something is put into a page that is drawn already. What people write is escaped, so it holds none of these.
MARKS = tuple(Markup(f"<!-- part {number} -->") for number in range(2))
# How long a page waits for another writer, which takes about five seconds after one was killed, and how often it looks.
LEFT_SECONDS = 60.0
LOOK_SECONDS = 0.5


@streamed.get("/c/<conversation_id>/streamed")
def page(conversation_id: str) -> ResponseReturnValue:
    """The path through the message ?at=, or the newest one, while its last message is being written."""
    at = request.args.get("at", type=int)
    there = url_for("chat.conversation", conversation_id=conversation_id, at=at)
    return growing(own_conversation(conversation_id), at) or redirect(there, 303)


def growing(found: Conversation, at: int | None, **typed: Any) -> Response | None:
    """The page that grows, with what is `typed` where one writes; None where nothing is being written."""
    names = pages.part_of(found, at, None) | typed
    *before, last = names["articles"] or [None]
    if last is None or last.live is None:
        return None
    names |= {"articles": before, "mark": MARKS[0], "whole": MARKS[1], "answer": last.message}
    begin, _mark, rest = render_template("chat/streamed.html", **names).partition(MARKS[0])
    end, _mark, after = rest.partition(MARKS[1])
    reply = services().replies.get(last.message.id)
    middle = _followed(reply or _left(last.message), last)

    def parts() -> Iterator[str]:
        yield begin
        yield from middle
        yield f'{end}<hr class="whole" hidden>{after}'

    return web.streamed(
        live_pages.counted(parts(), reply.trace if reply else ""), "text/html; charset=utf-8", web.NOR_PACKED
    )


def _followed(reply: Reply, growing: Article) -> Iterator[str]:
    """The answer, whoever writes it: where its writer is gone, another one goes on with it, on the same page."""
    is_still_in = still_in()
    while (yield from _while_written(reply, growing, is_still_in)):
        yield draw("chat/_again.html", url="")
        until = time.monotonic() + LEFT_SECONDS
        while not (found := _next_of(reply)):
            if live_pages.is_left(reply) or time.monotonic() > until:
                yield draw("chat/_again.html", url=url_for("drafts.go", to=reply.conversation_id))
                return
            yield STILL_THERE
            time.sleep(LOOK_SECONDS)
        # What follows hides what was there, which browsers see of elements that are whole only.
        yield '<hr class="anew" hidden>'
        reply = found


def _while_written(reply: Reply, growing: Article, is_still_in: Callable[[], bool]) -> Generator[str, None, bool]:
    return follow(
        reply,
        _frame(growing),
        status=lambda activity: draw("chat/_status.html", activity=activity),
        finished=lambda: _finished(growing.message.id),
        closing=lambda: live_pages.is_left(reply),
        leaving=lambda: "" if is_still_in() else _told(out()),
        heard=lambda began: _heard(live_pages.began(began) if began else _("Still writing")),
    )


def _next_of(lost: Reply) -> Reply | None:
    """Whoever writes the answer now, or how it ended meanwhile; None as long as nobody does."""
    found = services().replies.get(lost.id)
    if found is not None and found is not lost and not found.lost:
        return found
    try:
        answer = services().conversations.message(lost.id)
    except NotThere:
        answer = None
    if answer is None or not answer.state.is_live:
        over = Reply(lost.id, lost.conversation_id)
        over.end(over.outcome(State.DONE))
        return over
    return None


def _left(answer: Message) -> Reply:
    """What is kept of an answer that nobody is known to write."""
    reply = Reply(answer.id, answer.conversation_id)
    reply.begin_with(answer.thinking, answer.text)
    reply.lose()
    return reply


def _frame(growing: Article) -> Frame:
    """The growing message's own template, cut where its thoughts and its answer come in."""
    assert growing.live
    live = Snapshot(growing.live.activity, (MARKS[0], ""), (MARKS[1], ""), "")
    html = draw("chat/_message.html", article=Article(growing.message, growing.tries, live=live, is_streamed=True))
    around_thoughts, _mark, rest = html.partition(MARKS[0])
    begin, details, thoughts = around_thoughts.rpartition("<details")
    answer = rest.partition(MARKS[1])[0].partition("</details>")[2]
    return Frame(begin, details + thoughts, answer)


def _finished(answer_id: int) -> str:
    """The finished message, and the end said once."""
    try:
        answer = services().conversations.message(answer_id)
    except NotThere as gone:
        return _told(gone, "answer")
    # Before it: some of what can be done with a message is there only for the last.
    return _heard(pages.end_of(answer)) + pages.message_html(answer)


def _heard(said: str) -> str:
    return f'<p class="unseen" role="status">{escape(said)}</p>'


def _told(error: InsightError, instead_of: str = "") -> str:
    return f'<div class="{instead_of}" role="alert">{draw("_notice.html", error=error)}</div>'


def register(app: Flask) -> None:
    app.register_blueprint(streamed)
