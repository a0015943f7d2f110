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
    TooManyOfYours,
    TooManyWaiting,
)

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
TOO_LONG = frozenset({ContextFull.code, PromptTooLarge.code})
# What programs that know OpenAI look for.
CODES = {
    ModelMissing.code: "model_not_found",
    **dict.fromkeys(TOO_LONG, "context_length_exceeded"),
}
# Their next step says that what was written is kept, which is so only in a conversation.
OF_KEPT_ANSWERS = frozenset({AnswerCut.code, ServerStopped.code})
# And of these that what was typed is, which is so only on a page.
NEXT_STEPS = {
    TooManyWaiting.code: "Send it again in a while, or ask another model.",
    TooManyOfYours.code: "Send it again when some of them are written.",
}


def error_object(error: InsightError, *, as_openai: bool) -> dict[str, object]:
    """{"error": ...}; `as_openai`: with OpenAI's codes, for what has its addresses."""
    is_of_kept = as_openai and error.code in OF_KEPT_ANSWERS
    next_step = "Try again." if is_of_kept else NEXT_STEPS.get(error.code, error.next_step)
    return {
        "error": {
            "message": f"{error.cause} {next_step}",
            "type": TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error"),
            "param": error.facts.get("param") if isinstance(error, NotACompletion) else None,
            "code": CODES.get(error.code, error.code) if as_openai else error.code,
        }
    }


def status_of(error: InsightError, *, as_openai: bool) -> int:
    """The HTTP status: what cannot be taken as it is, or is too long for the model, OpenAI answers with 400."""
    is_bad = isinstance(error, InputError) and error.status == 422
    return 400 if as_openai and (is_bad or error.code in TOO_LONG) else error.status
