"""Choosing a saved prompt where one writes: its places are asked for, and the result is put into the message."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import draft_pages, prompts
from insight_app.chat.preset_routes import MANY
from insight_app.chat.saved_prompts import SavedPrompt, found
from insight_app.chat.variables import Variable, filled, length_filled, variables
from insight_app.errors import PromptTooLarge
from insight_app.web import from_htmx, services

saved = Blueprint("saved", __name__, url_prefix="/saved-prompts")


@saved.get("")
def choose() -> str:
    """The saved prompts, those with the words of ?find=; ?to= is the chat that one is for, ?preset= its preset."""
    wanted, mine = request.values.get("find", ""), services().saved_prompts.of(me().id)
    names = {"saved": found(mine, wanted), "wanted": wanted, "has_many": len(mine) > MANY}
    return _drawn("list" if request.args.get("part") == "list" else "choose", **names)


@saved.get("/<saved_id>")
def fill(saved_id: str) -> ResponseReturnValue:
    """A form for what the prompt leaves open; of one that leaves nothing open the message itself."""
    prompt = services().saved_prompts.find(saved_id, me().id)
    asked = variables(prompt.text)
    return _form(prompt, asked, {}) if asked else _put(filled(prompt.text, {}))


@saved.post("/<saved_id>")
def put(saved_id: str) -> ResponseReturnValue:
    """The prompt, filled in, where one writes; it is not sent."""
    prompt = services().saved_prompts.find(saved_id, me().id)
    asked = variables(prompt.text)
    given = {
        each.name: prompts.clean(request.form[f"value-{number}"])
        for number, each in enumerate(asked)
        if f"value-{number}" in request.form
    }
    length, longest = length_filled(prompt.text, given), services().settings.max_prompt_chars
    if length > longest:
        return _form(prompt, asked, given, PromptTooLarge(length=f"{length:,}", limit=f"{longest:,}")), 422
    return _put(filled(prompt.text, given))


def _form(
    prompt: SavedPrompt, asked: list[Variable], given: dict[str, str], error: PromptTooLarge | None = None
) -> str:
    return _drawn("fill", prompt=prompt, asked=asked, given=given, error=error)


def _put(text: str) -> ResponseReturnValue:
    """The text for the page that is open or, without JavaScript, the chat's page with it where one writes."""
    if from_htmx():
        return render_template("chat/_saved_filled.html", text=text)
    return draft_pages.chat(text)


def _drawn(part: str, **names: object) -> str:
    template = f"chat/_saved_{part}.html" if from_htmx() else "chat/saved_prompts.html"
    return render_template(template, part="choose" if part == "list" else part, **names)


def register(app: Flask) -> None:
    app.register_blueprint(saved)
