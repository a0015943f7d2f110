"""Who waits for answers: straight at the source, and at the product as browsers and programs do; cheap, all of them.

They note the moment they asked, the moment the first text was there, and the moment of the end.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import ssl
import time
import urllib.request
from http.cookies import SimpleCookie
from urllib.parse import urlencode

TAGS = re.compile(rb"<[^>]*>")
STREAM_URL = re.compile(rb'hx-sse:connect="([^"]*)"')
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
LOCATION = re.compile(rb"(?i)\r\nlocation: *(\S+)")
CONTENT = re.compile(rb'"content":"[^"]')
FIELD = re.compile(r'name="csrf_token" value="([^"]*)"')


class Client(asyncio.Protocol):
    """One answer, from the request to its end. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.asked = self.first = self.ended = 0.0
        self.received = 0  # bytes of the stream
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.asked = time.monotonic()
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the answer was cut"))

    def ask(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.ended = time.monotonic()
        self.over.set_result(None)
        self.transport.close()


class Direct(Client):
    """Asks the source itself."""

    def ask(self) -> None:
        body = json.dumps({"model": "paced:latest", "messages": [{"role": "user", "content": "Go"}]}).encode()
        self.transport.write(b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self.first and b'"content"' in data:
            self.first = time.monotonic()
        if data.endswith(b"0\r\n\r\n"):
            self.end()


class Program(Client):
    """Streams an answer at /v1, as OpenAI's clients do."""

    def __init__(self) -> None:
        super().__init__()
        self._unread = b""

    def ask(self) -> None:
        body = json.dumps({"model": "", "stream": True, "messages": [{"role": "user", "content": "Go"}]}).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self.transport.write(head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._unread = self._unread[-32:] + data
        if not self.first and CONTENT.search(self._unread):
            self.first = time.monotonic()
        if b"data: [DONE]\n" in self._unread:
            self.end()


class Visit:
    """A browser that has opened the first page: its cookie and what its form carries."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        with urllib.request.urlopen(url, context=tls) as response:
            cookies = SimpleCookie(response.headers["Set-Cookie"])
            found = FIELD.search(response.read().decode())
        assert found, "the page has no form"
        self.token = found[1]
        self.cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        self.host = url.partition("//")[2]
        self.url = url
        self._sent = 0
        self._own = secrets.token_hex(4)  # two visits send two prompts, not one twice

    def post(self, path: str, *headers: str) -> bytes:
        """The form, sent as another prompt each time."""
        self._sent += 1
        form = {
            "csrf_token": self.token,
            "key": f"{self._own}-{self._sent}",
            "message": "Tell me something.",
            "model": "",
        }
        body = urlencode(form)
        about = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}")
        return self._request("POST", path, *about, *headers, body=body)

    def get(self, path: str, *headers: str) -> bytes:
        return self._request("GET", path, *headers)

    def _request(self, method: str, path: str, *headers: str, body: str = "") -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}",
            f"Cookie: {self.cookie}",
            f"Referer: {self.url}/",
            *headers,
            "",
            body,
        ]
        return "\r\n".join(lines).encode()


class Follower(Client):
    """Sends the form and follows the stream that names itself in what comes back.

    The first prompt of a conversation makes its page, which is opened then; a next one (with `conversation`, the
    page's path) brings its answer's article into the page that is open.
    """

    def __init__(self, visit: Visit, conversation: str = "") -> None:
        super().__init__()
        self.conversation = conversation
        self._visit = visit
        self._expects = self._opened if conversation else self._begun
        self._unread = b""

    def ask(self) -> None:
        if self.conversation:
            self.transport.write(self._visit.post(f"{self.conversation}/messages", "HX-Request: true"))
        else:
            self.transport.write(self._visit.post("/messages"))

    def data_received(self, data: bytes) -> None:
        self._expects(data)

    def _begun(self, data: bytes) -> None:
        if (whole := self._whole(data)) is not None:
            location = LOCATION.search(whole)
            assert location, whole
            self.conversation = location[1].decode()
            self._expects = self._opened
            self.transport.write(self._visit.get(self.conversation))

    def _opened(self, data: bytes) -> None:
        if (whole := self._whole(data)) is None:
            return
        assert b'data-part="answer"' in whole, whole
        answer = whole.rpartition(b'data-part="answer">')[2].partition(b'<div class="live"')[0]
        if TAGS.sub(b"", answer).strip():
            self.first = time.monotonic()
        stream = STREAM_URL.findall(whole)
        if not stream:  # a short answer, which was over before its page came
            self.end()
            return
        self._expects = self._followed
        self.transport.write(self._visit.get(stream[-1].decode(), "Accept: text/event-stream"))

    def _followed(self, data: bytes) -> None:
        self.received += len(data)
        if not self.first and b"-answer" in data:
            self.first = time.monotonic()
        # Kept from read to read: the mark may be cut anywhere.
        self._unread = self._unread[-32:] + data
        if b"event: done\n" in self._unread:
            self.end()

    def _whole(self, data: bytes) -> bytes | None:
        """The response, once all of it is here."""
        self._unread += data
        head, end, body = self._unread.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return None
        whole, self._unread = self._unread, b""
        return whole
