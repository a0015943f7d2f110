"""Which span of a trace the work at hand belongs to, as the header "traceparent" has it; "" where nobody traces."""

from __future__ import annotations

from contextvars import ContextVar

# Not a thread-local: a context variable follows greenlets even where gevent patched after this import.
here: ContextVar[str] = ContextVar("here", default="")
