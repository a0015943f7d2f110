"""The door for programs that know OpenAI: POST /v1/chat/completions and GET /v1/models. Nothing of it is kept."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_scope, me
from insight_app.accounts.tokens import Scope
from insight_app.api import completions, pictures
from insight_app.api.completion_objects import Completion, breaks, delta_of, finish_of, refusal_of
from insight_app.api.error_objects import error_object
from insight_app.api.following import pieces, wait_for
from insight_app.api.guards import Door, refuse_compressed, refuse_foreign_pages
from insight_app.chat.attachment_routes import expect_eyes
from insight_app.chat.messages import State
from insight_app.chat.reply import Reply
from insight_app.engines.base import Model, key_of
from insight_app.engines.tools import ToolCall
from insight_app.errors import InsightError, ModelMissing, NotJson, ServerStopped
from insight_app.limits import rates
from insight_app.limits.guards import allowed, an_answer
from insight_app.rendering import sse
from insight_app.web import EVENTS, allow_large, csrf, largest_request, largest_with_pictures, services, streamed

# So long a stream waits with its headers: what goes wrong until then has a status.
HEADERS_SECONDS = 5.0
v1 = Blueprint("v1", __name__, url_prefix="/v1")
v1.before_request(refuse_foreign_pages)
v1.before_request(refuse_compressed)


@v1.post("/chat/completions")
@rates.sending
def complete() -> ResponseReturnValue:
    """What comes after the messages, whole or as a stream of chunks."""
    expect_scope(Scope.CHAT)
    if not request.is_json:
        raise NotJson
    settings = services().settings
    pictures.expect_little_else(body := request.get_data(), largest_request(settings))
    asked = _fair(completions.read(body, settings.max_prompt_chars))
    door = Door()
    with an_answer(asked.task.model) as taken:
        services().engine.expect(taken.model)
        if asked.pictures:
            expect_eyes(taken.model)
            made = pictures.made_anew(asked.pictures, settings.max_attachment_mb, me().id)
            asked = asked.seeing([each.body or b"" for each in made])
        services().answering.expect_room(me().id, taken.model, stays=True)
        reply = services().passing.start(replace(asked.task, model=taken.model), me().id)
    try:
        wait_for(reply, lambda: _has_said(reply), door.is_shut, HEADERS_SECONDS if asked.stream else None)
        if not asked.stream:
            wait_for(reply, lambda: False, door.is_shut, None)
        problem = _problem_of(reply, door) if reply.ended else None
        if problem and breaks(problem) and not (asked.stream and _has_said(reply)):
            raise problem
    except BaseException:
        reply.stop.ask()
        raise
    about = Completion(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), reply.activity.model or asked.task.model)
    if asked.stream:
        response = streamed(_events(about, reply, door, asked.with_usage), EVENTS)
        response.call_on_close(reply.stop.ask)  # also where nobody took the first byte
        return response
    text, thinking = reply.answer.since(0), reply.thinking.since(0)
    return jsonify(about.whole(text, thinking, reply.tool_calls, problem, reply.receipt))


@v1.get("/models")
def models() -> ResponseReturnValue:
    """What there is to answer with; never waits."""
    expect_scope(Scope.MODELS)
    return jsonify(object="list", data=[_about(model) for model in _offered()])


@v1.get("/models/<path:model>")
def model(model: str) -> ResponseReturnValue:
    """One of them."""
    expect_scope(Scope.MODELS)
    for each in _offered():
        if key_of(each.name) == key_of(model):
            return jsonify(_about(each))
    raise ModelMissing(model=model)


def register(app: Flask) -> None:
    app.register_blueprint(v1)
    largest = largest_with_pictures(app.extensions["insight"].settings)
    allow_large(app, "v1.complete", largest, kind="application/json")
    csrf.exempt(v1)  # no cookie gives any right here, so there is none to abuse


def _fair(asked: completions.Asked) -> completions.Asked:
    """The same without what would have the model loaded anew, or taken out of memory, for everybody; admins may."""
    if me().is_admin:
        return asked
    options = replace(asked.task.options, num_ctx=None, keep_alive=None)
    return replace(asked, task=replace(asked.task, options=options))


def _offered() -> list[Model]:
    return [model for model in allowed(services().engine.standing.models) if not model.refused]


def _about(model: Model) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": "library"}


def _has_said(reply: Reply) -> bool:
    return bool(reply.position or reply.tool_calls)


def _problem_of(reply: Reply, door: Door) -> InsightError | None:
    """What went wrong, or ended it early; that this server ends is told to the program too."""
    was_ended = reply.state is State.STOPPED or not reply.ended
    return door.problem_of(reply) or (ServerStopped() if was_ended else None)


def _events(about: Completion, reply: Reply, door: Door, with_usage: bool) -> Iterator[bytes]:
    yield _event(about.chunk({"role": "assistant", "content": ""}))
    calls = 0
    for piece in pieces(reply, door.is_shut):
        if piece is None:
            yield sse.comment("still there")
            continue
        yield _event(about.chunk(delta_of(piece, calls)))
        calls += isinstance(piece, ToolCall)
    problem = _problem_of(reply, door)
    if problem and breaks(problem):
        yield _event(error_object(problem, as_openai=True))
        return
    yield _event(about.chunk(dict(refusal_of(problem)), finish_of(problem, reply.tool_calls)))
    if with_usage:
        yield _event(about.usage_chunk(reply.receipt))
    yield sse.event("[DONE]")


def _event(value: dict[str, object]) -> bytes:
    return sse.event(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
