"""An Ollama on a real loopback socket that says what a test scripted, when it says, and breaks where it says.

A script is a list of steps: a text is a piece of the answer, bytes go out as they are, anything else is a
function of the answer. Headers leave with the first byte, so a gate in front of it is a model that loads. A
script that does not end the answer itself is ended as Ollama does.

    with ScriptedOllama() as ollama:
        opened = threading.Event()
        answer = ollama.script("Hello", gate(opened), " world")
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TEXT = "# Hello\n\nThis is **scripted**:\n\n```python\nprint('one')\n```\n\n- first\n- second\n"
WEIGHTS, LICENCE = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class Ended(Exception):
    """The answer is over, one way or the other; nothing more is to be sent."""


@dataclass(frozen=True)
class Request:
    """One request as it came. `connection` counts the sockets that were accepted, from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int


class Answer:
    """One answer: its script, and what became of it."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.steps = list(steps)
        self.request: Request
        self.asked = threading.Event()  # the request is here
        self.client_gone = threading.Event()  # it closed its socket, at whatever step
        self.over = threading.Event()  # nothing of the script will happen any more
        self.headers_sent = False
        self.finished = False  # whole, so that the connection may be used again
        self.chunked = True
        self.model = ""
        self.server: ScriptedOllama
        self.socket: socket.socket

    def send(self, data: bytes) -> None:
        """Sends `data` as one chunk, after the headers."""
        self.send_headers()
        self.send_raw(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def send_line(self, **said: Any) -> None:
        said = {"model": self.model, "created_at": "2026-11-22T00:00:00Z", **said}
        self.send(json.dumps(said).encode() + b"\n")

    def send_headers(self) -> None:
        if self.headers_sent:
            return
        self.headers_sent = True
        length = b"Transfer-Encoding: chunked" if self.chunked else b"Connection: close"
        kind = self.server.kind.encode()
        self.send_raw(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n\r\n" % (kind, length))

    def send_whole(self, code: int, body: bytes, kind: str = "application/json; charset=utf-8") -> None:
        """A response that is no stream, with its length said first."""
        head = f"HTTP/1.1 {code} {REASONS.get(code, 'Whatever')}\r\nContent-Type: {kind}\r\n"
        self.headers_sent = self.finished = True
        self.send_raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def send_raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            self.client_gone.set()
            raise Ended from None

    def finish(self) -> None:
        """The end of the body, as HTTP has it."""
        self.send_headers()
        if self.chunked:
            self.send_raw(b"0\r\n\r\n")
        self.finished = self.chunked

    def wait(self, opened: threading.Event) -> None:
        while not opened.wait(0.005):
            if self.client_gone.is_set() or self.server.closed.is_set():
                raise Ended


Step = str | bytes | Callable[[Answer], None]


def thinking(text: str) -> Step:
    return line(message={"role": "assistant", "content": "", "thinking": text}, done=False)


def line(**said: Any) -> Step:
    """A line of one's own."""
    return lambda answer: answer.send_line(**said)


def headers(answer: Answer) -> None:
    """Sends the headers before there is anything to say."""
    answer.send_headers()


def gate(opened: threading.Event) -> Step:
    """Goes on when the test opens it, or ends when the client has gone."""
    return lambda answer: answer.wait(opened)


def silence(answer: Answer) -> None:
    """Says nothing until the client goes."""
    answer.wait(threading.Event())


def done(**said: Any) -> Step:
    """The end mark, with counts and durations unless others are given; None leaves one out."""
    counts = {
        "done_reason": "stop",
        "total_duration": 3_000_000_000,
        "load_duration": 500_000_000,
        "prompt_eval_count": 12,
        "prompt_eval_duration": 250_000_000,
        "eval_count": 34,
        "eval_duration": 2_000_000_000,
    }
    said = {"message": {"role": "assistant", "content": ""}, **counts, **said}
    said = {name: value for name, value in said.items() if value is not None}

    def end(answer: Answer) -> None:
        answer.send_line(**said, done=True)
        answer.finish()
        raise Ended

    return end


