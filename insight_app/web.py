"""What all routes share: the app's settings, security headers, and every error shown as a page, a fragment or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from flask import (
    Flask,
    Request,
    Response,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import StrictUndefined
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, SecurityError
from werkzeug.formparser import FormDataParser

from insight_app.accounts.guards import for_program, me, recognise, somebody
from insight_app.accounts.proxies import BehindProxies
from insight_app.api.error_objects import error_object, status_of
from insight_app.chat.messages import TEMPORARY
from insight_app.config import Settings
from insight_app.errors import (
    AccountOff,
    AddressUnknown,
    FormExpired,
    InputError,
    InsightError,
    NotThere,
    SignedOut,
    SignInNeeded,
    TemporaryOver,
    TooLarge,
    TooManyRequests,
    TooManyTries,
    UnknownHost,
    WrongMethod,
)
from insight_app.limits import rates
from insight_app.limits.quotas import lasting
from insight_app.rendering import sse
from insight_app.rendering.swaps import swap
from insight_app.services import Services

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The database ends sessions that nobody uses long before.
LONGEST_COOKIE_SECONDS = 365 * 86_400
# In bytes: an address, a password in any script, and the way to go on with.
LARGEST_OF_STRANGERS = 2**16
MOST_FIELDS = 1000  # as Werkzeug has it for the other kind of forms
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
Chunk = TypeVar("Chunk", bytes, str)
csrf = CSRFProtect()


def guarded(events: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same stream; a fault of ours ends it and is logged like any other, not by the server with its message."""
    try:
        yield from events
    except Exception as error:
        services().metrics.faults.inc()
        current_app.extensions["log"].error("stream broke", endpoint=request.endpoint, exc_info=error)


def services() -> Services:
    return cast(Services, current_app.extensions["insight"])


def who() -> str:
    """Who changes something, as the history of changes says it."""
    return me().name


def largest_request(settings: Settings) -> int:
    """In bytes: a prompt of MAX_PROMPT_CHARS fits in any script, and one somewhat longer comes back to its author."""
    return max(4 * 2**20, 12 * settings.max_prompt_chars)


def from_htmx() -> bool:
    """Whether the answer is swapped into a page; otherwise it is a page of its own (no JavaScript, a reload)."""
    return request.headers.get("HX-Request") == "true"


def draw(template: str, **names: object) -> str:
    """A part of a page, told all it needs: to look up what whole pages know would cost as much as drawing it."""
    return current_app.jinja_env.get_template(template).render(names)


def csrf_token() -> str:
    """What shows that a form is of this session; signed but once, for it is good as long as the session is."""
    known = session.get("csrf_token")
    return generate_csrf() if known is None else _signed(known, current_app.secret_key)


@lru_cache(maxsize=1000)
def _signed(_token: str, _secret_key: object) -> str:
    return str(generate_csrf())


def add_settings_page(app: Flask, label: str, endpoint: str, *, for_admins: bool = False) -> None:
    """Puts a page among those of the settings, in the order in which they come."""
    app.extensions["settings_pages"].append((label, endpoint, for_admins))


def settings_pages() -> list[tuple[str, str]]:
    """The pages of the settings that whoever asks may see, as labels and endpoints."""
    person = somebody()
    if person is None:
        return []
    pages = current_app.extensions["settings_pages"]
    return [(label, endpoint) for label, endpoint, for_admins in pages if person.is_admin or not for_admins]


def configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME=f"insight-{settings.app_port}",  # cookies know no ports: two servers would share one
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=LONGEST_COOKIE_SECONDS,
        SESSION_REFRESH_EACH_REQUEST=False,  # a cookie in each response would cost more than the rest of it
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        MAX_CONTENT_LENGTH=largest_request(settings),
        MAX_FORM_MEMORY_SIZE=largest_request(settings),
        # Another site's name that is made to point here (DNS rebinding) must not reach anything.
        TRUSTED_HOSTS=list(settings.hosts),
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
    )
    app.request_class = _KeptInMemory
    pages: list[tuple[str, str, bool]] = []
    app.extensions["settings_pages"] = pages
    app.session_interface = _Sessions(app)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["settings_pages"] = settings_pages
    app.jinja_env.globals["somebody"] = somebody
    app.jinja_env.globals["somebody_signs_in"] = settings.auth_mode in ("accounts", "oidc")
    app.before_request(_expect_our_name)
    app.before_request(recognise)  # before all else: who is not signed in shall hear that, and not of an old form
    app.before_request(_expect_little_of_strangers)  # before the guard against other sites, which reads the form
    csrf.init_app(app)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.context_processor(lambda: {"csrf_token": csrf_token})  # after the extension's own
    app.wsgi_app = BehindProxies(_KnownMethods(app.wsgi_app), settings.trusted_proxies)  # type: ignore[method-assign]
    app.after_request(_secure)
    app.register_error_handler(InsightError, _show)
    app.register_error_handler(Exception, _translate)


def _expect_our_name() -> None:
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception


def _expect_little_of_strangers() -> None:
    if somebody() is None:
        request.max_content_length = LARGEST_OF_STRANGERS


