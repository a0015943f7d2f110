"""Every error as whoever asked can read it: as a page, as a fragment, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from flask import (
    Flask,
    Response,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from limits.errors import StorageError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

from insight_app.accounts.guards import for_program
from insight_app.amounts import in_bytes
from insight_app.api.error_objects import error_object, status_of
from insight_app.chat import option_pages
from insight_app.chat.attachment_routes import typed_along
from insight_app.chat.attachments import Attachment
from insight_app.chat.messages import TEMPORARY
from insight_app.chat.stream import last_events
from insight_app.errors import (
    AccountOff,
    AddressUnknown,
    DatabaseError,
    FormExpired,
    InputError,
    InsightError,
    MetricsTokenNeeded,
    NotThere,
    QuotaReached,
    RedisAway,
    SignedOut,
    SignInNeeded,
    TemporaryOver,
    TooLarge,
    UnknownHost,
    WrongMethod,
)
from insight_app.limits.rates import too_often
from insight_app.rendering.swaps import swap
from insight_app.telemetry.request_ids import REQUEST_ID
from insight_app.web import EVENTS, draw, from_htmx, large_request, services, streamed

# What is typed there stays on the page.
_WHERE_ONE_TYPES = {
    "chat",
    "sending",
    "streamed",
    "library",
    "models",
    "shelf",
    "search",
    "options",
    "saved",
    "attachments",
}


def register(app: Flask) -> None:
    app.register_error_handler(InsightError, show)
    app.register_error_handler(Exception, _translate)


def _translate(error: Exception) -> ResponseReturnValue:
    """Anything that a library, the framework or a fault of ours raised, as one of our own errors."""
    if isinstance(error, CSRFError):
        return show(FormExpired())
    if isinstance(error, RateLimitExceeded):
        return show(too_often(error))
    if isinstance(error, StorageError):  # Redis went while two requests were counted, of which one had noticed
        return show(RedisAway())
    if isinstance(error, SecurityError):
        # No page: under a name that is not ours nothing of anybody's may be read.
        if for_program():
            return show(UnknownHost())
        return Response(f"{UnknownHost()}\n", error.code, content_type="text/plain")
    if isinstance(error, HTTPException):
        if error.response is not None:
            return error.response  # a redirect
        if error.code == 413:
            largest, refusal = request.max_content_length or 0, (large_request() or (0, TooLarge))[1]
            if request.content_length is not None and request.content_length <= largest:
                largest = request.max_form_memory_size or largest  # one field of a form with files
            return show(refusal(limit=in_bytes(largest)))
        if isinstance(error, MethodNotAllowed):
            response = make_response(show(WrongMethod()))
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        if error.code == 404:
            return show(AddressUnknown() if for_program() else NotThere())
        return show(InputError())
    services().metrics.faults.inc()
    current_app.extensions["log"].error("request broke", endpoint=request.endpoint, exc_info=error)
    return show(InsightError())


def show(error: InsightError) -> Response:
    """The error as every route shows it, for one that has nothing better; says when to come back, if that is known."""
    if isinstance(error, QuotaReached):
        services().metrics.limited.labels("quota").inc()
    response = make_response(_shown(error))
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = error.facts["retry_after"]
    if isinstance(error, MetricsTokenNeeded):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _shown(error: InsightError) -> ResponseReturnValue:
    """The error as whoever asked can read it; a form's text is in the page still, or comes back with it."""
    if for_program():
        as_openai = request.path.startswith("/v1")
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return jsonify(error_object(error, as_openai=as_openai)), status_of(error, as_openai=as_openai), headers
    if isinstance(error, SignInNeeded) and (way := _way_in()) is not None:
        return way
    if from_htmx():
        return notice(error), error.status
    g.tells_an_error = True
    try:
        return render_template("error.html", error=error, reference=_reference(), **_begun(error)), error.status
    except Exception as fault:  # or the server would tell of it, with its message and the address that was asked for
        current_app.extensions["log"].error("error page broke", exc_info=fault)
        return Response(f"{error}\n", error.status, content_type="text/plain; charset=utf-8")


def _reference() -> str:
    """By which whoever runs the server finds the request in the log."""
    return str(request.environ.get(REQUEST_ID, ""))


def _way_in() -> ResponseReturnValue | None:
    """Where who must sign in is led; None where that would lose what they typed: they are told instead."""
    if request.endpoint == "chat.stream":  # htmx repeats a connection that gets anything else for ever
        told = signed_out((request.view_args or {})["answer_id"])
        return streamed(last_events(told), EVENTS)
    if request.method not in ("GET", "HEAD") or current_app.extensions["insight"].settings.auth_mode == "proxy":
        return None
    if from_htmx() and request.blueprint in _WHERE_ONE_TYPES:
        return Response(notice(SignInNeeded()), 401, {"HX-Reswap": "none"})
    if from_htmx():
        return Response(headers={"HX-Redirect": url_for("accounts.sign_in")})
    return redirect(
        url_for("accounts.sign_in", next=request.full_path.rstrip("?") if request.path != "/" else None), 303
    )


def signed_out(answer_id: int) -> str:
    """The last that a page hears of an answer that grows on it: what has it connect again every two seconds is gone."""
    told = swap("#notice", "innerHTML", draw("_notice.html", error=out()))
    return told + swap(f"#a{answer_id}-stream", "delete", "")


def out() -> InsightError:
    """What is told to who may not be here any more; whom a proxy names is out only by their account."""
    return AccountOff() if services().settings.auth_mode == "proxy" else SignedOut()


def notice(error: InsightError) -> str:
    """The error as a swap of the page's notice, with fresh keys for the form that could not be sent."""
    keys = draw("chat/_composer_keys.html", after=_typed("parent"))
    told = swap("#notice", "innerHTML", draw("_notice.html", error=error))
    if isinstance(error, TemporaryOver) and _typed("message"):  # what was typed goes into another one
        composer = render_template("chat/_composer.html", **_begun(error), live_swap=False, told=error)
        return swap("#composer", "outerHTML", composer)
    return told + swap("#composer-keys", "outerHTML", keys)


def _begun(error: InsightError) -> dict[str, object]:
    """What the composer needs to know of a text that could not be sent."""
    is_over = isinstance(error, TemporaryOver)
    action, is_of_temporary = _where()
    return {
        "action": url_for("sending.begin_temporary") if is_over else action,
        "draft": _typed("message"),
        "chosen": [] if is_over else _attached(),
        "model": _typed("model"),
        "after": "" if is_over else _typed("parent"),
        "temporary": is_over or is_of_temporary,
    }


def _where() -> tuple[str, bool]:
    """Where the text can be sent, and whether nothing of it may be kept."""
    try:
        return option_pages.address_to_send(), option_pages.is_of_temporary()
    except HTTPException:  # it is too large to be read
        return request.path, request.path.startswith(("/temporary", f"/c/{TEMPORARY}"))


def _attached() -> Sequence[Attachment]:
    try:
        return typed_along()
    except (HTTPException, DatabaseError, SignInNeeded):
        return ()


def _typed(field: str) -> str:
    """What the form says; what was too large to be read is still in the browser, one step back."""
    try:
        return request.form.get(field, "")
    except HTTPException:
        return ""
