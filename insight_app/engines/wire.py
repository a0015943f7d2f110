"""The wire to a model server: one pooled session, and every failure of the layers below as one of our errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException, RemoteDisconnected

import requests
import urllib3

from insight_app import errors
from insight_app.engines.base import Stop
from insight_app.engines.interruptible import Grip, interruptible_session
from insight_app.errors import EngineError
from insight_app.traceparent import here

CONNECT_SECONDS = 3.0
QUICK_SECONDS = 1.0  # for what a server answers from memory
LINGER_SECONDS = 0.25  # for the last bytes behind the end mark, without which a connection is not used again
MOST_BYTES = 65536
# Of what is no stream, such as a list of models. What is larger, or comes for longer, is nothing of a model server.
LARGEST_BODY, LONGEST_SECONDS = 2**24, 10.0

# Nothing compresses a stream without holding it back.
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)


class Wire:
    """To the server at `url`, which may be silent for `silence_seconds` where it answers a prompt.

    `error_text` reads what the body of a refusal says; `words` are facts that every error gets along.
    """

    def __init__(
        self,
        url: str,
        silence_seconds: float,
        session: requests.Session | None,
        *,
        error_text: Callable[[bytes], str],
        headers: Mapping[str, str] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> None:
        self._address = url.rstrip("/")
        self.url = re.sub(r"//[^/]*@", "//", self._address)  # is shown, so without name and password
        self._silence_seconds = silence_seconds
        self._session = session or interruptible_session()
        self._error_text = error_text
        self._headers = _HEADERS | dict(headers or {})
        self.facts = {"url": self.url, **(words or {})}
        self._composed: dict[tuple[str, str], requests.PreparedRequest] = {}

    def get(self, path: str, grip: Grip) -> tuple[int, bytes]:
        """Status and body of a quick answer; waits a second at most."""
        response = self._ask("GET", path, grip, connect=QUICK_SECONDS, silence=QUICK_SECONDS)
        with closing(response):
            return response.status_code, self._body(response, silence=QUICK_SECONDS)

    def post(self, path: str, grip: Grip, body: bytes) -> requests.Response:
        """The response, its body still to come; refusals too."""
        return self.send("POST", path, grip, body)

    def send(self, method: str, path: str, grip: Grip, body: bytes) -> requests.Response:
        """The same for any method."""
        return self._ask(method, path, grip, connect=CONNECT_SECONDS, silence=self._silence_seconds, body=body)

    def refusal(self, response: requests.Response) -> str:
        """The error text of a response that is not the answer; "" where there is none."""
        with closing(response):
            return self._error_text(self._body(response, silence=self._silence_seconds, most=MOST_BYTES))

    def whole(self, response: requests.Response) -> bytes:
        """The body of a response that is no stream."""
        return self._body(response, silence=self._silence_seconds)

    def read(self, response: requests.Response) -> bytes:
        """What has arrived of the body; waits for the first byte of it; b"" at the end."""
        try:
            # Not iter_lines(), which holds lines back or costs thirty times as much.
            return bytes(response.raw.read1(MOST_BYTES))
        except _FAILURES as problem:
            root, facts = self._facts(problem)
            if isinstance(root, TimeoutError):
                raise errors.EngineSilent(seconds=f"{self._silence_seconds:g}", **facts) from None
            raise errors.AnswerCut(**facts) from None

    def finish(self, response: requests.Response, grip: Grip) -> None:
        """Reads what is left behind the end mark, so that the connection serves again."""
        grip.wait_at_most(LINGER_SECONDS)
        with suppress(*_FAILURES):
            response.raw.read1(MOST_BYTES)

    def _ask(
        self, method: str, path: str, grip: Grip, *, connect: float, silence: float, body: bytes | None = None
    ) -> requests.Response:
        if grip.broken:
            raise errors.AnswerCut(**self.facts, because="stopped")
        try:
            with grip.around():
                return self._session.send(
                    self._request(method, path, body),
                    timeout=(connect, silence),
                    stream=True,
                    allow_redirects=False,  # a prompt goes where it was sent and nowhere else
                )
        except _FAILURES as problem:
            raise self._failed(problem, silence) from None

    def _request(self, method: str, path: str, body: bytes | None) -> requests.PreparedRequest:
        """A request to that path, composed but once: that takes as long as sending it."""
        if (method, path) not in self._composed:
            request = requests.Request(method, self._address + path, headers=self._headers)
            self._composed[method, path] = self._session.prepare_request(request)
        prepared = self._composed[method, path].copy()
        prepared.prepare_body(body, None)
        if traced := here.get():
            prepared.headers["traceparent"] = traced
        return prepared

    def _body(self, response: requests.Response, *, silence: float, most: int = LARGEST_BODY + 1) -> bytes:
        """Its first bytes, `most` of them. Raises EngineBroke where it does not end."""
        until, parts, length = time.monotonic() + max(silence, LONGEST_SECONDS), list[bytes](), 0
        try:
            while length < most and (data := response.raw.read1(min(MOST_BYTES, most - length))):
                parts.append(data)
                length += len(data)
                if length > LARGEST_BODY or time.monotonic() > until:
                    raise errors.EngineBroke(**self.facts, because="a body without an end")
        except _FAILURES as problem:
            raise self._failed(problem, silence) from None
        return b"".join(parts)

    def _failed(self, problem: Exception, silence: float) -> EngineError:
        """What it means where no byte of an answer has come."""
        root, facts = self._facts(problem)
        if isinstance(root, TimeoutError) and not isinstance(problem, requests.ConnectTimeout):
            return errors.EngineSilent(seconds=f"{silence:g}", **facts)
        if isinstance(root, HTTPException) and not isinstance(root, RemoteDisconnected):
            return errors.EngineBroke(**facts)  # something answers there, but it does not speak HTTP
        return errors.EngineUnreachable(**facts)

    def _facts(self, problem: Exception) -> tuple[BaseException, dict[str, str]]:
        # Only the name of its class: the text of an error below may hold what was on the wire.
        root = _root(problem)
        return root, {**self.facts, "because": type(root).__name__}


@contextmanager
def until(stop: Stop) -> Iterator[Grip]:
    """A grip for requests that end when stop is asked, without an error then."""
    grip = Grip()
    forget = stop.then(grip.break_off)
    try:
        yield grip
    except EngineError:
        if not stop.asked:
            raise
    finally:
        forget()


def _root(problem: BaseException) -> BaseException:
    """The first of the errors that led to this one. Not by `__context__`: it may lead out of this request."""
    for inner in (getattr(problem, "reason", None), problem.__cause__, *reversed(problem.args)):
        if isinstance(inner, BaseException):
            return _root(inner)
    return problem