def fetching(digest: str, total: int, completed: int = 0) -> Step:
    """A line of /api/pull, as Ollama writes one every 60 ms; it leaves out what is 0."""
    here = {"completed": completed} if completed else {}
    return lambda answer: answer.send(
        json.dumps({"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, **here}).encode() + b"\n"
    )


def telling(status: str) -> Step:
    """Another line of /api/pull."""
    return json.dumps({"status": status}).encode() + b"\n"


def pulled(answer: Answer) -> None:
    """The lines behind the last part of a model, which is there then."""
    for said in ("verifying sha256 digest", "writing manifest", "success"):
        if said == "success" and answer.server.keeps_what_is_pulled and answer.model not in answer.server.models:
            answer.server.models.append(answer.model)
        answer.send(json.dumps({"status": said}).encode() + b"\n")
    answer.finish()
    raise Ended


def error(text: Any) -> Step:
    """The error line that ends a stream."""

    def end(answer: Answer) -> None:
        answer.send(json.dumps({"error": text}).encode() + b"\n")
        answer.finish()
        raise Ended

    return end


def status(code: int, body: Any = None, kind: str = "application/json; charset=utf-8") -> Step:
    """A refusal before any byte of an answer; `body` as JSON, or bytes as they are."""

    def end(answer: Answer) -> None:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer.send_whole(code, sent, kind)
        raise Ended

    return end


def closed(answer: Answer) -> None:
    """The body ends as HTTP has it, without an end mark of Ollama's unless there was one."""
    answer.finish()
    raise Ended


def cut(answer: Answer) -> None:
    """The connection closes in the middle of the body."""
    raise Ended


def reset(answer: Answer) -> None:
    """The connection is torn down, as by a crash."""
    answer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Ended


def raw(data: bytes) -> Step:
    """Bytes on the wire, without chunk or headers."""

    def send(answer: Answer) -> None:
        answer.headers_sent = True
        answer.send_raw(data)

    return send


class ScriptedOllama:
    """The server; listens from its making until `close()`, each connection in a thread of its own.

    `replies` are what single models say to whatever they are asked, by name: a function of the request's body that
    gives a script. `models`, `loaded` (by default all of them), `capabilities` (by model; None: like older servers, it
    does not say), `remote` (the models that run elsewhere) and `context` may be changed at any time. `chunked=False`
    closes the connection at the end of each answer instead of sending chunks. A server of another protocol overrides
    `chat_path`, `_say`, `_mark`, `_about_missing` and `_pages`.
    """

    keeps_what_is_pulled = True
    chat_path = "/api/chat"
    kind = "application/x-ndjson"

    def __init__(
        self,
        *,
        models: Iterable[str] = ("llama3.2:latest",),
        loaded: Iterable[str] | None = None,
        capabilities: dict[str, list[str] | None] | None = None,
        remote: Iterable[str] = (),
        chunked: bool = True,
        port: int = 0,
    ) -> None:
        self.models = list(models)
        self.loaded = list(self.models if loaded is None else loaded)
        self.capabilities = capabilities or {}
        self.remote = set(remote)
        self.context = 4096
        self.chunked = chunked
        self.requests: list[Request] = []
        self.answers: list[Answer] = []  # to /api/chat, in the order in which they were asked for
        self.connections = 0
        self.closed = threading.Event()
        self.replies: dict[str, Callable[[Any], Iterable[Step]]] = {}
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> ScriptedOllama:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def script(self, *steps: Step, path: str = "") -> Answer:
        """What the next request to `path` without a script of its own will get."""
        answer = Answer(steps)
        with self._lock:
            self._scripts[path or self.chat_path].append(answer)
        return answer

    def chats(self) -> list[Any]:
        """The bodies that chats were asked with."""
        return [request.body for request in self.requests if request.path == self.chat_path]

    def talks(self) -> list[list[Any]]:
        """The messages that chats were asked with, without a system prompt."""
        return [[turn for turn in chat["messages"] if turn["role"] != "system"] for chat in self.chats()]

    def close(self) -> None:
        """Ends every answer and refuses connections from here on."""
        self.closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or accept() would hold the port until one more comes
        self._listener.close()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
                self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        try:
            with suppress(OSError):
                while (request := _read_request(reader, number)) is not None:
                    if not self._answer(request, connection):
                        return
        finally:
            with self._lock:
                self._open.discard(connection)
            reader.close()
            connection.close()

    def _answer(self, request: Request, connection: socket.socket) -> bool:
        """Whether the connection may be used again."""
        with self._lock:
            body = request.body if isinstance(request.body, dict) else {}
            reply = self.replies.get(body.get("model", ""))
            scripts = self._scripts[request.path]
            answer = Answer(reply(body)) if reply else scripts.popleft() if scripts else Answer([])
            self.requests.append(request)
            if request.path == self.chat_path and not reply:
                self.answers.append(answer)
        answer.request, answer.server, answer.socket = request, self, connection
        answer.chunked = self.chunked
        answer.model = request.body.get("model", "") if isinstance(request.body, dict) else ""
        answer.asked.set()
        with _Watch(answer):
            try:
                for step in answer.steps or self._unscripted(answer):
                    self._perform(step, answer)
                self._end(answer)
            except Ended:
                pass
        answer.over.set()
        return answer.finished and not answer.client_gone.is_set()

    def _perform(self, step: Step, answer: Answer) -> None:
        if isinstance(step, str):
            self._say(answer, step)
        elif isinstance(step, bytes):
            answer.send(step)
        else:
            step(answer)

    def _say(self, answer: Answer, text: str) -> None:
        answer.send_line(message={"role": "assistant", "content": text}, done=False)

    def _mark(self) -> Step:
        """The end of an answer."""
        return done()

    def _about_missing(self, model: str) -> Any:
        return {"error": f"model '{model}' not found"}

    def _unscripted(self, answer: Answer) -> list[Step]:
        if answer.request.path == "/api/pull":
            return [telling("pulling manifest"), fetching(WEIGHTS, 1000, 1000), fetching(LICENCE, 10, 10), pulled]
        if answer.request.path == "/api/delete":
            return [self._remove]
        if answer.request.path != self.chat_path:
            return []
        known = {name.removesuffix(":latest") for name in self.models}
        if answer.model.removesuffix(":latest") in known:
            return [TEXT]
        return [status(404, self._about_missing(answer.model))]

    def _remove(self, answer: Answer) -> None:
        if answer.model not in self.models:
            self._perform(status(404, self._about_missing(answer.model)), answer)
        self.models.remove(answer.model)
        self.loaded[:] = [name for name in self.loaded if name != answer.model]
        self._perform(status(200), answer)

    def _end(self, answer: Answer) -> None:
        if answer.request.path == self.chat_path:
            self._perform(self._mark(), answer)
        reply = self._pages(answer).get(answer.request.path)
        self._perform(status(200, reply()) if reply else status(404, b"404 page not found"), answer)

    def _pages(self, answer: Answer) -> dict[str, Callable[[], Any]]:
        """What else there is, by its path."""
        return {
            "/api/version": lambda: {"version": "0.12.0"},
            "/api/tags": lambda: {"models": [self._about(name) for name in self.models]},
            "/api/ps": lambda: {
                "models": [{**self._about(name), "context_length": self.context} for name in self.loaded]
            },
            "/api/show": lambda: self._about(answer.model),
        }

    def _about(self, name: str) -> dict[str, Any]:
        about: dict[str, Any] = {
            "name": name,
            "model": name,
            "size": 4_000_000_000,
            "details": {"parameter_size": "8.0B", "quantization_level": "Q4_K_M"},
        }
        capabilities = self.capabilities.get(name, ["completion"])
        if capabilities is not None:
            about["capabilities"] = capabilities
        if name in self.remote:
            about |= {"remote_host": "https://ollama.com:443", "remote_model": name}
        return about


class _Watch:
    """Sets `client_gone` as soon as the client closes: nothing else comes from it while it is being answered."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._theirs.close()
        self._thread.join()
        self._ours.close()

    def _look(self) -> None:
        ready, _, _ = select.select([self._answer.socket, self._ours], [], [])
        if self._answer.socket in ready:
            with suppress(OSError):
                if self._answer.socket.recv(1, socket.MSG_PEEK):
                    return  # the next request: this one was over for the client
            self._answer.client_gone.set()


def _read_request(reader: Any, number: int) -> Request | None:
    first = reader.readline()
    if not first:
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    found: dict[str, str] = {}
    while (entry := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = entry.partition(":")
        found[name.strip().lower()] = value.strip()
    body = reader.read(int(found.get("content-length", "0")))
    return Request(method, path, found, json.loads(body) if body else None, number)
