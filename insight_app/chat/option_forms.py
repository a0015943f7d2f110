"""The forms of what is wished for answers, of presets and of saved prompts."""

from __future__ import annotations

import re
from typing import Any

from wtforms import Field, HiddenField, StringField, TextAreaField
from wtforms.validators import ValidationError

from insight_app.chat import presets, prompts, saved_prompts
from insight_app.chat.forms import AtMost
from insight_app.chat.options import (
    HOTTEST,
    KEEP_ALIVES,
    LARGEST_SEED,
    LONGEST_NAME,
    SHORTEST_CONTEXT,
    THINKING,
    Limits,
    Wishes,
)
from insight_app.chat.prompts import LONGEST_OWN
from insight_app.forms import Form
from insight_app.words import N_, _, lazy, said_number

# What can be chosen, in words; "" leaves it to the model or the server.
KEEP_ALIVE_WORDS = {
    "": N_("As this server does"),
    "0": N_("Not at all"),
    "5m": N_("5 minutes"),
    "30m": N_("30 minutes"),
    "2h": N_("2 hours"),
    "24h": N_("A day"),
    "-1": N_("Until Ollama ends"),
}
THINKING_WORDS = {
    "": N_("As the model does by itself"),
    "off": N_("Do not think"),
    "on": N_("Think"),
    "low": N_("Think a little"),
    "medium": N_("Think for a while"),
    "high": N_("Think long"),
}


class OptionsForm(Form):
    """What is wished for a conversation, within limits; a field that is empty leaves it to the model and the server."""

    name = StringField(lazy("Name"))  # under which it is kept as a preset, where it is
    instructions = TextAreaField(lazy("Instructions"), [AtMost(LONGEST_OWN)])
    model = StringField(lazy("Model"))
    temperature = StringField(lazy("Temperature"))
    longest = StringField(lazy("Longest answer, in tokens"))
    thinking = StringField(lazy("Thinking"))
    seed = StringField(lazy("Seed"))
    context = StringField(lazy("Context length, in tokens"))
    keep_alive = StringField(lazy("Keep the model in memory"))

    def __init__(self, limits: Limits, wishes: Wishes | None = None, **given: Any) -> None:
        """`wishes` are what the form shows at first; None: what was sent."""
        if wishes is not None:
            shown = {name: _said(getattr(wishes, name)) for name in Wishes.__dataclass_fields__}
            given = {"formdata": None, **shown, **given}
        super().__init__(**given)
        self.limits = limits

    def wishes(self, before: Wishes) -> Wishes:
        """What was sent. A field that was not (it cannot be used with the model of now) stays as it was."""
        return Wishes(**{name: self._sent(name, getattr(before, name)) for name in Wishes.__dataclass_fields__})

    @property
    def own(self) -> str:
        return prompts.clean(self.instructions.data or "").strip()

    @property
    def called(self) -> str:
        return " ".join(prompts.clean(_text(self.name)).split())

    def validate_temperature(self, field: Field) -> None:
        text = _text(field).replace(",", ".")
        if text and not (
            re.fullmatch(r"\d{0,3}\.?\d{0,10}", text) and re.search(r"\d", text) and float(text) <= HOTTEST
        ):
            raise ValidationError(_("Write a number from 0 to %(most)s.", most=said_number(HOTTEST)))

    def validate_longest(self, field: Field) -> None:
        _whole(field, 1, self.limits.longest)

    def validate_seed(self, field: Field) -> None:
        _whole(field, 0, LARGEST_SEED)

    def validate_context(self, field: Field) -> None:
        if self.limits.context is not None:
            _whole(field, min(SHORTEST_CONTEXT, self.limits.context), self.limits.context)

    def validate_thinking(self, field: Field) -> None:
        _one_of(field, tuple(THINKING))

    def validate_keep_alive(self, field: Field) -> None:
        _one_of(field, KEEP_ALIVES)

    def validate_model(self, field: Field) -> None:
        if len(prompts.clean(_text(field))) > LONGEST_NAME:
            raise ValidationError(_("Choose one of the list."))

    def _sent(self, name: str, before: Any) -> Any:
        field = self[name]
        if not field.raw_data or (name == "context" and self.limits.context is None):
            return before
        text = _text(field)
        if name == "model":
            return prompts.clean(text)
        if not text:
            return None
        if name == "temperature":
            return float(text.replace(",", "."))
        return text if name in ("thinking", "keep_alive") else int(text)


class PresetForm(OptionsForm):
    """The same to be kept, under a name."""

    def validate_name(self, field: Field) -> None:
        _name(field, presets.LONGEST_NAME)


class SavedPromptForm(Form):
    """A prompt to keep; `longest` is how many characters a message may have."""

    name = StringField(lazy("Name"))
    text = TextAreaField(lazy("Prompt"))

    def __init__(self, longest: int, **given: Any) -> None:
        super().__init__(**given)
        self._longest = longest

    def validate_name(self, field: Field) -> None:
        _name(field, saved_prompts.LONGEST_NAME)

    def validate_text(self, field: Field) -> None:
        if not self.said.strip():
            raise ValidationError(_("Write the prompt."))
        AtMost(self._longest)(self, field)

    @property
    def called(self) -> str:
        return " ".join(prompts.clean(_text(self.name)).split())

    @property
    def said(self) -> str:
        return prompts.clean(self.text.data or "").strip("\n").rstrip()


class BeginningForm(Form):
    """What the form of a new chat carries along: what somebody wished for it before the first message."""

    preset = HiddenField()
    options = HiddenField()
    instructions = HiddenField()

    @property
    def name(self) -> str:
        return prompts.clean(self.preset.data or "")[:32]

    @property
    def wishes(self) -> Wishes:
        return Wishes.from_json(prompts.clean(self.options.data or ""))

    @property
    def own(self) -> str:
        """Cut, as the page that made this form takes no longer ones."""
        return prompts.clean(self.instructions.data or "").strip()[:LONGEST_OWN]


def _text(field: Field) -> str:
    return str(field.data or "").strip()


def _said(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _whole(field: Field, least: int, most: int) -> None:
    text = _text(field)
    if text and not (re.fullmatch(r"[0-9]{1,12}", text) and least <= int(text) <= most):
        between = {"least": said_number(least), "most": said_number(most)}
        raise ValidationError(_("Write a whole number from %(least)s to %(most)s.", **between))


def _one_of(field: Field, choices: tuple[str, ...]) -> None:
    if _text(field) not in ("", *choices):
        raise ValidationError(_("Choose one of the list."))


def _name(field: Field, longest: int) -> None:
    if not prompts.clean(_text(field)).strip():
        raise ValidationError(_("Give it a name."))
    AtMost(longest)(None, field)
