"""What a page says about models and pulls: sizes, how far and how long, what a model can do."""

from __future__ import annotations

import math

from insight_app.amounts import in_words
from insight_app.amounts import on_disk as size
from insight_app.engines.base import Model
from insight_app.engines.ollama_models import Loaded
from insight_app.errors import InsightError, explain
from insight_app.library.jobs import QUARTER, Pull, State
from insight_app.library.models_wanted import Fit
from insight_app.words import N_, _, said_number

# Ollama's words for what models can do, in the order in which a page has them; others are not told.
ABILITIES = {
    "completion": N_("Chats"),
    "vision": N_("Sees images"),
    "audio": N_("Hears sound"),
    "tools": N_("Uses tools"),
    "thinking": N_("Thinks before it answers"),
    "insert": N_("Fills gaps in code"),
    "image": N_("Makes images"),
    "embedding": N_("Makes texts comparable (embedding)"),
}
FITS = {
    Fit.FITS: N_("Fits this machine"),
    Fit.TIGHT: N_("Tight: close other programs first"),
    Fit.TOO_LARGE: N_("Too large for the memory here"),
    Fit.NO_ROOM: N_("No room on the disk for it"),
    Fit.UNKNOWN: "",
}
STATES = {
    State.PULLING: N_("On its way"),
    State.CHECKING: N_("Being checked"),
    State.WAITING: N_("Waits"),
    State.DONE: N_("Here"),
    State.CANCELLED: N_("Stopped"),
    State.FAILED: N_("Failed"),
    State.INTERRUPTED: N_("Interrupted"),
}
# More is for good: Ollama writes a moment in some hundred years.
FOR_GOOD_SECONDS = 10 * 365 * 86_400


def progress(pull: Pull, left: float | None) -> str:
    """How far it is, and how long it will take; for what has ended, what became of it."""
    if pull.state is State.DONE:
        return _("It is ready to answer.")
    if pull.state is State.CHECKING:
        return _("All of it is here, and Ollama checks it.")
    waits = pull.state is State.WAITING
    if not pull.total:
        runs = pull.state.runs and not waits
        return _("Ollama asks the library for it.") if runs else _("Nothing of it has come yet.")
    here = {"here": size(pull.completed), "total": size(pull.total)}
    if waits or not pull.state.runs:
        return _("%(here)s of %(total)s have come, and Ollama keeps them for a while.", **here)
    if left is None:
        return _("%(here)s of %(total)s", **here)
    if left == math.inf:
        return _("%(here)s of %(total)s. Nothing comes just now; Ollama tries again by itself.", **here)
    if left < 60:
        return _("%(here)s of %(total)s, less than a minute left", **here)
    return _("%(here)s of %(total)s, time left: about %(time)s", time=in_words(left), **here)


def problem(pull: Pull, url: str) -> InsightError | None:
    """Why it failed, or what it waits for to be mended."""
    return explain(pull.problem, model=pull.name, url=url) if pull.problem else None


def news(pull: Pull, before: tuple[int, str] | None) -> str:
    """What a page that showed `before` (percent and state; None: nothing of it) is to say aloud; "" mostly."""
    shown = before or (0, "")
    if pull.state.value != shown[1] and (before or pull.state.runs):
        said = {
            State.PULLING: N_("%(model)s is being fetched."),
            State.CHECKING: N_("All of %(model)s is here, and is being checked."),
            State.WAITING: N_("Fetching %(model)s waits, and goes on by itself."),
            State.DONE: N_("%(model)s is here, and ready to answer."),
            State.CANCELLED: N_("Fetching %(model)s was stopped."),
            State.FAILED: N_("Fetching %(model)s failed."),
            State.INTERRUPTED: N_("Fetching %(model)s was interrupted."),
        }[pull.state]
        return _(said, model=pull.name)
    if pull.state is State.PULLING and pull.percent // QUARTER > shown[0] // QUARTER:
        return _("%(model)s: %(percent)s percent are here.", model=pull.name, percent=pull.percent)
    return ""


def about(model: Model) -> str:
    """Size, parameters, family and context, in one line."""
    parts = [size(model.size)] if model.size else []
    parts += [model.details] if model.details else []
    parts += [_("of the family %(family)s", family=model.family)] if model.family else []
    parts += [_("reads %(tokens)s tokens at once", tokens=said_number(model.context))] if model.context else []
    return " · ".join(parts)


def abilities(model: Model) -> list[str]:
    return [_(words) for ability, words in ABILITIES.items() if ability in model.abilities]


def in_memory(loaded: Loaded, now: float) -> str:
    """How long it stays there, and how much of it is on the graphics card."""
    if loaded.until is None:
        stays = _("In memory.")
    elif loaded.until - now > FOR_GOOD_SECONDS:
        stays = _("In memory until it is taken out.")
    elif loaded.until <= now:
        stays = _("Still in memory.")
    else:
        stays = _("In memory. Time left, if nobody asks it: %(time)s.", time=in_words(loaded.until - now))
    return f"{stays} {_where(loaded)}".strip()


def _where(loaded: Loaded) -> str:
    if not loaded.size:
        return ""
    takes = size(loaded.size)
    if not loaded.on_gpu:
        return _("It takes %(size)s, nothing of it on a graphics card.", size=takes)
    if loaded.on_gpu >= loaded.size:
        return _("It takes %(size)s, all of it on the graphics card.", size=takes)
    percent = max(1, 100 * loaded.on_gpu // loaded.size)
    return _("It takes %(size)s, %(percent)s percent of it on the graphics card.", size=takes, percent=percent)
