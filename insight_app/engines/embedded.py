"""The built-in engine: the small model behind Ollama's protocol, in a process that ends with its parent.

    python -m insight_app.engines.embedded --port 11435

It keeps that protocol so closely that the rest of the product knows only one engine. It listens to this
machine alone, answers no web page (Host, Origin), and writes no prompt and no answer anywhere.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from insight_app.engines.embedded_model import CONTEXT, NAME, Ending, Gone, Model, TooLong, Unsuited, weights
from insight_app.engines.embedded_request import Refusal, asked_of_us, choices_of, messages_of

LARGEST_REQUEST = 32 * 1024 * 1024  # bytes
QUIET = 300  # seconds after which a connection without a request is closed

ABOUT: dict[str, Any] = {
    "details": {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
    },
    "capabilities": ["completion"],
}


class Ollama(BaseHTTPRequestHandler):
    """One connection that speaks Ollama's protocol, as far as a chat needs it."""

    model: Model
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = QUIET

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        routes: dict[str, tuple[str, Callable[[bytes], None]]] = {
            "/": ("GET", lambda _: self._send(200, b"Ollama is running", "text/plain")),
            "/api/version": ("GET", lambda _: self._send_json({"version": "0.0.0-embedded"})),
            "/api/tags": ("GET", lambda _: self._send_json({"models": self._installed()})),
            "/api/ps": ("GET", lambda _: self._send_json({"models": self._running()})),
            "/api/show": ("POST", self._show),
            "/api/chat": ("POST", self._chat),
        }
        method, action = routes.get(urlsplit(self.path).path, ("", None))
        try:
            body = self._body()
            if not self._is_from_this_machine():
                self._send(403, b"")
            elif action is None:
                self._send(404, b"404 page not found")
            elif method != self.command.replace("HEAD", "GET"):
                self._send(405, b"405 method not allowed")
            else:
                action(body)
        except Refusal as refusal:
            self._send_json({"error": str(refusal)}, refusal.status)
        except (Gone, OSError):
            self.close_connection = True

    def _is_from_this_machine(self) -> bool:
        """Web pages are not, be it under a name made to point here (DNS rebinding) or from their origin."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        return host in ("127.0.0.1", "localhost", "::1") and "Origin" not in self.headers

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True  # what was sent stays unread
            raise Refusal(400, "http: request body too large")
        return self.rfile.read(int(length))

    def _installed(self) -> list[dict[str, Any]]:
        if not self.model.ready.is_set():
            return []
        file = weights().stat()
        changed = datetime.fromtimestamp(file.st_mtime, timezone.utc).isoformat()
        return [{"name": NAME, "model": NAME, "modified_at": changed, "size": file.st_size, **ABOUT}]

    def _running(self) -> list[dict[str, Any]]:
        never = "2318-01-01T00:00:00Z"  # as Ollama writes it for keep_alive -1
        more = {"expires_at": never, "size_vram": 0, "context_length": CONTEXT}
        return [{**model, **more} for model in self._installed()]

    def _show(self, body: bytes) -> None:
        asked_of_us(body)
        info = {"general.architecture": "llama", "llama.context_length": CONTEXT}
        self._send_json({"license": "Apache-2.0", "model_info": info, **ABOUT})

    def _chat(self, body: bytes) -> None:
        asked = asked_of_us(body)
        messages, choices = messages_of(asked), choices_of(asked)
        for what, name in (("think", "thinking"), ("tools", "tools")):
            if asked.get(what):
                raise Refusal(400, f'"{NAME}" does not support {name}')
        if not messages:
            self._send_json(_message("", done=True, done_reason="unload" if asked.get("keep_alive") == 0 else "load"))
            return
        reply = _Reply(self, in_lines=asked.get("stream") is not False)
        while not self.model.ready.wait(timeout=0.1):
            if reply.gone():
                raise Gone
        reply.loaded = time.monotonic_ns()
        try:
            reply.end(self.model.answer(messages, choices, reply, forgetting=asked.get("truncate") is not False))
        except TooLong:
            raise Refusal(
                400,
                "the prompt is longer than the context length currently available to the model; "
                "shorten the prompt or increase the context length",
            ) from None
        except Unsuited:
            raise Refusal(400, "invalid format: the model cannot be held to this JSON schema") from None
        except RuntimeError as fault:
            reply.fail(str(fault))

    def _send_json(self, value: dict[str, Any], status: int = 200) -> None:
        self._send(status, _json(value), "application/json; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "embedded"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the product has a log of its own."""


