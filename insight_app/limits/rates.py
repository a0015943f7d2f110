"""How often one may send: Flask-Limiter, counted per address, by all processes together where there is Redis."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits.errors import StorageError

# How long a request waits for Redis.
PATIENCE_SECONDS = 0.5
limiter = Limiter(get_remote_address)


def in_memory() -> dict[str, Any]:
    """What Flask-Limiter is to know where each process counts for itself."""
    return {"RATELIMIT_STORAGE_URI": "memory://"}


def in_redis(url: str) -> dict[str, Any]:
    """The same where all processes count together; each for itself while Redis is gone."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "RATELIMIT_STORAGE_URI": url.replace("unix://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {
            "key_prefix": "insight:rates",
            "wrap_exceptions": True,
            "socket_timeout": PATIENCE_SECONDS,
            "socket_connect_timeout": PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        },
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
    }


def sending_limit() -> str:
    return str(current_app.extensions["insight"].settings.send_rate_limit)


sending = limiter.shared_limit(sending_limit, scope="sending")


def register(app: Flask) -> None:
    if app.config["RATELIMIT_ENABLED"]:
        app.before_request(_forget_the_future)  # before the limiter's own
    app.config.update(app.extensions["insight"].rates)
    limiter.init_app(app)


def _forget_the_future() -> None:
    """Counts anew after the clock was set back: the counts end at a time of day, and would last as much longer."""
    global _offset
    offset = time.time() - time.monotonic()
    if offset < _offset - 1:
        with suppress(StorageError):  # a Redis that is gone counts nothing
            limiter.reset()
    _offset = offset


_offset = time.time() - time.monotonic()
