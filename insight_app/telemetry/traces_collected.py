"""Traces that a collector gets, by OpenTelemetry's protocol over HTTP.

A thread sends them every few seconds. Where the collector is away they are dropped, and the log says so once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Token
from types import TracebackType

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, StatusCode, get_current_span
from opentelemetry.trace import Span as Recorded
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from insight_app.telemetry.traces import Fact, Span, Tracing
from insight_app.traceparent import here

SEND_SECONDS = 2.0  # between two sendings, and for each of them
END_SECONDS = 1.0


class Collected(Span):
    """One that a collector will get."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        known = recorded.get_span_context()
        self.traceparent = f"00-{known.trace_id:032x}-{known.span_id:016x}-{int(known.trace_flags):02x}"
        self._before: Token[str] | None = None

    def note(self, **facts: Fact) -> None:
        for name, value in facts.items():
            if value is not None:
                self._recorded.set_attribute(f"insight.{name}", value)

    def end(self) -> None:
        if self._recorded.is_recording():
            self._recorded.end()

    def __enter__(self) -> Span:
        self._before = here.set(self.traceparent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            with suppress(ValueError):  # a generator that somebody else closes than who read it
                here.reset(self._before)
        if error is not None and not isinstance(error, GeneratorExit):
            # Never its message: that may hold what somebody wrote.
            self.note(problem=getattr(error, "code", None) or type(error).__name__)
            self._recorded.set_status(StatusCode.ERROR)
        self.end()


class Collecting(Tracing):
    """To the collector whose base address is `endpoint`. Threads do not survive a fork: make it where it is used."""

    is_on = True

    def __init__(self, endpoint: str) -> None:
        # What they say quotes responses, and says so each time.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: "insightsphere-ai"}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(_Telling(exporter), schedule_delay_millis=SEND_SECONDS * 1000)
        )
        self._tracer = self._provider.get_tracer("insight_app")
        self._context = TraceContextTextMapPropagator()

    def span(self, name: str, *, within: str | None = None, beside: str = "") -> Span:
        links = [Link(get_current_span(self._read(beside)).get_span_context())] if beside else []
        context = self._read(here.get() if within is None else within)
        return Collected(self._tracer.start_span(name, context=context, links=links))

    def close(self) -> None:
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(END_SECONDS)  # a collector that is away holds up no end

    def _read(self, traceparent: str) -> Context:
        """What a traceparent says; what is none says nothing."""
        return self._context.extract({"traceparent": traceparent}, Context())


class _Telling(SpanExporter):
    """Says once in the log that spans cannot be delivered, and once that they are again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._delivers = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # an exporter is no reason for its thread to end
            result = SpanExportResult.FAILURE
        delivers = result is SpanExportResult.SUCCESS
        if delivers is not self._delivers:
            self._delivers = delivers
            log = structlog.get_logger("traces")
            if delivers:
                log.info("traces are delivered again")
            else:
                log.warning("traces cannot be delivered, and are dropped until they can")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
