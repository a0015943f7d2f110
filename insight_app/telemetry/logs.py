"""Logs: one JSON line each, or a readable one in a terminal, made of facts and never of content.

An exception's message may quote what somebody wrote, so only its kind and the places it passed are logged.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from insight_app.errors import InsightError

# What may be said of a library's record and its message; None: nothing but where in its code it comes from.
Harmless = Callable[[logging.LogRecord, str], "str | None"]
SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,  # the request's name
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: str, *, readable: bool | None = None) -> None:
    """`readable` None: readable lines where standard error is a terminal."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[*SHARED, name_the_fault, _renderer(readable)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, StandardError())),
        cache_logger_on_first_use=True,
    )
    # What libraries log goes the same way, and only where it warns: their debug lines may hold content.
    root = logging.getLogger()
    root.handlers[:] = [handler(readable=readable)]
    root.setLevel(max(number, logging.WARNING))


def handler(harmless: Harmless = lambda record, message: None, *, readable: bool | None = None) -> logging.Handler:
    """What writes a library's messages as our own lines; of each only what is `harmless`."""

    def say(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        record = event["_record"]
        said = harmless(record, event["event"])
        return name_the_place(_logger, _method, event) if said is None else _quote(record, said, event)

    found = logging.StreamHandler(StandardError())
    found.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[say, *SHARED, name_the_fault],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(readable)],
        )
    )
    return found


def _renderer(readable: bool | None) -> Any:
    readable = sys.stderr.isatty() if readable is None else readable
    return structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()


def take_over() -> None:
    """Has the interpreter, and threads that break, log as everybody else does; they would print whole messages."""
    logging.captureWarnings(True)
    log = structlog.get_logger("interpreter")
    sys.excepthook = lambda kind, error, trace: log.error("program broke", exc_info=error)
    sys.unraisablehook = lambda fault: log.error("clearing up broke", exc_info=fault.exc_value)
    threading.excepthook = lambda fault: log.error("thread broke", exc_info=fault.exc_value)


class StandardError:
    """Standard error as it is when a line is written: servers and tests exchange it while loggers are kept."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def name_the_fault(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces an exception by its kind and the places it passed."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["fault"] = type(error).__name__
        event["at"] = [
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def cannot_start(error: InsightError) -> None:
    """Says why, on standard error: as a sentence to a person at a terminal, else as a line like all others."""
    if sys.stderr.isatty():
        print(error, file=sys.stderr)
        return
    configure("info")
    structlog.get_logger("start").error("cannot start", cause=error.cause, next_step=error.next_step)


def _quote(record: logging.LogRecord, said: str, event: EventDict) -> EventDict:
    event["event"], event["logger"] = said, record.name
    if record.exc_info:
        event["exc_info"] = record.exc_info
    return event


def name_the_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces a library's message by the place in its code: anybody's words may have been put into it."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["event"] = "a library's message"
        event["logger"] = record.name
        event["place"] = f"{record.filename}:{record.lineno} {record.funcName}"
        if record.exc_info:
            event["exc_info"] = record.exc_info
    return event