class _Reply:
    """One answer on its way to a client: as lines while it is written, or as one object at the end."""

    def __init__(self, connection: Ollama, *, in_lines: bool) -> None:
        self._connection = connection
        self._in_lines = in_lines
        self._pieces: list[str] = []
        self._has_begun = False
        self._asked = self.loaded = time.monotonic_ns()

    def gone(self) -> bool:
        client = self._connection.connection
        try:
            return bool(select.select([client], [], [], 0)[0]) and client.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    def say(self, text: str) -> None:
        if self._in_lines:
            self._line(_message(text))
        else:
            self._pieces.append(text)

    def end(self, ending: Ending) -> None:
        timings = ending.timings
        counts = {
            "total_duration": time.monotonic_ns() - self._asked,
            "load_duration": self.loaded - self._asked,
            "prompt_eval_count": timings["cache_n"] + timings["prompt_n"],
            "prompt_eval_duration": int(timings["prompt_ms"] * 1e6),
            "eval_count": timings["predicted_n"],
            "eval_duration": int(timings["predicted_ms"] * 1e6),
        }
        last = _message("".join(self._pieces), done=True, done_reason=ending.reason, **counts)
        if self._in_lines:
            self._line(last, last=True)
        else:
            self._connection._send_json(last)

    def fail(self, text: str) -> None:
        if not self._has_begun:
            raise Refusal(500, text)
        self._line({"error": text}, last=True)

    def _line(self, value: dict[str, Any], *, last: bool = False) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._connection.send_response(200)
            self._connection.send_header("Content-Type", "application/x-ndjson")
            self._connection.send_header("Transfer-Encoding", "chunked")
            self._connection.end_headers()
        line = _json(value) + b"\n"
        self._connection.wfile.write(b"%x\r\n%b\r\n%b" % (len(line), line, b"0\r\n\r\n" if last else b""))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _message(text: str, *, done: bool = False, **more: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat()
    return {
        "model": NAME,
        "created_at": now,
        "message": {"role": "assistant", "content": text},
        "done": done,
        **more,
    }


def _end_with_parent() -> None:
    """Arms two traps: the kernel's, where it has one, and a pipe on stdin that ends when the parent does."""
    if sys.platform == "linux":
        parent_death = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death, signal.SIGKILL)
    kind = os.fstat(0).st_mode
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # llama.cpp's threads would hold up an orderly end


class Listening(ThreadingHTTPServer):
    """A thread for each connection; of one that breaks it says the kind of fault alone, never what was sent."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        fault = sys.exc_info()[1]
        if not isinstance(fault, ConnectionError):
            print(f"The built-in engine met a fault: {type(fault).__name__}.", file=sys.stderr)


def main() -> int:
    """Prints its address once the model is loaded. Returns 1, after one sentence, where it cannot run."""
    options = argparse.ArgumentParser(description="The built-in engine, speaking Ollama's protocol on 127.0.0.1.")
    options.add_argument("--port", type=int, required=True, help="0 takes one that is free")
    port = options.parse_args().port
    _end_with_parent()
    if hasattr(os, "nice"):
        os.nice(5)  # pages and streams go first
    model = Model()
    handler = type("Connection", (Ollama,), {"model": model})
    try:
        server = Listening(("127.0.0.1", port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model.load()
    except (ImportError, OSError, OverflowError, RuntimeError) as fault:
        print(
            f"The built-in engine cannot run on this machine ({fault}). Install Ollama instead.",
            file=sys.stderr,
        )
        return 1
    # llama.cpp has put handlers of its own here, which would end its loop and leave the process.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_DFL)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
