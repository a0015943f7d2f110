"""What gunicorn itself says, in the same lines as everything else, and nothing of the requests that it cannot read."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from insight_app.telemetry import logs

# What these files say is about processes and addresses to listen on; all others may quote a request.
ABOUT_PROCESSES = {"arbiter.py", "sock.py", "gunicorn.conf.py"}


class ServerLog(Logger):  # type: ignore[misc]
    """gunicorn's `logger_class`."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers[:] = [logs.handler(say_what_is_harmless)]
        self.error_log.propagate = False

    # gunicorn's own methods would all name themselves as the place.

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.critical(msg, *args, stacklevel=2, **kwargs)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.error(msg, *args, stacklevel=2, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.warning(msg, *args, stacklevel=2, **kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.info(msg, *args, stacklevel=2, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.exception(msg, *args, stacklevel=2, **kwargs)


def say_what_is_harmless(record: logging.LogRecord, message: str) -> str | None:
    """The message on one line, None where it may hold what somebody sent."""
    has_traceback = message.count("\n") > str(record.msg).count("\n") + 1
    return None if record.filename not in ABOUT_PROCESSES or has_traceback else " ".join(message.split())
