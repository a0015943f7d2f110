"""What there is to be seen of a fault: in a page, in a stream, in the metrics, in what an answer does."""

from __future__ import annotations

import re
import threading
from html import unescape

from visitor import Visitor

from insight_app.services import Services


def counted(visitor: Visitor, metric: str) -> float:
    """The figure of a metric as /metrics says it; 0 where it is not there yet."""
    for entry in visitor.client.get("/metrics").text.splitlines():
        if entry.startswith(metric + " "):
            return float(entry.rpartition(" ")[2])
    return 0


def plain(html: str) -> str:
    """What a person reads of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def article(html: str, answer_id: int) -> str:
    """An answer's finished article in a page or in a stream's last event, without the key of its forms."""
    found = html[html.rindex(f'<article id="a{answer_id}"') :].partition("</article>")[0]
    return re.sub(r'(?m)^data: |(?<=name="csrf_token" value=")[^"]*', "", found)


def written(answer_id: int) -> None:
    """Waits until the answer's writer has counted and logged it."""
    for thread in threading.enumerate():
        if thread.name == f"answer-{answer_id}":
            thread.join(20)


def waits_for(services: Services, answer_id: int, problem: str) -> None:
    """Waits until the answer waits for this to be mended."""
    reply = services.replies.get(answer_id)
    assert reply is not None
    while reply.activity.problem != problem:
        assert reply.wait(reply.version, 5), f"still {reply.activity}"
