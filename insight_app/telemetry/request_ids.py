"""Each request has a name, so that whoever was told it finds every line that the log has about it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bind_contextvars, get_contextvars

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# In the environment of a request.
REQUEST_ID = "insight.request_id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")


class NamedRequests:
    """The app, with a name for each request: in its environment, in the response, and in all lines of the log.

    X-Request-ID is believed where it is still there: behind a known proxy (accounts/proxies.py).
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        said = environ.get("HTTP_X_REQUEST_ID", "")
        name = said if _WELL_FORMED.fullmatch(said) else secrets.token_hex(8)
        environ[REQUEST_ID] = name
        bind_contextvars(request_id=name)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Request-ID", name)], exc_info)

        return self._app(environ, start)


def in_its_name(work: Callable[..., None]) -> Callable[..., None]:
    """`work` for a thread of its own, whose lines have the name of the request that begins it, if one does."""
    name = get_contextvars().get("request_id")

    def named(*arguments: object) -> None:
        if name:
            bind_contextvars(request_id=name)
        work(*arguments)

    return named
