"""The events that bring a page up to date while an answer grows, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from insight_app.accounts.guards import still_in
from insight_app.chat import pages, stream
from insight_app.chat.guards import own_message
from insight_app.chat.messages import Message, State
from insight_app.chat.reply import Activity, Reply
from insight_app.errors import InsightError, NotThere, explain
from insight_app.refusals import signed_out
from insight_app.rendering import sse
from insight_app.rendering.swaps import announce, swap
from insight_app.traceparent import here
from insight_app.web import Chunk, draw, services
from insight_app.words import N_, _, said_number


def follow(reply: Reply, place: str) -> Iterator[bytes]:
    """The events that bring a page up to date that has everything before `place`."""
    found = services()
    is_still_in = still_in()

    def now(how: str, *, announced: bool) -> str:
        try:
            answer = found.conversations.message(reply.id)
        except NotThere as gone:
            return _removal(reply.id, gone)
        return _stored(answer, how) + (announce(pages.end_of(answer)) if announced else "")

    return stream.follow(
        reply,
        place,
        status=lambda activity, changed: _status(reply.id, activity, changed=changed),
        finished=lambda: now("outerMorph", announced=True),
        anew=lambda: now("outerHTML", announced=False),
        still=lambda: announce(_("Still writing")),
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
        html = _stored(found, "outerMorph") + announce(pages.end_of(found))
    except NotThere as gone:
        html = _removal(answer_id, gone)
    return stream.last_events(html)


def _stored(answer: Message, how: str) -> str:
    """What a page gets for an answer as it is stored, in the place of the one that grew there."""
    # A notice may be about this very answer, as "still being written" is.
    told = swap("#notice", "innerHTML", "") + _memory_line(answer)
    if answer.figures.prompt_tokens:
        wishes = services().options.wishes(answer.conversation_id)
        told += swap("#context", "outerHTML", draw("chat/_context.html", **pages.context([answer], wishes)))
    return swap(f"#a{answer.id}", how, pages.message_html(answer)) + told


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
            yield from events
    finally:
        readers.dec()


def _status(answer_id: int, activity: Activity, *, changed: bool) -> str:
    line = draw("chat/_status.html", activity=activity)
    said = swap(f"#a{answer_id}-status", "innerHTML", line)
    return said + (announce(_beginning(activity)) if changed else "")


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


def _memory_line(answer: Message) -> str:
    """Moves the line to where this answer's memory begins, if that is on the page; leaves it where it read nothing."""
    if not answer.figures.messages_read:
        return ""
    start = answer.figures.memory_from
    line = swap(f"#a{start}", "beforebegin", draw("chat/_memory.html", answer=answer)) if start else ""
    return swap(".memory", "delete", "") + line
