"""What somebody may ask: which models, and whether one more answer. Every route that begins an answer asks here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from insight_app.accounts.guards import me
from insight_app.engines.base import Model, key_of
from insight_app.errors import ModelNotAllowed, NoModelAllowed, QuotaReached
from insight_app.limits.store import Place
from insight_app.web import services


@dataclass
class Taken:
    """An answer that is counted. `model` is the one to ask; one that does not begin after all `is_used` no more.

    `is_left` is False where none is: then only what began before may be found.
    """

    model: str
    is_used: bool = True
    is_left: bool = True


@contextmanager
def an_answer(wanted: str, *, is_there: Callable[[], bool] = lambda: False) -> Iterator[Taken]:
    """Counts an answer of a model ("" is the best there is), unless the block raises or says that none began.

    Raises ModelNotAllowed, and QuotaReached, before anything is done. Where none is left, `is_there` is asked whether
    it was begun before: then the block only finds that.
    """
    found, person = services().counting, me()
    taken = Taken(allowed_model(wanted))
    place: Place | None = None
    try:
        place = found.begin(person.id, person.role.value, _listed(taken.model))
    except QuotaReached:
        if not is_there():
            raise
        taken.is_left = False
    begins = False
    try:
        yield taken
        begins = taken.is_used
    finally:
        if place is not None and not begins:
            found.give_back(place)


def allowed_model(wanted: str) -> str:
    """The model to ask, where somebody wants this one. Raises ModelNotAllowed."""
    names = _allowed_names()
    if names is None:
        return wanted
    if wanted:
        if key_of(wanted) not in names:
            raise ModelNotAllowed(model=wanted)
        return wanted
    preferred = key_of(services().settings.ollama_model)
    for model in services().engine.standing.models:
        # What runs on another machine is never chosen unasked.
        if key_of(model.name) in names and not model.refused and (not model.remote or key_of(model.name) == preferred):
            return model.name
    raise NoModelAllowed


def allowed(models: Iterable[Model]) -> tuple[Model, ...]:
    """Those that whoever asks may use."""
    names = _allowed_names()
    return tuple(model for model in models if names is None or key_of(model.name) in names)


def may_use(model: str) -> bool:
    names = _allowed_names()
    return names is None or key_of(model) in names


def _allowed_names() -> frozenset[str] | None:
    """None: every model."""
    person = me()
    models = services().limits.role(person.role.value).models if person.id else None
    return None if models is None else frozenset(map(key_of, models))


def _listed(model: str) -> str:
    """The name under which an answer is counted: one that there is, and never what somebody made up."""
    name = services().engine.resolved(model)
    return name if any(each.name == name for each in services().engine.standing.models) else ""
