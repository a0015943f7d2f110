"""How often one may send: Flask-Limiter, counted per address."""

from __future__ import annotations

from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(get_remote_address, storage_uri="memory://")


def sending_limit() -> str:
    return str(current_app.extensions["insight"].settings.send_rate_limit)


sending = limiter.shared_limit(sending_limit, scope="sending")


def register(app: Flask) -> None:
    limiter.init_app(app)
