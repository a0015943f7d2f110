"""An Ollama that costs next to nothing: every answer is the same text, a token at a time, at a given rate.

    python benchmarks/paced_source.py --port 11500 --tokens 200 --rate 30

One event loop serves thousands of answers: tokens are bytes made before the start, and all answers whose next token
is due within the same few milliseconds are served in one turn. It prints its address when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from pathlib import Path

MODEL = "paced:latest"
TURN_SECONDS = 0.004
TEXT = """This is the paced answer.

## What it says

It is **Markdown** like that of most answers: some paragraphs, `code`, a list and a table.

```python
def area(width: float, height: float) -> float:
    return width * height
```

- the first point, with *emphasis* and a [link](https://example.com)
- the second point

| name | value |
|---|---|
| one | 1 |
| two | 2 |

Then it goes on with words that say little, so that there is something to read.

"""


def lines(tokens: int, text: str) -> list[bytes]:
    """What goes out for each token, and for the end mark, as chunks of HTTP; shorter texts begin anew."""
    words = re.findall(r"\s*\S{1,5}|\s+$", text)
    said: list[dict[str, object]] = [
        {"message": {"role": "assistant", "content": words[number % len(words)]}, "done": False}
        for number in range(tokens)
    ]
    said.append(
        {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 10,
            "eval_count": tokens,
            "eval_duration": 1_000_000_000,
        }
    )
    sent = []
    for line in said:
        data = json.dumps({"model": MODEL, "created_at": "2026-11-22T12:00:00.000000000Z", **line}).encode() + b"\n"
        sent.append(b"%x\r\n%b\r\n" % (len(data), data))
    sent[-1] += b"0\r\n\r\n"
    return sent


def whole(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


ABOUT = {"name": MODEL, "model": MODEL, "size": 1, "details": {}, "capabilities": ["completion"]}
REPLIES = {
    b"/api/version": whole({"version": "0.12.0"}),
    b"/api/tags": whole({"models": [ABOUT]}),
    b"/api/ps": whole({"models": [ABOUT]}),
    b"/api/show": whole(ABOUT),
}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Pace:
    """Sends to each answer under way what is due."""

    def __init__(self, sent: list[bytes], rate: float) -> None:
        self._sent, self._gap = sent, 1 / rate
        self._answers: dict[Connection, tuple[float, int]] = {}

    def begin(self, connection: Connection) -> None:
        connection.transport.write(STREAM + self._sent[0])
        self._answers[connection] = (time.monotonic() + self._gap, 1)

    def forget(self, connection: Connection) -> None:
        self._answers.pop(connection, None)

    async def run(self) -> None:
        while True:
            now = time.monotonic()
            for connection, (due, number) in list(self._answers.items()):
                if due > now:
                    continue
                connection.transport.write(self._sent[number])
                if number + 1 == len(self._sent):
                    del self._answers[connection]
                else:
                    # Counted from when it was due: one late token does not slow the answer down.
                    self._answers[connection] = (due + self._gap, number + 1)
            await asyncio.sleep(TURN_SECONDS)


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other, as clients of Ollama send them."""

    transport: asyncio.Transport

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._pace.forget(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        if path == b"/api/chat":
            self._pace.begin(self)
        else:
            self.transport.write(REPLIES.get(path, MISSING))


async def serve(port: int, pace: Pace) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pace), "127.0.0.1", port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await pace.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    parser.add_argument("--rate", type=float, default=30, help="tokens per second of each answer")
    parser.add_argument("--text", type=Path, help="a file with the answer's text, instead of the built-in one")
    chosen = parser.parse_args()
    text = chosen.text.read_text(encoding="utf-8") if chosen.text else TEXT
    asyncio.run(serve(chosen.port, Pace(lines(chosen.tokens, text), chosen.rate)))


if __name__ == "__main__":
    main()
