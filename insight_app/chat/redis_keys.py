"""What is where in Redis, and for how long."""

from __future__ import annotations

# Everything of ours begins so: it may be somebody else's Redis too.
PREFIX = "insight:"
# answer id -> the token of the process that writes it; "" where a process that ended gave it up
WRITING = f"{PREFIX}writing"
# Channels: ids of answers that have changed, separated by commas; the id of one that is to end now.
NEWS = f"{PREFIX}news"
STOP = f"{PREFIX}stop"
# The queue in front of the engine, as JSON (the last part: of which version), and the channel on which a process says
# by its token that it changed it.
LINE = f"{PREFIX}line:1"
LINE_NEWS = f"{PREFIX}line:news"
# Written before each prompt, to know whether Redis takes anything.
ASKED = f"{PREFIX}asked"
# How long it stays, with the times that turns took, after its last change.
LINE_SECONDS = 24 * 3600
# How long a process counts as alive after it was heard of, and how often it is heard of.
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
# How long after that nobody takes what it wrote: perhaps it only slept.
GRACE_SECONDS = 2.0
# How long an answer that a process gave up is left alone: perhaps all are about to end.
GIVEN_UP_SECONDS = 1.0
# How long a text stays that nobody renews, and one that has ended: who reads it must hear of the end.
KEPT_SECONDS = 60
ENDED_SECONDS = 5


def facts(answer_id: int) -> str:
    """Everything but the text, as JSON."""
    return f"{PREFIX}answer:{answer_id}"


def thinking(answer_id: int) -> str:
    return f"{PREFIX}answer:{answer_id}:thinking"


def answer(answer_id: int) -> str:
    return f"{PREFIX}answer:{answer_id}:text"


def lease(token: str) -> str:
    """There while the process of this token lives."""
    return f"{PREFIX}process:{token}"


def claim(answer_id: int) -> str:
    """Set by the one process that goes on with an answer whose writer has died."""
    return f"{PREFIX}claim:{answer_id}"


def gone(answer_id: int) -> str:
    """There after the answer was deleted, for as long as a writer may not yet know."""
    return f"{PREFIX}gone:{answer_id}"


def all_of(answer_id: int) -> tuple[str, str, str]:
    return facts(answer_id), thinking(answer_id), answer(answer_id)
