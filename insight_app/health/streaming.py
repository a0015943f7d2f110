"""A stream that says when each of its pieces was sent, and what can be known from when they arrive."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256

PIECES = 6
GAP_SECONDS = 0.15
# How long an address of the test serves: nobody else shall hold connections open with it.
SERVES_SECONDS = 60
PATH = "/health/stream"


def pieces() -> Iterator[bytes]:
    """Each is the time at which it was sent."""
    for number in range(PIECES):
        if number:
            time.sleep(GAP_SECONDS)
        yield f"{time.monotonic():.4f}\n".encode()


def address(secret: str) -> str:
    """Where the test is, for who knows the server's secret, for a minute."""
    now = int(time.time())
    return f"{PATH}?at={now}&by={_signed(secret, now)}"


def is_allowed(secret: str, at: str, by: str) -> bool:
    if not (at.isascii() and at.isdigit() and len(at) < 12):
        return False
    is_right = hmac.compare_digest(_signed(secret, int(at)).encode(), by.encode())
    return is_right and abs(time.time() - int(at)) < SERVES_SECONDS


def held_back(times: Sequence[tuple[float, float]]) -> float:
    """For how much longer than it should a piece was on its way, in seconds, seen from the one that came quickest."""
    ways = [arrived - sent for sent, arrived in times]
    # Two machines have two clocks: only differences say something.
    return max(ways) - min(ways)


def _signed(secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"health stream {at}".encode(), sha256).hexdigest()[:32]
