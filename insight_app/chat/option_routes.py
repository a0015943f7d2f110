"""How the answers of a conversation are asked for: its page, and the one of a chat that has not begun."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Flask, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import draft_pages, option_pages
from insight_app.chat.guards import own_conversation
from insight_app.chat.messages import Conversation
from insight_app.chat.option_forms import OptionsForm, PresetForm
from insight_app.chat.options import Wishes
from insight_app.chat.presets import Preset
from insight_app.errors import PromptRefused
from insight_app.limits.guards import may_use
from insight_app.web import services

options = Blueprint("options", __name__)


@options.get("/c/<conversation_id>/options")
def page(conversation_id: str) -> str:
    """What is wished for a conversation; ?preset= fills in what that one has, to be saved or not."""
    found = own_conversation(conversation_id)
    wishes, own = _of(found)
    filled = option_pages.preset_of(request.args.get("preset", ""))
    if filled is not None:
        wishes = replace(filled.wishes, model=filled.wishes.model or wishes.model)
        own = filled.instructions
    form = OptionsForm(services().options.limits, wishes, instructions=own)
    return _page(form, wishes, conversation=found, filled=filled)


@options.post("/c/<conversation_id>/options")
def save(conversation_id: str) -> ResponseReturnValue:
    found = own_conversation(conversation_id)
    before, own = _of(found)
    form = OptionsForm(services().options.limits)
    told = _held(form, own) if form.validate() else None
    if told is None:
        return _page(form, before, conversation=found), 422
    wishes = form.wishes(before)
    if wishes.model and not may_use(wishes.model):
        wishes = replace(wishes, model=before.model)
    services().options.wish(conversation_id, wishes)
    if told != own:
        services().conversations.instruct(conversation_id, told)
    if draft_pages.carried():
        return draft_pages.chat()
    return redirect(url_for("chat.conversation", conversation_id=conversation_id), 303)


@options.post("/c/<conversation_id>/options/preset")
def keep(conversation_id: str) -> ResponseReturnValue:
    """Keeps what the page says as a preset; the conversation stays as it is."""
    found = own_conversation(conversation_id)
    before, _own = _of(found)
    form = PresetForm(services().options.limits)

    def keep() -> None:
        wishes = form.wishes(before)
        services().presets.add(me().id, form.called, form.own, replace(wishes, model=wishes.model or None))

    if not form.validate() or not option_pages.is_kept(form, keep):
        return _page(form, before, conversation=found), 422
    return _page(form, form.wishes(before), conversation=found, kept=form.called)


@options.get("/options")
def beginning() -> str:
    """What a chat shall begin with, for which there is no message yet; ?preset= fills in what that one has."""
    filled = option_pages.beginning()
    wishes = filled.wishes if filled else Wishes()
    form = OptionsForm(services().options.limits, wishes, instructions=filled.instructions if filled else "")
    return _page(form, wishes, filled=filled)


@options.post("/options")
def begin() -> ResponseReturnValue:
    """The page of a new chat, whose form carries along what is wished."""
    form = OptionsForm(services().options.limits)
    told = _held(form, "") if form.validate() else None
    if told is None:
        return _page(form, Wishes()), 422
    g.beginning = Preset(option_pages.OWN, "", told, form.wishes(Wishes()))
    return draft_pages.chat()


def _of(found: Conversation) -> tuple[Wishes, str]:
    """What is wished for a conversation, and its instructions."""
    wishes = services().options.wishes(found.id)
    if wishes.model is None:  # it began when models were the messages' alone
        last = services().conversations.history(found.id)[-1:]
        wishes = replace(wishes, model=last[0].choice if last else "")
    return wishes, services().conversations.instructions(found.id)


def _held(form: OptionsForm, before: str) -> str | None:
    """The instructions as the rules let them be kept; None where they do not, which the form then says."""
    if form.own == before or not form.own:
        return form.own
    try:
        return services().moderation.prompt(form.own)
    except PromptRefused as refused:
        form.instructions.errors = [refused.facts["reason"]]
        return None


def _page(
    form: OptionsForm,
    wishes: Wishes,
    *,
    conversation: Conversation | None = None,
    filled: Preset | None = None,
    kept: str = "",
) -> str:
    return render_template(
        "chat/options.html",
        form=form,
        conversation=conversation,
        choices=option_pages.choices(wishes),
        limits=services().options.limits,
        filled=filled,
        kept=kept,
    )


def register(app: Flask) -> None:
    app.register_blueprint(options)
    app.jinja_env.globals["beginning"] = option_pages.beginning
    app.jinja_env.globals["presets_to_choose"] = option_pages.presets
    app.jinja_env.globals["options_of_page"] = option_pages.options_of_page
    app.jinja_env.globals["place_of_page"] = option_pages.place_of_page
    app.jinja_env.globals["way_of_page"] = option_pages.way_of_page
