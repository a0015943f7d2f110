"""Whatever has an answer written: a prompt that is sent, another try, an answer that is to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import attachment_routes as files
from insight_app.chat import option_pages, pages
from insight_app.chat.attachments import Attachment
from insight_app.chat.forms import PromptForm
from insight_app.chat.guards import own_conversation, own_message
from insight_app.chat.messages import Message, is_temporary
from insight_app.chat.options import Wishes
from insight_app.chat.presets import Preset
from insight_app.errors import NotThere
from insight_app.limits import rates
from insight_app.limits.guards import Taken, allowed, an_answer
from insight_app.web import allow_large, from_htmx, largest_with_files, services

sending = Blueprint("sending", __name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A prompt as its form brought it; `temporary`: of a chat that is not kept."""

    form: PromptForm
    text: str
    attached: Sequence[Attachment]
    temporary: bool

    @classmethod
    def here(cls, *, temporary: bool) -> Sent:
        """By the request at hand. Text or files: one of the two is enough, else raises EmptyPrompt."""
        form = PromptForm()
        attached = files.sent_along(temporary=temporary)
        text = form.prompt(services().settings.max_prompt_chars, with_files=bool(attached))
        return cls(form, text, attached, temporary)

    def before(self) -> Message | None:
        """The prompt that the same form was taken as before."""
        return services().conversations.sent_with(self.form.form_key, me().id, temporary=self.temporary)

    def is_there(self) -> bool:
        """Whether the same form with the same text was taken already."""
        before = self.before()
        return before is not None and before.text == self.text

    def ask(
        self,
        taken: Taken,
        conversation_id: str | None = None,
        parent_id: int | None = None,
        begins: Mapping[str, str] | None = None,
    ) -> tuple[Message, Message | None]:
        """The prompt and its answer; the prompt and None for a form that was taken already.

        Raises PromptRefused, and TooManyWaiting, but not for such a form.
        """
        if not taken.is_left:  # it may have been deleted just now, and nothing may begin in its place
            if (before := self.before()) is None:
                raise NotThere
            return before, None
        files.expect_seen(self.attached, taken.model)
        held = replace(self, attached=files.held(self.attached), text=services().moderation.prompt(self.text))
        services().answering.expect_room(me().id, taken.model, is_there=held.is_there)
        prompt, answer = services().conversations.ask(
            held.text,
            model=taken.model,
            owner=me().id,
            form_key=self.form.form_key,
            conversation_id=conversation_id,
            parent_id=parent_id,
            attached=held.attached,
            begins=begins,
            temporary=self.temporary,
        )
        taken.is_used = answer is not None
        return prompt, answer


@sending.post("/messages")
@rates.sending
def begin() -> ResponseReturnValue:
    """The first prompt of a new conversation."""
    return _begin(temporary=False)


@sending.post("/temporary")
@rates.sending
def begin_temporary() -> ResponseReturnValue:
    """The first prompt of a chat that is not kept."""
    return _begin(temporary=True)


def _begin(*, temporary: bool) -> ResponseReturnValue:
    sent = Sent.here(temporary=temporary)
    begins = option_pages.beginning() or Preset("", "", "")
    with an_answer(sent.form.chosen_model, is_there=sent.is_there) as taken:
        told = services().moderation.prompt(begins.instructions) if begins.instructions else ""
        wishes = replace(begins.wishes, model=taken.model)
        prompt, answer = sent.ask(taken, begins={"options": wishes.as_json(), "instructions": told})
    if answer is not None:
        services().answering.start(answer, [prompt])
    return pages.to_conversation(prompt.conversation_id)


@sending.post("/c/<conversation_id>/messages")
@rates.sending
def send(conversation_id: str) -> ResponseReturnValue:
    """A prompt after the message that the form names: the last one of its page, or an earlier one (a branch)."""
    wished = Wishes.from_json(own_conversation(conversation_id).options)
    sent = Sent.here(temporary=is_temporary(conversation_id))
    after = sent.form.after
    before = [] if after == 0 else services().conversations.history(conversation_id, after)
    with an_answer(sent.form.chosen_model, is_there=sent.is_there) as taken:
        prompt, answer = sent.ask(taken, conversation_id, before[-1].id if before else None)
    if answer is not None:
        if wished.model != taken.model:
            services().options.follow(conversation_id, taken.model)
        services().answering.start(answer, [*before, prompt])
    if answer is None or not from_htmx():
        return pages.to_conversation(conversation_id)
    return Response(pages.sent(prompt, answer), headers={"HX-Trigger": "sent"})


@sending.post("/answers/<int:answer_id>/again")
@rates.sending
def again(answer_id: int) -> ResponseReturnValue:
    """Another answer to the same prompt, beside the first."""
    return _another(own_message(answer_id, "assistant"), so_far=None)


@sending.post("/answers/<int:answer_id>/continue")
@rates.sending
def go_on(answer_id: int) -> ResponseReturnValue:
    """Another answer that begins with what this one has, and goes on from there."""
    old = own_message(answer_id, "assistant")
    return _another(old, so_far=old)


def _another(old: Message, so_far: Message | None) -> ResponseReturnValue:
    history = services().conversations.history(old.conversation_id, old.id)[:-1]
    with an_answer(_choice(old)) as taken:
        # The rules may have changed since the prompt was sent.
        files.expect_seen(history[-1].attached, taken.model)
        held = files.held(history[-1].attached)
        history[-1] = replace(history[-1], text=services().moderation.prompt(history[-1].text), attached=held)
        services().answering.expect_room(me().id, taken.model)
        new = services().conversations.add_answer(history[-1], taken.model, so_far)
    services().options.follow(old.conversation_id, taken.model)
    services().answering.start(new, history)
    if not from_htmx():
        return pages.to_conversation(old.conversation_id)
    if urlsplit(request.headers.get("HX-Current-URL", "")).query:
        # The address names another try, and a reload would show that one.
        return Response(headers={"HX-Redirect": url_for("chat.conversation", conversation_id=old.conversation_id)})
    return pages.instead(old, new)


def _choice(old: Message) -> str:
    """The model for another answer: what the page's picker says, else the one of before, if it is still there."""
    if "model" in request.form:
        return PromptForm().chosen_model
    there = {model.name for model in allowed(services().engine.standing.models)}
    wished = services().options.wishes(old.conversation_id).model
    model = old.choice if wished is None else wished
    return model if model in there else ""


def register(app: Flask) -> None:
    app.register_blueprint(sending)
    for endpoint in ("sending.begin", "sending.begin_temporary", "sending.send"):
        allow_large(app, endpoint, largest_with_files(app.extensions["insight"].settings))
