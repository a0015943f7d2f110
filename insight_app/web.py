"""What all routes share: the app's settings, its security headers, and what their code asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar, cast

from flask import (
    Flask,
    Response,
    current_app,
    request,
    session,
    stream_with_context,
)
from flask_wtf.csrf import CSRFProtect, generate_csrf
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import SecurityError

from insight_app.accounts.guards import for_program, me, recognise, somebody
from insight_app.accounts.proxies import BehindProxies
from insight_app.config import Settings
from insight_app.errors import InsightError, TooLarge
from insight_app.incoming import KeptInMemory, KnownMethods, Sessions
from insight_app.languages import direction, language
from insight_app.limits import rates
from insight_app.services import Services
from insight_app.telemetry.request_ids import NamedRequests
from insight_app.words import _

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
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
# The database ends sessions that nobody uses long before.
LONGEST_COOKIE_SECONDS = 365 * 86_400
# In bytes: an address, a password in any script, and the way to go on with.
LARGEST_OF_STRANGERS = 2**16
# For proxies: each piece is for somebody who waits for it.
NOT_HELD_BACK = {"X-Accel-Buffering": "no"}
NOR_PACKED = {**NOT_HELD_BACK, "Cache-Control": "no-store, no-transform"}
EVENTS = "text/event-stream; charset=utf-8"
# A new chat and a conversation, with all that they may include.
OF_FIRST_PAGES = ("base", "_", "chat/_", "chat/home", "chat/conversation", "library/_engine", "library/_models")
Chunk = TypeVar("Chunk", bytes, str)
csrf = CSRFProtect()


def streamed(pieces: Iterator[Chunk], kind: str, headers: Mapping[str, str] = NOT_HELD_BACK) -> Response:
    """A response that is sent as it is made. A fault of ours ends it, and is logged like any other."""
    return Response(stream_with_context(_guarded(pieces)), content_type=kind, headers=dict(headers))


def _guarded(pieces: Iterator[Chunk]) -> Iterator[Chunk]:
    """The server itself would log a fault with its message."""
    try:
        yield from pieces
    except Exception as error:
        services().metrics.faults.inc()
        current_app.extensions["log"].error("stream broke", endpoint=request.endpoint, exc_info=error)


def as_file(pieces: Iterator[Chunk], kind: str, name: str) -> Response:
    """A file for the browser to keep."""
    return streamed(pieces, kind, {"Content-Disposition": f'attachment; filename="{name}"'})


def services() -> Services:
    return cast(Services, current_app.extensions["insight"])


def who() -> str:
    """Who changes something, as the history of changes says it."""
    return me().name


def largest_request(settings: Settings) -> int:
    """In bytes: a prompt of MAX_PROMPT_CHARS fits in any script, and one somewhat longer comes back to its author."""
    return max(4 * 2**20, 12 * settings.max_prompt_chars)


def largest_with_files(settings: Settings) -> int:
    """The same where files may come along."""
    return largest_request(settings) + 2 * settings.max_attachment_mb * 2**20


def largest_with_pictures(settings: Settings) -> int:
    """The same of JSON, where each byte of a picture takes four thirds."""
    return largest_request(settings) + 2 * settings.max_attachment_mb * 2**20 * 4 // 3


def from_htmx() -> bool:
    """Whether the answer is swapped into a page; otherwise it is a page of its own (no JavaScript, a reload)."""
    return request.headers.get("HX-Request") == "true"


def draw(template: str, **names: object) -> str:
    """A part of a page, told all it needs: to look up what whole pages know would cost as much as drawing it."""
    return current_app.jinja_env.get_template(template).render(names)


def drawn_once() -> Callable[..., Markup]:
    """`draw` for parts that are the same on every page of a language."""

    @lru_cache(maxsize=100)
    def drawn(template: str, names: tuple[tuple[str, object], ...], *_of: str) -> Markup:
        return Markup(draw(template, **dict(names)))

    return lambda template, **names: drawn(template, tuple(names.items()), language(), request.script_root)


def ready_for_pages(app: Flask) -> Iterator[str]:
    """Makes ready, a part at a time, what the first pages of all would make: that takes ten times as long as a page."""
    yield direction()  # for which Babel reads what is known of English
    for name in app.jinja_env.list_templates(filter_func=lambda name: name.startswith(OF_FIRST_PAGES)):
        app.jinja_env.get_template(name)
        yield name


def csrf_token() -> str:
    """What shows that a form is of this session; signed but once, for it is good as long as the session is."""
    if "csrf_token" not in session:
        generate_csrf()
    return _signed(session["csrf_token"], current_app.secret_key)


@lru_cache(maxsize=1000)
def _signed(_token: str, _secret_key: object) -> str:
    return str(generate_csrf())


def allow_large(
    app: Flask,
    endpoint: str,
    largest: int,
    refusal: type[InsightError] = TooLarge,
    *,
    kind: str = "multipart/form-data",
) -> None:
    """Lets somebody who is signed in send a file of so many bytes there, or files; `refusal` is told of larger ones.

    They come in a form or, where `kind` says so, in JSON.
    """
    app.extensions["large_requests"][endpoint, kind] = largest, refusal


def large_request() -> tuple[int, type[InsightError]] | None:
    """How large what is asked may be, and what is told of larger ones; None: no larger than everything."""
    known: dict[tuple[str | None, str], tuple[int, type[InsightError]]] = current_app.extensions["large_requests"]
    return known.get((request.endpoint, request.mimetype))


def add_settings_page(app: Flask, label: str, endpoint: str, *, for_admins: bool = False) -> None:
    """Puts a page among those of the settings, in the order in which they come."""
    app.extensions["settings_pages"].append((label, endpoint, for_admins))


def settings_pages() -> list[tuple[str, str]]:
    """The pages of the settings that whoever asks may see, as labels and endpoints."""
    person = somebody()
    if person is None:
        return []
    pages = current_app.extensions["settings_pages"]
    return [(_(label), endpoint) for label, endpoint, for_admins in pages if person.is_admin or not for_admins]


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
    app.request_class = KeptInMemory
    pages: list[tuple[str, str, bool]] = []
    app.extensions["settings_pages"] = pages
    large: dict[tuple[str, str], tuple[int, type[InsightError]]] = {}
    app.extensions["large_requests"] = large
    app.session_interface = Sessions(app)
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["same"] = drawn_once()
    app.jinja_env.globals["settings_pages"] = settings_pages
    app.jinja_env.globals["somebody"] = somebody
    app.jinja_env.globals["somebody_signs_in"] = settings.auth_mode in ("accounts", "oidc")
    app.before_request(_expect_our_name)
    app.before_request(recognise)  # before all else: who is not signed in shall hear that, and not of an old form
    app.before_request(_expect_no_more)  # before the guard against other sites, which reads the form
    csrf.init_app(app)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.context_processor(lambda: {"csrf_token": csrf_token})  # after the extension's own
    app.wsgi_app = BehindProxies(NamedRequests(KnownMethods(app.wsgi_app)), settings.trusted_proxies)  # type: ignore[method-assign]
    app.after_request(_secure)


def _expect_our_name() -> None:
    """Raises SecurityError; before anybody is led to sign in, for which there would be no address."""
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception


def _expect_no_more() -> None:
    """Little of strangers, and files only where they belong; what says that it is larger is not read at all."""
    if somebody() is None:
        request.max_content_length = LARGEST_OF_STRANGERS
    elif allowed := large_request():
        request.max_content_length = allowed[0]


def _secure(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return rates.tell(response) if for_program() else response
