"""What holds at every door for programs: no page of another site comes in, and nobody writes for who is gone."""

from __future__ import annotations

import select
import socket
from urllib.parse import urlsplit

from flask import request

from insight_app.accounts.guards import still_in
from insight_app.chat.messages import State
from insight_app.chat.reply import Reply
from insight_app.errors import BodyCompressed, ForeignPage, InsightError, KeyRefused, ServerStopped, explain
from insight_app.web import services


def refuse_foreign_pages() -> None:
    """A page of another site can send a browser here; a program does not carry these headers."""
    try:
        origin = urlsplit(request.headers.get("Origin", request.host_url)).netloc
    except ValueError:  # a bracket that is not closed
        raise ForeignPage from None
    if origin != request.host or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ForeignPage


def refuse_compressed() -> None:
    """Or it would be called no JSON, although its program sees that it is."""
    if request.headers.get("Content-Encoding", "identity").casefold() != "identity":
        raise BodyCompressed


def is_gone() -> bool:
    """Whether nobody takes the answer any more: the program closed its socket, or this server is about to end.

    A program cannot come back to its answer, so it must not go on holding a place at the engine.
    """
    connection = request.environ.get("gunicorn.socket")
    if connection is not None and select.select([connection], [], [], 0)[0]:
        try:
            return not connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True
    return services().closing


class Door:
    """Through which the program of this request listens to its answer; may be asked until the answer is over."""

    def __init__(self) -> None:
        self._is_still_in = still_in()

    def is_shut(self) -> bool:
        """Whether nobody listens any more, or nobody may: its key was revoked or has expired."""
        return is_gone() or not self._is_still_in()

    def problem_of(self, reply: Reply) -> InsightError | None:
        """What went wrong with the reply, ended it early, or shut the door; None for nothing."""
        if (reply.state is State.STOPPED or not reply.ended) and not self._is_still_in():
            return KeyRefused()
        if not reply.ended and (reply.lost or services().closing):
            return ServerStopped()
        return problem_of(reply)


def problem_of(reply: Reply) -> InsightError | None:
    """What went wrong with it, or ended it early; None for nothing."""
    if not reply.activity.problem:
        return None
    activity, context = reply.activity, reply.receipt.context_tokens
    facts = services().engine_facts(activity.model, context)
    return explain(activity.problem, reason=activity.reason, **facts)