class _FewFields(FormDataParser):
    """Takes no form apart that has countless fields: nothing else goes on while that is done."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        if mimetype == "application/x-www-form-urlencoded":
            body = stream.read()
            if body.count(b"&") >= MOST_FIELDS:
                raise BadRequest
            stream = BytesIO(body)
        return super().parse(stream, mimetype, content_length, options)


class _KeptInMemory(Request):
    """A request whose files are read into memory (its size is limited): Flask would put large ones on the disk."""

    form_data_parser_class = _FewFields

    def _get_file_stream(self, *_of: object, **_what: object) -> BytesIO:
        return BytesIO()


class _Sessions(SecureCookieSessionInterface):
    """Cookies that hold whatever the clock says: one that was set back would refuse all open pages.

    Those of a person who signed in outlive their browser; whether they still hold, the database knows. A browser sends
    the same cookie with each request, so what the last ones say is kept, as is who reads them.
    """

    def __init__(self, app: Flask) -> None:
        self._serializer = super().get_signing_serializer(app)
        assert self._serializer, "there is a SECRET_KEY"
        self._read = lru_cache(maxsize=1000)(self._serializer.loads)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return self._serializer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        try:
            return SecureCookieSession(self._read(request.cookies.get(self.get_cookie_name(app), "")))
        except BadSignature:
            return SecureCookieSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Says nothing of cookies with what is the same for everybody and may be kept by anybody."""
        if not response.cache_control.public:
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Over TLS the cookie is never sent without it."""
        return request.is_secure


class _KnownMethods:
    """Answers an invented method itself: in the metrics each would be a series of its own, for ever."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in METHODS:
            return self._app(environ, start_response)
        return Response("This server does not know such a request.\n", 501)(environ, start_response)


def _secure(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return rates.tell(response) if for_program() else response


def _expect_our_name() -> None:
    """Raises SecurityError; before anybody is led to sign in, for which there would be no address."""
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception


def _translate(error: Exception) -> ResponseReturnValue:
    """Anything that a library, the framework or a fault of ours raised, as one of our own errors."""
    if isinstance(error, CSRFError):
        return _show(FormExpired())
    if isinstance(error, RateLimitExceeded):
        is_door = error.limit is not None and str(error.limit.scope).startswith(rates.SIGNING_IN)
        kind = TooManyTries if is_door else TooManyRequests
        seconds = rates.seconds_left()
        return _show(kind(retry_after=seconds, wait=lasting(seconds)))
    if isinstance(error, SecurityError):
        # No page: under a name that is not ours nothing of anybody's may be read.
        if for_program():
            return _show(UnknownHost())
        return Response(f"{UnknownHost()}\n", error.code, content_type="text/plain")
    if isinstance(error, HTTPException):
        if error.response is not None:
            return error.response  # a redirect
        if error.code == 413:
            largest = request.max_content_length or 0
            return _show(TooLarge(limit=f"{largest // 2**20} MB" if largest >= 2**20 else f"{largest // 2**10} KB"))
        if isinstance(error, MethodNotAllowed):
            response = make_response(_show(WrongMethod()))
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        if error.code == 404:
            return _show(AddressUnknown() if for_program() else NotThere())
        return _show(InputError())
    services().metrics.faults.inc()
    current_app.extensions["log"].error("request broke", endpoint=request.endpoint, exc_info=error)
    return _show(InsightError())


def _show(error: InsightError) -> ResponseReturnValue:
    """The error as a response, which says when to come back where that is known."""
    response = make_response(_shown(error))
    if "retry_after" in error.facts:
        response.headers["Retry-After"] = error.facts["retry_after"]
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
        return render_template("error.html", error=error, **_begun(error)), error.status
    except Exception as fault:  # or the server would tell of it, with its message and the address that was asked for
        current_app.extensions["log"].error("error page broke", exc_info=fault)
        return Response(f"{error}\n", error.status, content_type="text/plain; charset=utf-8")


def _way_in() -> ResponseReturnValue | None:
    """Where who must sign in is led; None where that would lose what they typed: they are told instead."""
    if request.endpoint == "chat.stream":  # htmx repeats a connection that gets anything else for ever
        told = signed_out((request.view_args or {})["answer_id"])
        return Response((sse.event(told), sse.event("", name="done")), content_type="text/event-stream; charset=utf-8")
    if request.method not in ("GET", "HEAD") or current_app.extensions["insight"].settings.auth_mode == "proxy":
        return None
    if from_htmx() and request.blueprint in ("chat", "library"):  # what is typed there stays
        return Response(notice(SignInNeeded()), 401, {"HX-Reswap": "none"})
    if from_htmx():
        return Response(headers={"HX-Redirect": url_for("accounts.sign_in")})
    return redirect(
        url_for("accounts.sign_in", next=request.full_path.rstrip("?") if request.path != "/" else None), 303
    )


def signed_out(answer_id: int) -> str:
    """The last that a page hears of an answer that grows on it: what has it connect again every two seconds is gone."""
    # Whom a proxy names is out only by their account.
    error = AccountOff() if services().settings.auth_mode == "proxy" else SignedOut()
    return swap("#notice", "innerHTML", draw("_notice.html", error=error)) + swap(f"#a{answer_id}-stream", "delete", "")


def show(error: InsightError) -> ResponseReturnValue:
    """The error as every route shows it, for one that has nothing better."""
    return _show(error)


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
    return {
        "action": url_for("chat.begin_temporary") if is_over else request.path,
        "draft": _typed("message"),
        "model": _typed("model"),
        "after": "" if is_over else _typed("parent"),
        "temporary": is_over or request.path.startswith(("/temporary", f"/c/{TEMPORARY}")),
    }


def _typed(field: str) -> str:
    """What the form says; what was too large to be read is still in the browser, one step back."""
    try:
        return request.form.get(field, "")
    except HTTPException:
        return ""
