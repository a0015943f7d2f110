"""Models that are worth fetching, and which of them suit a machine.

Sizes are what Ollama fetches for that name, in bytes: as its own table of models (its README) and its lists (`ollama
list`) have them, looked up on 28 November 2026. The library may change what a name stands for; what is shown while a
model is fetched is what Ollama says then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from insight_app.engines.base import key_of
from insight_app.library.machine import Machine
from insight_app.words import N_

LOOKED_UP = "2026-11-28"
MB, GB = 10**6, 10**9
# Beside the model itself: what it reads, and the program.
MORE, AT_LEAST = 1.2, GB // 2
# Of all memory: with more than that, other programs must make room; with more than this, they cannot.
EASY, POSSIBLE = 0.7, 0.95
# Few processors write with a large model slower than one reads.
FEW, QUICK = 4, 5 * GB // 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """`is_for_talk`: it answers whatever is asked, so it may be the first that somebody fetches."""

    name: str
    size: int
    about: str
    is_for_talk: bool = True

    @property
    def memory(self) -> int:
        """What it needs, in bytes."""
        return int(self.size * MORE) + AT_LEAST


class Fit(str, Enum):
    FITS = "fits"
    TIGHT = "tight"
    TOO_LARGE = "too large"  # for the memory
    NO_ROOM = "no room"  # on the disk
    UNKNOWN = "unknown"


# In the order of how well they answer.
WANTED = (
    Wanted("smollm2:135m", 271 * MB, N_("The smallest: quick everywhere, and often wrong.")),
    Wanted("smollm2:360m", 726 * MB, N_("Small and quick, in English.")),
    Wanted("qwen2.5:0.5b", 398 * MB, N_("Small and quick, in many languages.")),
    Wanted("gemma3:1b", 815 * MB, N_("Good for its size, in many languages.")),
    Wanted("llama3.2:1b", 1300 * MB, N_("A small Llama for everyday questions.")),
    Wanted("phi4-mini", 2500 * MB, N_("Reasons well for its size.")),
    Wanted("llama3.2", 2000 * MB, N_("A good all-rounder that most machines can run.")),
    Wanted("gemma3:4b", 3300 * MB, N_("Understands images too, in many languages.")),
    Wanted("codellama", 3800 * MB, N_("For programming: writes and explains code."), is_for_talk=False),
    Wanted("mistral", 4400 * MB, N_("A good all-rounder, strong in European languages.")),
    Wanted("llama3", 4700 * MB, N_("Knows and writes most of these; wants a strong machine.")),
)


def size_of(name: str) -> int | None:
    """Of a model that is among these, in bytes."""
    return next((each.size for each in WANTED if key_of(each.name) == key_of(name)), None)


def fit(wanted: Wanted, machine: Machine) -> Fit:
    if machine.memory is None:
        return Fit.UNKNOWN
    if wanted.memory > POSSIBLE * machine.memory:
        return Fit.TOO_LARGE
    if not machine.has_room(wanted.size):
        return Fit.NO_ROOM
    return Fit.FITS if wanted.memory <= EASY * machine.memory else Fit.TIGHT


def best(machine: Machine, models: Iterable[Wanted] = WANTED) -> Wanted | None:
    """The one to begin with on that machine; None where nobody knows what it has, or nothing fits."""
    few = machine.processors is not None and machine.processors < FEW
    for word in (Fit.FITS, Fit.TIGHT):
        found = [each for each in models if each.is_for_talk and fit(each, machine) is word]
        suits = [each for each in found if not few or each.size <= QUICK] or found[:1]
        if suits:
            return suits[-1]
    return None
