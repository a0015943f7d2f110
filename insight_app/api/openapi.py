"""The OpenAPI document of what programs can use: written down once, and held to the truth by tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from insight_app.api.completion_request import CompletionRequest
from insight_app.chat.attachments import MOST_FILES
from insight_app.chat.messages import State

JSON = "application/json"
_COUNT = {"schema": {"type": "integer", "minimum": 0}}
_RATES = "of the limit on how often one may send that leaves least"
HEADERS: dict[str, Any] = {
    "WWW-Authenticate": {"description": "A key is needed", "schema": {"const": "Bearer"}},
    "Retry-After": {"description": "Seconds, where it is known when it will go", **_COUNT},
    "RateLimit-Limit": {"description": f"How many, {_RATES}", **_COUNT},
    "RateLimit-Remaining": {"description": f"How many are left, {_RATES}", **_COUNT},
    "RateLimit-Reset": {"description": f"Seconds until it begins anew, {_RATES}", **_COUNT},
}
RATES = tuple(name for name in HEADERS if name.startswith("RateLimit"))
# The headers of each kind of error.
ERRORS = {"Error": RATES, "KeyNeeded": ("WWW-Authenticate",), "NotNow": ("Retry-After", *RATES)}


def document(version: str, address: str, *, with_keys: bool) -> dict[str, Any]:
    """The document of the server at `address`; `with_keys`: whether a program needs a key of somebody's."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "InsightSphere AI",
            "version": version,
            "description": "A private chat on your own machine, for programs. Nothing that is sent to /v1 is kept.",
        },
        "servers": [{"url": address}],
        "paths": {
            "/v1/chat/completions": {"post": _complete()},
            "/v1/models": {"get": _models()},
            "/v1/models/{model}": {"get": _model()},
            "/api/chat": {"post": _chat()},
            "/api/answers/{answer_id}": {"get": _kept_answer()},
            "/api/usage": {"get": _usage()},
            "/api/openapi.json": {"get": _open("This document", {"type": "object"})},
            "/healthz": {"get": _open("Whether the process lives", {"type": "string", "const": "ok\n"}, "text/plain")},
            "/readyz": {"get": _readyz()},
        },
        "components": {
            "schemas": {**_requests(), **_answers()},
            "responses": {name: _error(headers) for name, headers in ERRORS.items()},
            "headers": HEADERS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of yours, made on the account page."
                    if with_keys
                    else "This server asks for none.",
                }
            },
        },
        "security": [{"key": []}] if with_keys else [{}, {"key": []}],
    }


def _complete() -> dict[str, Any]:
    return {
        "operationId": "complete",
        "summary": "The next message of a conversation, as OpenAI has it",
        "description": "The conversation is the program's: nothing of it is kept. With `stream` the answer comes as "
        "server-sent events, each a CompletionChunk, and ends with `[DONE]`; an error after the first of them is an "
        "event with `error`, and the last one. What a user says may have pictures in parts "
        "of the type `image_url`, as data: addresses, for a model that sees. `num_ctx`, `keep_alive` and `think` are "
        "Ollama's own; where people sign in, the first two hold for admins only: they change the model for everybody.",
        "requestBody": {"required": True, "content": _content(_ref("CompletionRequest"))},
        "responses": {
            "200": {
                "description": "The answer",
                "headers": _headers(*RATES),
                "content": _content(_ref("Completion")) | {"text/event-stream": {}},
            },
            **_errors(400, 403, 404, 413, 415, 429, 500, 502, 503, 504),
        },
    }


def _models() -> dict[str, Any]:
    return {
        "operationId": "models",
        "summary": "The models that can be asked, the best first",
        "responses": {"200": _answer("The models", _ref("Models")), **_errors(403)},
    }


def _model() -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "operationId": "model",
        "summary": "One of them",
        "parameters": [name],
        "responses": {"200": _answer("The model", _ref("Model")), **_errors(403, 404)},
    }


def _usage() -> dict[str, Any]:
    days = {
        "name": "days",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 400, "default": 30},
        "description": "How many, with today (UTC)",
    }
    return {
        "operationId": "usage",
        "summary": "What everybody used, by hour, person and model; for admins",
        "parameters": [days],
        "responses": {"200": _answer("The rows, oldest first", _ref("Usage")), **_errors(403, 422)},
    }


def _chat() -> dict[str, Any]:
    return {
        "operationId": "chat",
        "summary": "A message in a conversation that is kept",
        "description": "`images` are pictures (PNG, JPEG, WebP, GIF) in base64, as Ollama has them, for a model that "
        "sees; a message with one may be empty. The answer comes in pieces while it is written: as plain text, "
        "or, where Accept asks for text/event-stream, as events with `text` or `thinking`; the last one, named `done`, "
        "says how it ended.",
        "requestBody": {"required": True, "content": _content(_ref("ChatRequest"))},
        "responses": {
            "200": {
                "description": "The answer's text",
                "headers": {
                    "X-Conversation-Id": {"description": "Sent back, goes on with it", "schema": {"type": "string"}},
                    "X-Answer-Id": {"description": "What /api/answers knows it by", "schema": {"type": "string"}},
                    **_headers(*RATES),
                },
                "content": {"text/plain": {"schema": {"type": "string"}}, "text/event-stream": {}},
            },
            **_errors(400, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504, 507),
        },
    }


