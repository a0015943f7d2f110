"""The pages of a conversation, and the stream that brings them up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import attachment_routes as files
from insight_app.chat import draft_pages, list_pages, live_pages, option_pages, pages
from insight_app.chat.attachments import Attachment
from insight_app.chat.forms import ConversationForm, PromptForm, new_key
from insight_app.chat.guards import own_conversation, own_message
from insight_app.chat.messages import Listed, Message, is_temporary
from insight_app.chat.options import Wishes
from insight_app.chat.presets import Preset
from insight_app.errors import DatabaseError, NotThere
from insight_app.limits import rates
from insight_app.limits.guards import Taken, allowed, an_answer
from insight_app.web import from_htmx, services
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


@chat.post("/temporary")
@rates.sending
def begin_temporary() -> ResponseReturnValue:
    """The first prompt of a chat that is not kept."""
    return _begin(temporary=True)


@chat.get("/c/<conversation_id>")
def conversation(conversation_id: str) -> str:
    """The end of the path through the message ?at=, or of the newest one; the part that ends before ?before=."""
    found = own_conversation(conversation_id)
    at, before = (pages.number(request.args.get(name, "")) for name in ("at", "before"))
    if before is not None and from_htmx():
        return pages.earlier(found, at, before)
    return pages.conversation(found, at, before)


@chat.post("/messages")
@rates.sending
def begin() -> ResponseReturnValue:
    """The first prompt of a new conversation."""
    return _begin(temporary=False)


def _begin(*, temporary: bool) -> ResponseReturnValue:
    form = PromptForm()
    attached, text = _sent(form, temporary=temporary)
    begins = option_pages.beginning() or Preset("", "", "")
    with an_answer(form.chosen_model, is_there=lambda: _is_there(form, text, temporary=temporary)) as taken:
        told = services().moderation.prompt(begins.instructions) if begins.instructions else ""
        prompt, answer = _asked(form, text, attached, taken, temporary=temporary)
    if answer is not None:
        services().options.begin(prompt.conversation_id, replace(begins.wishes, model=taken.model), told)
        services().answering.start(answer, [prompt])
    return _to_conversation(prompt.conversation_id)


@chat.post("/c/<conversation_id>/messages")
@rates.sending
def send(conversation_id: str) -> ResponseReturnValue:
    """A prompt after the message that the form names: the last one of its page, or an earlier one (a branch)."""
    wished = Wishes.from_json(own_conversation(conversation_id).options)
    form = PromptForm()
    temporary = is_temporary(conversation_id)
    attached, text = _sent(form, temporary=temporary)
    store = services().conversations
    before = [] if form.after == 0 else store.history(conversation_id, form.after)
    parent_id = before[-1].id if before else None
    with an_answer(form.chosen_model, is_there=lambda: _is_there(form, text, temporary=temporary)) as taken:
        prompt, answer = _asked(
            form, text, attached, taken, temporary=temporary, conversation_id=conversation_id, parent_id=parent_id
        )
    if answer is not None:
        if wished.model != taken.model:
            services().options.follow(conversation_id, taken.model)
        services().answering.start(answer, [*before, prompt])
    if answer is None or not from_htmx():
        return _to_conversation(conversation_id)
    return Response(pages.sent(prompt, answer), headers={"HX-Trigger": "sent"})


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
    return _to_conversation(prompt.conversation_id)


@chat.get("/answers/<int:answer_id>/stream")
def stream(answer_id: int) -> Response:
    """What a page with everything before ?from= (or Last-Event-ID) lacks.

    Always 200 and a stream, also for an answer that is over or gone: htmx repeats everything else for ever.
    """
    place = request.headers.get("Last-Event-ID") or request.args.get("from", "")
    reply = services().replies.get(answer_id)
    is_mine = reply is not None and reply.owner == me().id
    events = live_pages.follow(reply, place) if reply and is_mine else live_pages.ended(answer_id)
    return Response(
        stream_with_context(live_pages.counted(events, reply.trace if reply and is_mine else "")),
        content_type="text/event-stream; charset=utf-8",
        headers={"X-Accel-Buffering": "no"},
    )


@chat.post("/answers/<int:answer_id>/stop")
def stop(answer_id: int) -> ResponseReturnValue:
    answer = own_message(answer_id, "assistant")
    services().answering.stop(answer_id)
    if draft_pages.carried():
        return draft_pages.chat()
    return ("", 204) if from_htmx() else _to_conversation(answer.conversation_id)


@chat.post("/answers/<int:answer_id>/again")
@rates.sending
def again(answer_id: int) -> ResponseReturnValue:
    """Another answer to the same prompt, beside the first."""
    old = own_message(answer_id, "assistant")
    return _another(old, so_far=None)


@chat.post("/answers/<int:answer_id>/continue")
@rates.sending
def go_on(answer_id: int) -> ResponseReturnValue:
    """Another answer that begins with what this one has, and goes on from there."""
    old = own_message(answer_id, "assistant")
    return _another(old, so_far=old)


def _another(old: Message, so_far: Message | None) -> ResponseReturnValue:
    history = services().conversations.history(old.conversation_id, old.id)[:-1]
    with an_answer(_choice(old)) as taken:
        # The rules may have changed since the prompt was sent.
        files.expect_seen(history[-1].attached, taken.model)
        held = files.held(history[-1].attached)
        history[-1] = replace(history[-1], text=services().moderation.prompt(history[-1].text), attached=held)
        services().answering.expect_room(me().id, taken.model)
        new = services().conversations.add_answer(history[-1], taken.model, so_far)
    services().options.follow(old.conversation_id, taken.model)
    services().answering.start(new, history)
    if not from_htmx():
        return _to_conversation(old.conversation_id)
    if urlsplit(request.headers.get("HX-Current-URL", "")).query:
        # The address names another try, and a reload would show that one.
        return Response(headers={"HX-Redirect": url_for("chat.conversation", conversation_id=old.conversation_id)})
    return pages.instead(old, new)


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
    return list_pages.line(found) if from_htmx() else _to_conversation(conversation_id)


@chat.post("/c/<conversation_id>/pin")
def pin(conversation_id: str) -> ResponseReturnValue:
    """Puts a conversation among the pinned ones, or, without a `pinned` of 1, takes its pin away."""
    own_conversation(conversation_id)
    is_pinned = request.form.get("pinned") == "1"
    services().conversations.pin(conversation_id, is_pinned=is_pinned)
    if from_htmx():
        return list_pages.listed_anew(_("Pinned") if is_pinned else _("No longer pinned"))
    return _to_conversation(conversation_id)


@chat.get("/c/<conversation_id>/row")
def row(conversation_id: str) -> str:
    """The conversation's line in the list, as it is when nobody edits it."""
    return list_pages.line(own_conversation(conversation_id))


