"""A text that only grows: appending is cheap, and so is reading what came after a position."""

from __future__ import annotations

from insight_app.rendering.commonmark import sound


class GrowingText:
    """Append-only text. A piece is merged with its neighbours as they become equally long, so that there are few."""

    def __init__(self, text: str = "") -> None:
        self._pieces: list[str] = []
        self._length = 0
        self.append(text)

    def append(self, piece: str) -> None:
        """Adds to the end; characters that cannot be rendered are replaced one for one."""
        piece = sound(piece)
        self._length += len(piece)
        while self._pieces and len(self._pieces[-1]) <= 2 * len(piece):
            piece = self._pieces.pop() + piece
        if piece:
            self._pieces.append(piece)

    def since(self, position: int) -> str:
        """The text from the position on; its cost is that of what it returns."""
        missing = self._length - position
        if missing <= 0:
            return ""
        found: list[str] = []
        for piece in reversed(self._pieces):
            if len(piece) >= missing:
                found.append(piece[len(piece) - missing :])
                break
            found.append(piece)
            missing -= len(piece)
        return "".join(reversed(found))

    def __len__(self) -> int:
        return self._length

    def __str__(self) -> str:
        return self.since(0)
