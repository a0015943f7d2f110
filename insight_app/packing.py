"""Pages go out packed, but for those in which an address says what stands.

Whoever can have a browser open addresses, and sees how many bytes come back, could find out what else stands in a
packed page, letter by letter (BREACH): what an address brings along takes less room where the page has it already. So
nothing is packed that was asked for with a query or by a form: what another site chose is then in no packed page.
"""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

SMALLEST = 1000  # in bytes: less fits into the packet that comes anyway
LEVEL = 4  # the next ones take twice the time for a hundredth


def register(app: Flask) -> None:
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if not _may_be_packed(response):
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _may_be_packed(response: Response) -> bool:
    """Only whole pages: a stream would be held back, and what is swapped into a page is small."""
    return (
        request.method in ("GET", "HEAD")
        and not request.query_string
        and response.status_code == 200
        and response.mimetype == "text/html"
        and not response.is_streamed
        and (response.content_length or 0) >= SMALLEST
    )
