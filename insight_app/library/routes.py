"""The model picker and the line that says which engine answers, kept up to date while there is no model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask, g, render_template, request

from insight_app.accounts.guards import somebody
from insight_app.engines.fallback import Standing
from insight_app.errors import DatabaseError
from insight_app.library.library import is_near
from insight_app.limits.guards import allowed, may_use
from insight_app.rendering.swaps import swap
from insight_app.web import services

library = Blueprint("library", __name__)


@library.get("/models/picker")
def picker() -> str:
    """The picker as it is now, with ?model= chosen, and the line about the engine."""
    line = swap("#engine", "outerMorph", render_template("library/_engine.html"))
    return render_template("library/_models.html", model=request.args.get("model", "")) + line


def register(app: Flask) -> None:
    app.register_blueprint(library)

    @app.context_processor
    def standing() -> dict[str, Any]:
        now = services().engine.standing
        if somebody() is not None:
            now = _allowed(now)
        return {"standing": now, "stays_here": _stays_here(now), "may_use": may_use}


def _allowed(now: Standing) -> Standing:
    """With those models only that whoever asks may use; none where that cannot be read, and a page has to say so."""
    try:
        return replace(now, models=allowed(now.models))
    except DatabaseError:
        if "tells_an_error" not in g:
            raise
        return replace(now, models=())


def _stays_here(now: Standing) -> bool:
    """Whether whatever is asked stays on this machine, with any of the models that can be chosen."""
    return is_near(now.url) and not any(model.remote and not model.refused for model in now.models)
