"""Logs: one JSON line each, or a readable one in a terminal, made of facts and never of content.

An exception's message may quote what somebody wrote, so only its kind and the places it passed are logged.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger


def configure(level: str, *, readable: bool | None = None) -> None:
    """`readable` None: readable lines where standard error is a terminal."""
    readable = sys.stderr.isatty() if readable is None else readable
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_the_fault,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, StandardError())),
        cache_logger_on_first_use=True,
    )
    # What libraries log goes the same way, and only where it warns: their debug lines may hold content.
    handler = logging.StreamHandler(StandardError())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[name_the_place, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def take_over() -> None:
    """Has the interpreter, and threads that break, log as everybody else does; they would print whole messages."""
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
