"""Thumbs up and down, which only their owner ever sees."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.chat.guards import own_message
from insight_app.chat.rating_store import RatingStore
from insight_app.errors import NotThere
from insight_app.web import draw, from_htmx, services

rating = Blueprint("rating", __name__)
VALUES = {"1": 1, "-1": -1}


@rating.post("/answers/<int:answer_id>/rating")
def rate(answer_id: int) -> ResponseReturnValue:
    """Keeps a `rating` of 1 or -1; anything else takes back what was said. Of a temporary chat nothing is kept."""
    answer = own_message(answer_id, "assistant")
    if answer.is_temporary or answer.state.is_live:
        raise NotThere
    value = VALUES.get(request.form.get("rating", ""))
    RatingStore(services().database).rate(answer_id, value)
    if value and value != answer.rating:
        # The name of a model that no engine has came with an import: whatever it says, it is nobody's but theirs.
        there = {model.name for model in services().engine.standing.models}
        services().metrics.rated(answer.model if answer.model in there else "", value)
    if from_htmx():
        return draw("chat/_rating.html", message=replace(answer, rating=value))
    home = url_for("chat.conversation", conversation_id=answer.conversation_id, at=answer_id, _anchor=f"a{answer_id}")
    return redirect(home, 303)


def register(app: Flask) -> None:
    app.register_blueprint(rating)
