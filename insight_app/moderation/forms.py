"""The forms of moderation: text from a browser becomes a rule, a try or a file, or errors beside their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wtforms import BooleanField, FileField, HiddenField, StringField, TextAreaField, ValidationError

from insight_app.forms import Form
from insight_app.moderation import checking
from insight_app.moderation.personal_names import as_kept, as_said
from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.trying import LONGEST
from insight_app.moderation.wording import ACTIONS, KINDS, SCOPES
from insight_app.words import N_, _, lazy, said_number

TRIED_AS = {Scope.PROMPTS: N_("A message"), Scope.ANSWERS: N_("An answer")}


class OneOf(StringField):  # type: ignore[misc]
    """One of some values; `words` says each for people. The first one is what is chosen at first, unless told."""

    def __init__(self, label: str, words: Mapping[Any, str], **given: Any) -> None:
        super().__init__(label, **{"default": next(iter(words)).value, **given})
        self.words = {value.value: _(said) for value, said in words.items()}

    def pre_validate(self, form: Form) -> None:
        if self.data not in self.words:
            raise ValidationError(_("Choose one of these."))


class TryForm(Form):
    """A text to try the rules on."""

    try_text = TextAreaField(lazy("Something to try"))
    try_scope = OneOf(lazy("It is"), TRIED_AS)

    def sample(self) -> tuple[Scope, str] | None:
        """What is to be tried, and as what; None where it cannot be, with the reason beside the field."""
        text = checking.clean(self.try_text.data or "")
        if not text.strip():
            self.try_text.errors = [_("Write or paste something first.")]
        elif len(text) > LONGEST:
            self.try_text.errors = [
                _(
                    "This has %(length)s characters; at most %(limit)s can be tried at once.",
                    length=said_number(len(text)),
                    limit=said_number(LONGEST),
                )
            ]
        else:
            scope = self.try_scope.data
            return (Scope.ANSWERS if scope == Scope.ANSWERS.value else Scope.PROMPTS), text
        return None


class RuleForm(TryForm):
    """A rule, the mark of the rule that it was made from ("" for a new one), and something to try it on."""

    name = StringField(lazy("Name"))
    kind = OneOf(lazy("Kind"), KINDS)
    text = TextAreaField(lazy("Text"))
    scope = OneOf(lazy("Applies to"), SCOPES)
    action = OneOf(lazy("Action"), ACTIONS)
    reason = StringField(lazy("Reason"))
    is_on = BooleanField(lazy("Switched on"), default=True)
    seen = HiddenField()

    @classmethod
    def of(cls, line: Line) -> RuleForm:
        """Filled with a rule, or with what can be read of it."""
        body = line.entry.body
        texts = {
            name: str(body[name]) for name in ("name", "kind", "text", "scope", "action", "reason") if name in body
        }
        if texts.get("kind") == Kind.PERSONAL.value and "text" in texts:
            texts["text"] = as_said(texts["text"])
        return cls(formdata=None, data={**texts, "is_on": line.is_on, "seen": line.mark})

    def rule(self, id: str, unnamed: str = "") -> Rule | None:
        """The rule, where nothing is wrong with it; else what is wrong stands beside the fields.

        `unnamed` is its name where it has none yet.
        """
        if not self.validate():
            return None
        kind, text = Kind(self.kind.data), checking.clean(self.text.data or "")
        rule = Rule(
            id,
            checking.on_one_line(self.name.data or "") or unnamed,
            kind,
            as_kept(text) if kind is Kind.PERSONAL else text,
            Scope(self.scope.data),
            Action(self.action.data),
            bool(self.is_on.data),
            checking.on_one_line(self.reason.data or ""),
        )
        wrong = checking.problems(rule)
        for field, problem in wrong.items():
            self[field].errors = [problem]
        return None if wrong else rule

    def problems(self) -> list[str]:
        """What is wrong with the rule, with the field's name."""
        return [f"{self[name].label.text}: {said[0]}" for name, said in self.errors.items() if name != "try_text"]


class ImportForm(Form):
    """A file of rules, chosen or pasted, and whether they are added or replace all others."""

    file = FileField(lazy("A file"))
    pasted = TextAreaField(lazy("Or paste it here"))
    instead = BooleanField(lazy("Remove all other rules"))

    def content(self) -> str | None:
        """The file's text; None where there is none or it is no text, with the reason beside the field."""
        sent = self.file.data.read() if self.file.data else b""
        if sent:
            try:
                return str(sent.decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                self.file.errors = [_("This file is no text: byte %(place)s is not UTF-8.", place=error.start + 1)]
                return None
        if not (self.pasted.data or "").strip():
            self.file.errors = [_("Choose a file, or paste what it says.")]
            return None
        return checking.clean(self.pasted.data)
