"""The forms of a conversation: text from a browser becomes values or errors."""

from __future__ import annotations

import secrets

from wtforms import BooleanField, Field, HiddenField, StringField, TextAreaField, ValidationError

from insight_app.chat import prompts
from insight_app.chat.prompts import LONGEST_BASE, Parts
from insight_app.forms import Form
from insight_app.words import _, lazy, said_number


class PromptForm(Form):
    """A prompt, the model that shall answer it ("" = the first one), and the key that tells one form from another."""

    message = TextAreaField("Message")
    model = StringField("Model")
    key = HiddenField()
    parent = HiddenField()

    def prompt(self, longest: int, *, with_files: bool) -> str:
        """Raises EmptyPrompt or PromptTooLarge."""
        return prompts.check(self.message.data or "", longest, with_files=with_files)

    @property
    def chosen_model(self) -> str:
        return prompts.clean(self.model.data or "").strip()[:255]

    @property
    def form_key(self) -> str:
        """What makes two posts of one form one prompt; a form without a key is its own."""
        return prompts.clean(self.key.data or "").strip()[:64] or new_key()

    @property
    def after(self) -> int | None:
        """The message that the prompt comes after; 0 for none (a beginning), None for the end as it is."""
        given = (self.parent.data or "").strip()
        return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


class AtMost:
    """No more than so many characters, once what cannot be seen is taken out."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def __call__(self, _form: object, field: Field) -> None:
        if len(prompts.clean(field.data or "")) > self._longest:
            raise ValidationError(_("At most %(number)s characters are possible.", number=said_number(self._longest)))


class ConversationForm(Form):
    """A conversation's name."""

    title = StringField("Name")

    @property
    def name(self) -> str:
        """The name, or "" where there is none."""
        return " ".join(prompts.clean(self.title.data or "").split())[:200]


class PromptSettingsForm(Form):
    """What the model is told in every conversation of everybody."""

    base = TextAreaField(lazy("Your instructions"), [AtMost(LONGEST_BASE)])
    with_base = BooleanField(lazy("Send your instructions"))
    with_wrapper = BooleanField(lazy("Send a few sentences about safety"))
    with_date = BooleanField(lazy("Send today’s date"))
    with_own = BooleanField(lazy("Let conversations have instructions of their own"))

    @property
    def parts(self) -> Parts:
        switches = {name: bool(self[name].data) for name in ("with_base", "with_wrapper", "with_date", "with_own")}
        return Parts(base=prompts.clean(self.base.data or "").strip(), **switches)


def new_key() -> str:
    return secrets.token_urlsafe(12)
