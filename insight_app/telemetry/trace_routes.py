"""A span for each request, within the trace of the proxy in front where there is one."""

from __future__ import annotations

from flask import Flask, Response, g, request

from insight_app.accounts.guards import is_handed_on, is_near
from insight_app.telemetry.routes import QUIET


def register(app: Flask) -> None:
    tracing = app.extensions["insight"].tracing
    if not tracing.is_on:
        return

    @app.before_request
    def begin_span() -> None:
        rule = request.url_rule.rule if request.url_rule else ""
        if rule in QUIET:
            return
        known = is_handed_on() or is_near()  # anybody else could write into our traces
        within = request.headers.get("traceparent", "") if known else ""
        g.span = tracing.span(f"{request.method} {rule}".rstrip(), within=within)
        g.span.__enter__()

    @app.after_request
    def end_span(response: Response) -> Response:
        if (span := g.pop("span", None)) is not None:
            span.note(status=response.status_code)
            # A stream's ends with its last byte.
            response.call_on_close(lambda: span.__exit__(None, None, None))
        return response
