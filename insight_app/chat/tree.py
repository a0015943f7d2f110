"""The tree of a conversation without its texts: which path a page shows, and which part of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insight_app.errors import NotThere

FAR = 120  # messages from the end: what stands further up is shown with what is around it alone
PART = 30  # messages: fifteen prompts with their answers, more than anybody sees at once


class Tree:
    """Which message comes after which: `parents` has every message of a conversation with the one before it.

    A message is always newer than the one before it, and so has the larger id.
    """

    def __init__(self, parents: Mapping[int, int | None]) -> None:
        self._parents = parents
        self._after: dict[int | None, list[int]] = defaultdict(list)
        for message_id in sorted(parents):
            self._after[parents[message_id]].append(message_id)

    def path(self, through: int | None = None) -> list[int]:
        """From the first message to the newest one; `through` a message, to the newest one that follows it.

        Raises NotThere where `through` is no message of this conversation.
        """
        if through is None:
            return self._to(max(self._parents, default=None))
        if through not in self._parents:
            raise NotThere
        below = {through}
        for message_id in sorted(self._parents):
            if self._parents[message_id] in below:
                below.add(message_id)
        return self._to(max(below))

    def tries(self, message_id: int) -> Sequence[int]:
        """This message and the others in its place: answers to one prompt, versions of one prompt."""
        return self._after[self._parents[message_id]]

    def _to(self, message_id: int | None) -> list[int]:
        found = []
        while message_id is not None:
            found.append(message_id)
            message_id = self._parents.get(message_id)
        return found[::-1]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive messages of a path, as many as a page shows.

    `is_first` and `is_last`: whether the path begins and ends here. `later` is the message that the next part ends
    before; None where the next part is the last one.
    """

    ids: Sequence[int]
    is_first: bool = True
    is_last: bool = True
    later: int | None = None


def part(path: Sequence[int], before: int | None = None, shown: int | None = None, size: int = PART) -> Part:
    """The last messages of a path, or the last ones before a message of it (NotThere where it is not of it).

    The last part reaches back to the message `shown` and what it answers; where that is far from the end it is another
    part, with the message in its middle.
    """
    if before is None and shown is not None and (place := path.index(shown)) < len(path) - FAR:
        before = path[place + size // 2]
    if before is None:
        begin = max(0, len(path) - size)
        if shown is not None:
            begin = min(begin, max(0, path.index(shown) - 1))
        return Part(path[begin:], is_first=begin == 0)
    if before not in path:
        raise NotThere
    end = path.index(before)
    begin, later = max(0, end - size), end + size
    return Part(path[begin:end], is_first=begin == 0, is_last=False, later=path[later] if later < len(path) else None)