def _sent(form: PromptForm, *, temporary: bool) -> tuple[Sequence[Attachment], str]:
    """The files and the text; one of the two is enough."""
    attached = files.sent_along(temporary=temporary)
    return attached, form.prompt(services().settings.max_prompt_chars, with_files=bool(attached))


def _asked(
    form: PromptForm,
    text: str,
    attached: Sequence[Attachment],
    taken: Taken,
    *,
    temporary: bool,
    conversation_id: str | None = None,
    parent_id: int | None = None,
) -> tuple[Message, Message | None]:
    """The prompt and its answer; the prompt and None for a form that was taken already.

    Raises PromptRefused, and TooManyWaiting, but not for such a form.
    """
    store, person = services().conversations, me().id
    key = form.form_key
    if not taken.is_left:  # it may have been deleted just now, and nothing may begin in its place
        if (sent := store.sent_with(key, person, temporary=temporary)) is None:
            raise NotThere
        return sent, None
    files.expect_seen(attached, taken.model)
    attached, text = files.held(attached), services().moderation.prompt(text)
    there = lambda: _is_there(form, text, temporary=temporary)  # noqa: E731
    services().answering.expect_room(person, taken.model, is_there=there)
    prompt, answer = store.ask(
        text,
        model=taken.model,
        owner=person,
        form_key=key,
        conversation_id=conversation_id,
        parent_id=parent_id,
        attached=attached,
        temporary=temporary,
    )
    taken.is_used = answer is not None
    return prompt, answer


def _is_there(form: PromptForm, text: str, *, temporary: bool) -> bool:
    """Whether the same form with the same text was taken already."""
    sent = services().conversations.sent_with(form.form_key, me().id, temporary=temporary)
    return sent is not None and sent.text == text


def _choice(old: Message) -> str:
    """The model for another answer: what the page's picker says, else the one of before, if it is still there."""
    if "model" in request.form:
        return PromptForm().chosen_model
    there = {model.name for model in allowed(services().engine.standing.models)}
    wished = services().options.wishes(old.conversation_id).model
    model = old.choice if wished is None else wished
    return model if model in there else ""


def _to_conversation(conversation_id: str) -> ResponseReturnValue:
    return redirect(url_for("chat.conversation", conversation_id=conversation_id), 303)


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
