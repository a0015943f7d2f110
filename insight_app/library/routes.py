"""The model picker and the line that says which engine answers, kept up to date while there is no model."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, render_template, request

from insight_app.engines.fallback import Standing
from insight_app.rendering.swaps import swap
from insight_app.web import services

library = Blueprint("library", __name__)


@library.get("/models")
def models() -> str:
    """The picker as it is now, with ?model= chosen, and the line about the engine."""
    line = swap("#engine", "outerMorph", render_template("library/_engine.html"))
    return render_template("library/_models.html", model=request.args.get("model", "")) + line


def register(app: Flask) -> None:
    app.register_blueprint(library)

    @app.context_processor
    def standing() -> dict[str, Any]:
        now = services().engine.standing
        return {"standing": now, "stays_here": _stays_here(now)}


def _stays_here(now: Standing) -> bool:
    """Whether whatever is asked stays on this machine, with any of the models that can be chosen."""
    host = urlsplit(now.url).hostname or ""
    is_near = host in ("localhost", "::1") or host.startswith("127.")
    return is_near and not any(model.remote and not model.refused for model in now.models)
