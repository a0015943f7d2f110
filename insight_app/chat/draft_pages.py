"""What is typed and not sent: without JavaScript, forms carry it to the pages that a chat leads to, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue

from insight_app.chat import attachment_routes as files
from insight_app.chat import option_pages, pages, streamed_routes
from insight_app.chat.attachments import Attachment
from insight_app.chat.forms import PromptForm
from insight_app.chat.guards import own_conversation
from insight_app.web import services


@dataclass(frozen=True, slots=True)
class Draft:
    """`after` is the message that it is to come after, None where nobody said; `model` the one it is to go to."""

    text: str
    attached: Sequence[Attachment] = ()
    after: int | None = None
    model: str = ""


def carried() -> Draft | None:
    """What the form that led to this page carries along; None where there is nothing, or a script keeps it."""
    if request.method != "POST" or "message" not in request.form:
        return None
    form, text, attached = PromptForm(), request.form["message"], files.typed_along()
    return Draft(text, attached, form.after, form.chosen_model) if text.strip() or attached else None


def chat(more: str = "") -> ResponseReturnValue:
    """The chat that this page is about, with what was typed, and `more` after it, where one writes."""
    draft = carried() or Draft("")
    text = "\n\n".join((draft.text.rstrip(), more)) if more and draft.text.strip() else more or draft.text
    names: dict[str, object] = {"draft": text, "chosen": draft.attached}
    if draft.model:
        names["model"] = draft.model
    place = option_pages.place_of_page()
    if place == "temporary":
        services().conversations.expect_temporary()
        return render_template("chat/temporary.html", **names)
    if not place:
        return render_template("chat/home.html", **names)
    found, at = own_conversation(place), PromptForm().after or None
    return streamed_routes.growing(found, at, **names) or pages.conversation(found, at, None, **names)
