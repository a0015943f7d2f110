"""Traces: where the time of an answer goes, as a tree of spans with names and numbers, and never a word of anybody.

This is what everybody works with; here nobody collects them. Who does is in traces_collected.py, which is imported only
where there is a collector.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

Fact = str | int | float | bool | None


class Span:
    """A piece of work. As a context it is what all that is begun inside belongs to, and ends with it."""

    traceparent = ""  # by which other threads, processes and servers know it

    def note(self, **facts: Fact) -> None:
        """Adds facts by name: states, counts, seconds, ids. Those that are None are not known."""

    def end(self) -> None:
        """It is over; it may be so again."""

    def around(self, work: Callable[..., None]) -> Callable[..., None]:
        """The same work, inside."""

        def inside(*given: object) -> None:
            with self:
                work(*given)

        return inside

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Tracing:
    """Where spans go. This one has nobody who would look at them."""

    is_on = False
    _nothing = Span()

    def span(self, name: str, *, within: str | None = None, beside: str = "") -> Span:
        """A span that begins now, within the work at hand or another traceparent ("" = a trace of its own).

        `beside` is another one that it has to do with.
        """
        return self._nothing

    def close(self) -> None:
        """What is still here is sent, if that is quick."""
