"""How programs ask, told to their authors: the OpenAPI document, and a page of examples."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, jsonify, render_template, request
from markupsafe import Markup

import insight_app
from insight_app.accounts.guards import for_everybody
from insight_app.api.examples import examples
from insight_app.api.openapi import document
from insight_app.limits.guards import allowed
from insight_app.rendering.markdown import render
from insight_app.web import add_settings_page, services
from insight_app.words import N_

programs = Blueprint("programs", __name__)


@programs.get("/api/openapi.json")
@for_everybody
def openapi() -> Response:
    """The OpenAPI document, for this server as it was called."""
    return jsonify(document(insight_app.__version__, _address(), with_keys=_asks_for_keys()))


@programs.get("/settings/api")
def page() -> str:
    models = [model.name for model in allowed(services().engine.standing.models) if not model.refused]
    shown = examples(_address(), models[0] if models else "llama3.2", with_key=_asks_for_keys())
    return render_template(
        "api/page.html",
        examples={name: Markup(render(text)) for name, text in shown.items()},
        address=f"{_address()}/v1",
        asks_for_keys=_asks_for_keys(),
    )


def _address() -> str:
    return request.host_url.rstrip("/")


def _asks_for_keys() -> bool:
    return services().settings.auth_mode != "local"


def register(app: Flask) -> None:
    app.register_blueprint(programs)
    add_settings_page(app, N_("API"), "programs.page")