def _kept_answer() -> dict[str, Any]:
    answer_id = {"name": "answer_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
    return {
        "operationId": "answer",
        "summary": "An answer of /api/chat or the page as it is now, also while it is written",
        "parameters": [answer_id],
        "responses": {"200": _answer("The answer", _ref("KeptAnswer")), **_errors(403, 404)},
    }


def _readyz() -> dict[str, Any]:
    schema = _object(
        {
            "ready": {"type": "boolean"},
            "database": {"type": "boolean"},
            "engine": {"type": "boolean"},
            "engine_name": {"type": "string"},
            "models": {"type": "integer"},
        },
        problem={"type": "string"},
    )
    ready = _open("Whether a message sent now would be answered", schema)
    ready["responses"]["503"] = _answer("Not now", schema)
    return ready


def _open(summary: str, schema: dict[str, Any], kind: str = JSON) -> dict[str, Any]:
    """What needs no key."""
    return {"summary": summary, "security": [], "responses": {"200": _answer(summary, schema, kind)}}


def _requests() -> dict[str, Any]:
    """What completion_request.py takes, as it says itself; and what /api/chat takes."""
    _, schemas = msgspec.json.schema_components([CompletionRequest], ref_template="#/components/schemas/{name}")
    text = {"type": "string"}
    known: dict[str, Any] = {"message": text}
    more = {
        "conversation_id": {"type": ["string", "null"], "description": "Of an earlier answer; none: a new one"},
        "model": {"type": ["string", "null"], "description": "Empty: the best there is"},
        "images": {"type": ["array", "null"], "items": {**text, "contentEncoding": "base64"}, "maxItems": MOST_FILES},
        "temporary": {"type": ["boolean", "null"], "description": "Whether nothing of it is to be stored"},
    }
    return {**schemas, "ChatRequest": _object(known, **more)}


def _answers() -> dict[str, Any]:
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    nullable = {"type": ["string", "null"]}
    function = _object({"name": text, "arguments": {**text, "description": "A JSON object, as text"}})
    call = _object({"id": text, "type": {"const": "function"}, "function": function}, index=count)
    calls = {"type": "array", "items": call}
    finish = {"enum": ["stop", "length", "tool_calls", "content_filter"]}
    said = {"content": nullable, "refusal": nullable, "reasoning": text, "tool_calls": calls}
    message = _object({"role": {"const": "assistant"}, "content": nullable, "refusal": nullable}, **said)
    usage = _object({"prompt_tokens": count, "completion_tokens": count, "total_tokens": count})
    head = {"id": text, "created": count, "model": text}
    choice = {"index": {"const": 0}, "logprobs": {"type": "null"}}
    whole = _object({**choice, "message": message, "finish_reason": finish})
    part = _object(
        {**choice, "delta": _object({}, role=text, **said), "finish_reason": {"anyOf": [finish, {"type": "null"}]}}
    )
    about = {"id": text, "object": {"const": "model"}, "created": count, "owned_by": text}
    error = _object({"message": text, "type": text, "param": nullable, "code": text})
    seconds = {"type": "number", "minimum": 0}
    used = _object(
        {"hour": {**text, "format": "date-time"}, "person": text, "model": text}
        | {"answers": {"type": "integer"}, "prompt_tokens": count, "answer_tokens": count}
        | {"busy_seconds": seconds, "writing_seconds": seconds}
    )
    return {
        "Completion": _object(
            {**head, "object": {"const": "chat.completion"}, "choices": _several(whole), "usage": usage}
        ),
        "CompletionChunk": _object(
            {**head, "object": {"const": "chat.completion.chunk"}, "choices": _several(part)}, usage=usage
        ),
        "Model": _object(about),
        "Models": _object({"object": {"const": "list"}, "data": _several(_ref("Model"))}),
        "KeptAnswer": _object(
            {"id": count, "conversation_id": text, "state": {"enum": [state.value for state in State]}, "text": text}
        ),
        "Usage": _object({"days": count, "rows": _several(used)}),
        "Error": _object({"error": error}),
    }


def _object(needed: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**needed, **more}, "required": list(needed)}


def _several(each: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": each}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: dict[str, Any], kind: str = JSON) -> dict[str, Any]:
    return {kind: {"schema": schema}}


def _answer(what: str, schema: dict[str, Any], kind: str = JSON) -> dict[str, Any]:
    return {"description": what, "content": _content(schema, kind)}


def _errors(*statuses: int) -> dict[str, Any]:
    kinds = {401: "KeyNeeded", 429: "NotNow", 503: "NotNow"}
    return {
        str(status): {"$ref": f"#/components/responses/{kinds.get(status, 'Error')}"}
        for status in sorted({401, *statuses})
    }


def _error(headers: Iterable[str]) -> dict[str, Any]:
    return {"description": "Why not", "headers": _headers(*headers), "content": _content(_ref("Error"))}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
