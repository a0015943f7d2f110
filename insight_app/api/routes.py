"""The page's own path for programs: POST /api/chat asks and follows, GET /api/answers/ID says what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, after_this_request, jsonify, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_scope, me
from insight_app.accounts.tokens import Scope
from insight_app.api import pictures
from insight_app.api.following import pieces, wait_for
from insight_app.api.guards import Door, refuse_compressed, refuse_foreign_pages
from insight_app.api.pictures import Sent
from insight_app.chat import prompts
from insight_app.chat.attachment_routes import expect_eyes
from insight_app.chat.attachments import Attachment, expect_few
from insight_app.chat.guards import own_conversation, own_message
from insight_app.chat.messages import is_temporary
from insight_app.chat.reply import Reply
from insight_app.engines.base import Piece
from insight_app.errors import NotAChat, NotAPicture
from insight_app.limits import rates
from insight_app.limits.guards import an_answer
from insight_app.rendering import sse
from insight_app.web import (
    EVENTS,
    NOT_HELD_BACK,
    allow_large,
    csrf,
    largest_request,
    largest_with_pictures,
    services,
    streamed,
)
from insight_app.words import _, said_number

api = Blueprint("api", __name__, url_prefix="/api")
api.before_request(refuse_foreign_pages)
api.before_request(refuse_compressed)


@api.post("/chat")
@rates.sending
def chat() -> ResponseReturnValue:
    """{"message": str, "conversation_id": str?, "model": str?, "temporary": bool?, "images": [str]?} -> the answer's
    text, in chunks.

    `images` are pictures in base64, as Ollama has them; a message with one may have no words.
    With `Accept: text/event-stream` each event's data is {"text": str} or {"thinking": str}, and the last event,
    named "done", holds how it ended. X-Conversation-Id and X-Answer-Id name what was stored.
    """
    expect_scope(Scope.CHAT)
    asked, door = _asked(), Door()
    reply = _begun(asked)
    headers = {"X-Conversation-Id": reply.conversation_id, "X-Answer-Id": str(reply.id), **NOT_HELD_BACK}
    if request.accept_mimetypes.best_match(["text/plain", "text/event-stream"]) == "text/event-stream":
        return streamed(_events(reply, door), EVENTS, headers)
    wait_for(reply, lambda: len(reply.answer), door.is_shut, seconds=None)
    if not len(reply.answer) and (problem := door.problem_of(reply)):
        # Also to who is told an error, and may ask again: the prompt is stored.
        after_this_request(lambda told: (told.headers.update(headers), told)[1])
        raise problem
    return streamed(_text(reply, door), "text/plain; charset=utf-8", headers)


@api.get("/answers/<int:answer_id>")
def answer(answer_id: int) -> Response:
    """{"id", "conversation_id", "state", "text"}: an answer as it is now, also while it is written."""
    expect_scope(Scope.CHAT)
    found = own_message(answer_id, "assistant")
    state, text = found.state, found.text
    if state.is_live:
        if reply := services().replies.get(answer_id):
            state, text = reply.state, reply.answer.since(0)
        else:  # it may have ended after this row was read
            found = own_message(answer_id, "assistant")
            state, text = found.state, found.text
    return jsonify(id=found.id, conversation_id=found.conversation_id, state=state.value, text=text)


def register(app: Flask) -> None:
    app.register_blueprint(api)
    largest = largest_with_pictures(app.extensions["insight"].settings)
    allow_large(app, "api.chat", largest, kind="application/json")
    csrf.exempt(api)  # no cookie gives any right here, so there is none to abuse


@dataclass(frozen=True, slots=True)
class Asked:
    """What a program asks. `conversation_id` None: in a new conversation, which may be a `temporary` one."""

    text: str
    conversation_id: str | None
    model: str
    temporary: bool
    pictures: list[Sent]


def _begun(asked: Asked) -> Reply:
    """The answer, which is being written; the prompt is stored."""
    store, answering, home = services().conversations, services().answering, asked.conversation_id
    before = []
    if home:
        own_conversation(home)
        before = store.history(home)
    with an_answer(asked.model) as taken:
        services().engine.expect(taken.model)
        text = services().moderation.prompt(asked.text)
        answering.expect_room(me().id, taken.model, stays=True)
        temporary = asked.temporary or is_temporary(home or "")
        prompt, answer = store.ask(
            text,
            model=taken.model,
            owner=me().id,
            conversation_id=home,
            parent_id=before[-1].id if before else None,
            attached=_attached(asked.pictures, taken.model, temporary=temporary),
            temporary=temporary,
        )
    assert answer is not None  # without a form key every request is its own
    return answering.start(answer, [*before, prompt], patient=False)


def _asked() -> Asked:
    settings = services().settings
    pictures.expect_little_else(request.get_data(), largest_request(settings))
    try:
        given = request.get_json(silent=True) if request.is_json else None
    except RecursionError:  # a million brackets
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("message"), str):
        raise NotAChat
    conversation_id, model = given.get("conversation_id"), given.get("model") or ""
    temporary = given.get("temporary") or False
    if not isinstance(conversation_id, (str, type(None))) or not isinstance(model, str):
        raise NotAChat
    if not isinstance(temporary, bool) or (temporary and conversation_id and not is_temporary(conversation_id)):
        raise NotAChat
    images = given.get("images") or []
    if not isinstance(images, list) or not all(isinstance(each, str) for each in images):
        raise NotAPicture(param="images")
    expect_few(len(images))
    names = [f"images[{number}]" for number in range(len(images))]
    sent = [Sent(name, pictures.from_base64(each, name)) for name, each in zip(names, images, strict=True)]
    text = prompts.check(given["message"], settings.max_prompt_chars, with_files=bool(sent))
    return Asked(text, prompts.clean(conversation_id or "") or None, prompts.clean(model)[:255], temporary, sent)


def _attached(sent: list[Sent], model: str, *, temporary: bool) -> list[Attachment]:
    if not sent:
        return []
    expect_eyes(model)
    add, me_id = services().attachments.add, me().id
    made = pictures.made_anew(sent, services().settings.max_attachment_mb, me_id)
    return [
        add(me_id, _("Picture %(number)s", number=said_number(number)), len(each.data), read, temporary=temporary)
        for number, (each, read) in enumerate(zip(sent, made, strict=True), 1)
    ]


def _text(reply: Reply, door: Door) -> Iterator[str]:
    for piece in pieces(reply, door.is_shut):
        if isinstance(piece, Piece) and not piece.thought:
            yield piece.text
    if problem := door.problem_of(reply):
        yield f"\n\n[{problem}]\n"


def _events(reply: Reply, door: Door) -> Iterator[bytes]:
    for piece in pieces(reply, door.is_shut):
        if isinstance(piece, Piece):
            yield sse.event(json.dumps({"thinking" if piece.thought else "text": piece.text}))
        else:
            yield sse.comment("still there")
    end: dict[str, object] = {"state": reply.state.value}
    end |= {"conversation_id": reply.conversation_id, "answer_id": reply.id}
    if problem := door.problem_of(reply):
        end["error"] = {"code": problem.code, "message": str(problem)}
    yield sse.event(json.dumps(end), name="done")
