"""A response whose read1() gives every chunk that has arrived, where http.client's gives one.

Ollama sends each token as a chunk of its own. Whoever reads late can so make up for it in one go.
"""

from __future__ import annotations

from contextlib import suppress
from http.client import HTTPResponse


class EagerResponse(HTTPResponse):
    def read1(self, n: int = -1) -> bytes:
        """Waits for the first chunk only; `n` is the most to take of each."""
        arrived = [super().read1(n)]
        while arrived[-1] and self._another_is_here():
            arrived.append(super().read1(n))
        return arrived[0] if len(arrived) == 1 else b"".join(arrived)

    def _another_is_here(self) -> bool:
        if not self.chunked or self.chunk_left != 0:
            return False
        with suppress(OSError, ValueError):  # will be met again, by the read that has nothing to give
            # Does not wait: the line end behind the last chunk, which servers send along with it, is still unread.
            ahead = self.fp.peek()
            size_ends = ahead.find(b"\r\n", 2)
            return size_ends > 0 and len(ahead) >= size_ends + 4 + int(ahead[2:size_ends], 16)
        return False
