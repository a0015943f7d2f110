"""Checks, run beside each other, each with a time after which nobody waits for it any longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from enum import Enum

import structlog

from insight_app.amounts import in_seconds
from insight_app.words import _

PATIENCE_SECONDS = 8.0


class State(str, Enum):
    GOOD = "good"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What a check found: how it is, and what to do where it is not good."""

    state: State
    said: str
    next_step: str = ""


@dataclass(frozen=True)
class Checked:
    """A finding with the name of its check, and how many seconds it took."""

    name: str
    finding: Finding
    seconds: float

    def as_json(self) -> dict[str, object]:
        found = self.finding
        facts = {"check": self.name, "state": found.state.value, "said": found.said, "next_step": found.next_step}
        return {**facts, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Check:
    """`look` may take as long as it likes: it is no longer waited for then."""

    name: str
    look: Callable[[], Finding]


def good(said: str) -> Finding:
    return Finding(State.GOOD, said)


def warning(said: str, next_step: str) -> Finding:
    return Finding(State.WARNING, said, next_step)


def wrong(said: str, next_step: str) -> Finding:
    return Finding(State.WRONG, said, next_step)


def run(checks: Sequence[Check], seconds: float = PATIENCE_SECONDS) -> list[Checked]:
    """What all of them found, in their order, after so many seconds at the latest."""
    began = time.monotonic()
    found: dict[int, Checked] = {}

    def look(number: int, check: Check) -> None:
        began_one = time.monotonic()
        finding = _looked(check)
        found[number] = Checked(check.name, finding, time.monotonic() - began_one)

    threads = [
        # In the context of whoever asks, whose language they are told in.
        threading.Thread(target=copy_context().run, args=(look, number, check), name=f"check {number}", daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + seconds - time.monotonic()))
    silent = wrong(
        _("No answer within %(time)s.", time=in_seconds(seconds)),
        _("It hangs, or is overloaded: look at its own log, or start it anew."),
    )
    return [found.get(number) or Checked(check.name, silent, seconds) for number, check in enumerate(checks)]


def worst(checked: Sequence[Checked]) -> State:
    states = {each.finding.state for each in checked}
    return next((state for state in (State.WRONG, State.WARNING) if state in states), State.GOOD)


def worst_first(checked: Sequence[Checked]) -> list[Checked]:
    worse = [State.WRONG, State.WARNING, State.GOOD]
    return sorted(checked, key=lambda each: worse.index(each.finding.state))


def _looked(check: Check) -> Finding:
    try:
        return check.look()
    except Exception as error:  # a fault of ours must not hide what the other checks found
        structlog.get_logger("health").error("check broke", check=check.name, exc_info=error)
        return wrong(
            _("The check itself broke (%(error)s).", error=type(error).__name__), _("Look into the log, and report it.")
        )
