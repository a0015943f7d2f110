"""The ways from where one writes to the pages around it and back, for who has no JavaScript: the text goes along."""

from __future__ import annotations

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue

from insight_app.chat import attachment_routes as files
from insight_app.chat import draft_pages, option_pages, option_routes, saved_prompt_routes
from insight_app.limits import rates
from insight_app.web import allow_large, largest_with_files

drafts = Blueprint("drafts", __name__)


@drafts.post("/draft")
@rates.bringing
def go() -> ResponseReturnValue:
    """The page ?for= "options", "saved" (prompts) or the saved prompt ?saved=, else the chat itself (?to=)."""
    files.sent_along(temporary=option_pages.is_of_temporary())
    wanted, place = request.args.get("for"), option_pages.place_of_page()
    if saved_id := request.args.get("saved"):
        return saved_prompt_routes.fill(saved_id)
    if wanted == "saved":
        return saved_prompt_routes.choose()
    if wanted == "options":
        return option_routes.beginning() if place in ("", "temporary") else option_routes.page(place)
    return draft_pages.chat()


def register(app: Flask) -> None:
    app.register_blueprint(drafts)
    allow_large(app, "drafts.go", largest_with_files(app.extensions["insight"].settings))
    app.jinja_env.globals["carried"] = draft_pages.carried
