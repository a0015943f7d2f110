"""The pages of a conversation, and the stream that brings them up to date."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, g, render_template, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import draft_pages, list_pages, live_pages, pages
from insight_app.chat.forms import ConversationForm, new_key
from insight_app.chat.guards import own_conversation, own_message
from insight_app.chat.messages import Listed
from insight_app.errors import DatabaseError, NotThere
from insight_app.web import EVENTS, from_htmx, services, streamed
from insight_app.words import _

chat = Blueprint("chat", __name__)


@chat.get("/")
def home() -> str:
    return render_template("chat/home.html")


@chat.get("/temporary")
def temporary() -> str:
    """Where a chat begins that is not kept."""
    services().conversations.expect_temporary()
    return render_template("chat/temporary.html")


@chat.get("/c/<conversation_id>")
def conversation(conversation_id: str) -> str:
    """The end of the path through the message ?at=, or of the newest one; the part that ends before ?before=."""
    found = own_conversation(conversation_id)
    at, before = (pages.number(request.args.get(name, "")) for name in ("at", "before"))
    if before is not None and from_htmx():
        return pages.earlier(found, at, before)
    return pages.conversation(found, at, before)


@chat.get("/prompts/<int:prompt_id>/edit")
def edit_prompt(prompt_id: int) -> str:
    """A prompt as a form that sends another version of it."""
    return pages.prompt_form(own_message(prompt_id, "user"), alone=not from_htmx())


@chat.get("/prompts/<int:prompt_id>")
def prompt(prompt_id: int) -> str:
    """A prompt as it is when nobody edits it."""
    return pages.message_html(own_message(prompt_id, "user"))


@chat.post("/prompts/<int:prompt_id>/delete")
def delete_pair(prompt_id: int) -> ResponseReturnValue:
    """Deletes a prompt and its answers."""
    prompt = own_message(prompt_id, "user")
    services().answering.forget(services().conversations.delete_pair(prompt))
    pages.forget()
    return pages.to_conversation(prompt.conversation_id)


@chat.get("/answers/<int:answer_id>/stream")
def stream(answer_id: int) -> Response:
    """What a page with everything before ?from= (or Last-Event-ID) lacks.

    Always 200 and a stream, also for an answer that is over or gone: htmx repeats everything else for ever.
    """
    place = request.headers.get("Last-Event-ID") or request.args.get("from", "")
    reply = services().replies.get(answer_id)
    is_mine = reply is not None and reply.owner == me().id
    events = live_pages.follow(reply, place) if reply and is_mine else live_pages.ended(answer_id)
    return streamed(live_pages.counted(events, reply.trace if reply and is_mine else ""), EVENTS)


@chat.post("/answers/<int:answer_id>/stop")
def stop(answer_id: int) -> ResponseReturnValue:
    answer = own_message(answer_id, "assistant")
    services().answering.stop(answer_id)
    if draft_pages.carried():
        return draft_pages.chat()
    return ("", 204) if from_htmx() else pages.to_conversation(answer.conversation_id)


@chat.get("/answers/<int:answer_id>/text")
def text(answer_id: int) -> Response:
    """The answer as it was written, as Markdown."""
    return Response(own_message(answer_id, "assistant").text, content_type="text/plain; charset=utf-8")


@chat.get("/conversations")
def older() -> str:
    """The conversations after the one whose time is ?before=, whose id is ?id=, and which may be ?pinned=1."""
    if (place := list_pages.place()) is None:
        raise NotThere
    listed = services().conversations.newest_conversations(place, owner=me().id)
    return list_pages.rows(listed) if from_htmx() else list_pages.rows(listed, "chat/older.html")


@chat.get("/c/<conversation_id>/edit")
def edit(conversation_id: str) -> str:
    template = "chat/_conversation_edit.html" if from_htmx() else "chat/edit.html"
    found = own_conversation(conversation_id)
    return render_template(template, conversation=found, days_kept=services().retention.days_kept(me().id))


@chat.post("/c/<conversation_id>/edit")
def rename(conversation_id: str) -> ResponseReturnValue:
    """A new name; an empty one changes nothing."""
    found = own_conversation(conversation_id)
    if name := ConversationForm().name:
        services().conversations.rename(conversation_id, name)
        found = own_conversation(conversation_id)
    return list_pages.line(found) if from_htmx() else pages.to_conversation(conversation_id)


@chat.post("/c/<conversation_id>/pin")
def pin(conversation_id: str) -> ResponseReturnValue:
    """Puts a conversation among the pinned ones, or, without a `pinned` of 1, takes its pin away."""
    own_conversation(conversation_id)
    is_pinned = request.form.get("pinned") == "1"
    services().conversations.pin(conversation_id, is_pinned=is_pinned)
    if from_htmx():
        return list_pages.listed_anew(_("Pinned") if is_pinned else _("No longer pinned"))
    return pages.to_conversation(conversation_id)


@chat.get("/c/<conversation_id>/row")
def row(conversation_id: str) -> str:
    """The conversation's line in the list, as it is when nobody edits it."""
    return list_pages.line(own_conversation(conversation_id))


def _newest_conversations() -> Listed:
    """For every page; the one that tells that the database cannot be read has to do without them."""
    try:
        return services().conversations.newest_conversations(owner=me().id)
    except DatabaseError:
        if "tells_an_error" not in g:
            raise
        return Listed(())


def register(app: Flask) -> None:
    app.register_blueprint(chat)
    app.jinja_env.globals["newest_conversations"] = _newest_conversations
    app.jinja_env.globals["conversation_lines"] = list_pages.lines
    app.jinja_env.globals["conversations_base"] = list_pages.conversations_base
    app.jinja_env.globals["said_day"] = pages.said_day
    app.jinja_env.globals["size_of"] = pages.size_of
    app.jinja_env.globals["waited_for"] = live_pages.waited_for
    app.jinja_env.globals["lasting"] = pages.lasting
    app.jinja_env.globals["facts"] = pages.facts
    app.jinja_env.globals["new_key"] = new_key
    app.jinja_env.globals["judges_prompts"] = lambda: services().moderation.judges_prompts
