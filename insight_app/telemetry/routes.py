"""GET /healthz, /readyz and /metrics, and one log line for every request."""

from __future__ import annotations

import hmac
import time

import structlog
from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_flask_exporter import PrometheusMetrics

from insight_app.accounts.guards import for_everybody, is_near, somebody
from insight_app.errors import MetricsTokenNeeded, NotThere
from insight_app.telemetry.request_ids import REQUEST_ID
from insight_app.web import services

# Rules whose requests nobody wants to read of.
QUIET = {"/health/stream", "/healthz", "/metrics", "/assets/<name>"}


def register(app: Flask) -> None:
    found = app.extensions["insight"]
    log = app.extensions["log"] = structlog.get_logger("request")
    # Grouped by rule: a path holds ids, and each would be a time series of its own.
    exporter = PrometheusMetrics(app, path=None, registry=found.metrics.registry, group_by="url_rule")

    @app.get("/metrics")
    @for_everybody
    @exporter.do_not_track()  # type: ignore[untyped-decorator]
    def metrics() -> Response:
        """Every figure, of all processes together. Raises NotThere or MetricsTokenNeeded for who may not read them."""
        _expect_to_be_told_figures()
        return Response(services().metrics.text(), content_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    @for_everybody
    def healthz() -> Response:
        """The process lives."""
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @app.get("/readyz")
    @for_everybody
    def readyz() -> ResponseReturnValue:
        """Whether a prompt sent now would be answered; never waits for the engine."""
        standing = services().engine.standing
        parts = {
            "database": services().database.answers(),
            "engine": standing.problem is None and bool(standing.models),
        }
        if services().settings.redis_url:
            parts["redis"] = services().replies.connected()
        ready = all(parts.values()) and not services().draining
        answer = {**parts, "ready": ready, "engine_name": standing.engine_name, "models": len(standing.models)}
        if standing.problem is not None and _may_see_more():  # it says where the engine is
            answer["problem"] = str(standing.problem)
        return jsonify(answer), 200 if ready else 503

    @app.before_request
    def begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def finish(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule else None
        if rule in QUIET:
            return response
        facts = {
            "request_id": request.environ[REQUEST_ID],
            "method": request.method,
            "rule": rule,
            "status": response.status_code,
        }
        began = g.get("began", time.monotonic())
        # A stream's line is written when it ends, with how long it was open.
        response.call_on_close(lambda: log.info("request", **facts, seconds=round(time.monotonic() - began, 4)))
        return response


def _expect_to_be_told_figures() -> None:
    """With METRICS_TOKEN they are for who has it, wherever they are; else for this machine. Admins see them anyway."""
    token = services().settings.metrics_token
    if _is_signed_in_admin() or (is_near() and not token):
        return
    if not token:
        raise NotThere
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise MetricsTokenNeeded


def _may_see_more() -> bool:
    """Whether this is who runs the server: on its machine, or as an admin."""
    return services().settings.auth_mode == "local" or is_near() or _is_signed_in_admin()


def _is_signed_in_admin() -> bool:
    """Where nobody signs in whoever comes is the one person, also a stranger whom a proxy lets through."""
    person = somebody()
    return services().settings.auth_mode != "local" and person is not None and person.is_admin
