"""How requests come in and cookies go out: what Flask does otherwise than is wanted here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_FIELDS = 1000  # as Werkzeug has it for the other kind of forms
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


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


class KeptInMemory(Request):
    """A request whose files are read into memory (its size is limited): Flask would put large ones on the disk."""

    form_data_parser_class = _FewFields

    def _get_file_stream(self, *_of: object, **_what: object) -> BytesIO:
        return BytesIO()


class Sessions(SecureCookieSessionInterface):
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


class KnownMethods:
    """Answers an invented method itself: in the metrics each would be a series of its own, for ever."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in METHODS:
            return self._app(environ, start_response)
        return Response("This server does not know such a request.\n", 501)(environ, start_response)
