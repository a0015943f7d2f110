"""Errors as programs read them: the object that OpenAI's clients make their own exceptions of."""

from __future__ import annotations

from insight_app.errors import (
    AnswerCut,
    ContextFull,
    InputError,
    InsightError,
    ModelMissing,
    NotACompletion,
    PromptTooLarge,
    ServerStopped,
)

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# What programs that know OpenAI look for.
CODES = {
    ModelMissing.code: "model_not_found",
    ContextFull.code: "context_length_exceeded",
    PromptTooLarge.code: "context_length_exceeded",
}
# Their next step says that what was written is kept, which is so only in a conversation.
OF_KEPT_ANSWERS = frozenset({AnswerCut.code, ServerStopped.code})


def error_object(error: InsightError, *, as_openai: bool) -> dict[str, object]:
    """{"error": ...}; `as_openai`: with OpenAI's codes, for what has its addresses."""
    is_of_kept = as_openai and error.code in OF_KEPT_ANSWERS
    return {
        "error": {
            "message": f"{error.cause} Try again." if is_of_kept else str(error),
            "type": TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error"),
            "param": error.facts.get("param") if isinstance(error, NotACompletion) else None,
            "code": CODES.get(error.code, error.code) if as_openai else error.code,
        }
    }


def status_of(error: InsightError, *, as_openai: bool) -> int:
    """The HTTP status: what cannot be taken as it is, OpenAI answers with 400."""
    return 400 if as_openai and isinstance(error, InputError) and error.status == 422 else error.status
