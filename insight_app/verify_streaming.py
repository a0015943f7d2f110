"""python -m insight_app.verify_streaming URL: does an answer really arrive while it is written, chunk by chunk?

Standard library only, so that it can be copied to wherever the server is seen from.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import sys
import time
from contextlib import closing
from itertools import pairwise
from urllib.parse import urlsplit

QUESTION = "Count from one to thirty in words, one number per line."
clock = time.monotonic
NOTE = r"(\n\n\[[^\n]*\]\n)?"  # why an answer ended early, which is no part of it
FEWEST = 5  # arrivals; below that nobody would call it a stream


class NotStreamed(Exception):
    """The answer came, but not as a stream; the text says what was seen."""


def arrivals(
    url: str, question: str = QUESTION, key: str = "", timeout: float = 120
) -> tuple[list[tuple[float, bytes]], str, str]:
    """Each chunk with the seconds since the request; what the server had of it at the first chunk, and at the end.

    `key` is one of a person's, where people sign in. Raises NotStreamed where the server gives no answer.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=timeout)
    base = parts.path.rstrip("/")
    began = clock()
    sign = {"Authorization": f"Bearer {key}"} if key else {}
    body = json.dumps({"message": question})
    with closing(connection):
        connection.request("POST", f"{base}/api/chat", body, {"Content-Type": "application/json", **sign})
        response = _expect_answer(connection.getresponse())

        def kept_now() -> str:
            with closing(kind(parts.hostname or "localhost", parts.port, timeout=timeout)) as other:
                other.request("GET", f"{base}/api/answers/{response.headers['X-Answer-Id']}", headers=sign)
                return str(json.loads(_expect_answer(other.getresponse()).read())["text"])

        found, kept_at_first = [], ""
        while chunk := response.read1(65536):
            found.append((clock() - began, chunk))
            kept_at_first = kept_at_first if found[1:] else kept_now()
        return found, kept_at_first, kept_now()


def _expect_answer(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if response.status == 200:
        return response
    said = response.read(2000)
    try:
        reason = str(json.loads(said)["error"]["message"])
    except (ValueError, TypeError, KeyError):  # of something on the way, perhaps a page
        reason = said[:500].decode(errors="replace")
    raise NotStreamed(f"The server answered {response.status}: {reason}")


def verify(found: list[tuple[float, bytes]], kept_at_first: str, kept: str) -> str:
    """One line with the figures. Raises NotStreamed where chunks came too few, too late or in another order."""
    text = b"".join(chunk for _, chunk in found).decode()
    if not (text.startswith(kept) and re.fullmatch(NOTE, text[len(kept) :])):
        raise NotStreamed("What arrived is not what the server kept: pieces are missing or out of order.")
    if kept_at_first == kept:
        raise NotStreamed("The first piece arrived when the answer was complete: something on the way holds it back.")
    times = [seconds for seconds, _ in found]
    if len(times) < FEWEST:
        raise NotStreamed(f"The answer came in {len(times)} piece(s): something on the way holds it back.")
    whole, writing = times[-1], times[-1] - times[0]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if writing < whole / 10:
        raise NotStreamed(f"All of it came in the last {writing:.2f} of {whole:.2f} seconds: it was held back.")
    if max(gaps) > whole / 2:
        raise NotStreamed(f"It came in bursts: one pause took {max(gaps):.2f} of {whole:.2f} seconds.")
    return (
        f"streams: {len(times)} chunks in order, first after {times[0] * 1000:.0f} ms, "
        f"gaps {statistics.median(gaps) * 1000:.0f} ms (median) to {max(gaps) * 1000:.0f} ms, whole {whole:.2f} s"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m insight_app.verify_streaming", description=__doc__)
    parser.add_argument("url", help="the server's address, as browsers use it: http://127.0.0.1:8000")
    parser.add_argument("--message", default=QUESTION, help="what to ask; the answer should have some length")
    key = "a key for chat, where people sign in; in INSIGHT_KEY instead, no list of processes shows it"
    parser.add_argument("--key", default=os.environ.get("INSIGHT_KEY", ""), help=key)
    given = parser.parse_args(arguments)
    try:
        print(verify(*arrivals(given.url, given.message, given.key.strip())))
    except NotStreamed as error:
        print(f"does not stream: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot reach {given.url}: {error}. Is the server running there?", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
