"""A response whose read1() gives every chunk that has arrived, where http.client's gives one.

Ollama sends each token as a chunk of its own. Whoever reads late can so make up for it in one go.
"""

from __future__ import annotations

from contextlib import suppress
from http.client import HTTPResponse


class EagerResponse(HTTPResponse):
    def read1(self, n: int = -1) -> bytes:
        """Waits for the first chunk only; `n` is the most to take of that one."""
        first = super().read1(n)
        return b"".join((first, *self._others())) if first and self.chunked and self.chunk_left == 0 else first

    def _others(self) -> list[bytes]:
        """The chunks that have arrived whole behind the first, without the empty one that ends the body."""
        found: list[bytes] = []
        taken = 0
        with suppress(OSError, ValueError):  # will be met again, by the read that has nothing to give
            # Does not wait: the line end behind the last chunk, which servers send along with it, is still unread.
            ahead = self.fp.peek()
            while True:
                begin = ahead.index(b"\r\n", taken + 2) + 2
                end = begin + int(ahead[taken + 2 : begin], 16)
                if end <= begin or len(ahead) < end + 2:
                    break
                found.append(ahead[begin:end])
                taken = end
        self.fp.read(taken)
        return found
