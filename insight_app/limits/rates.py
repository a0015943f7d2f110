"""How often one may send: Flask-Limiter, counted per address."""

from __future__ import annotations

import time

from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(get_remote_address, storage_uri="memory://")


def sending_limit() -> str:
    return str(current_app.extensions["insight"].settings.send_rate_limit)


sending = limiter.shared_limit(sending_limit, scope="sending")


def register(app: Flask) -> None:
    if app.config["RATELIMIT_ENABLED"]:
        app.before_request(_forget_the_future)  # before the limiter's own
    limiter.init_app(app)


def _forget_the_future() -> None:
    """Counts anew after the clock was set back: the counts end at a time of day, and would last as much longer."""
    global _offset
    offset = time.time() - time.monotonic()
    if offset < _offset - 1:
        limiter.reset()
    _offset = offset


_offset = time.time() - time.monotonic()
