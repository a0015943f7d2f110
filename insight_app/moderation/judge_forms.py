"""The form of the judge: text from a browser becomes its settings, or errors beside their fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wtforms import BooleanField, IntegerField, StringField, ValidationError
from wtforms.validators import NumberRange

from insight_app.forms import Form
from insight_app.moderation.forms import OneOf
from insight_app.moderation.judge_families import Family, Fate
from insight_app.moderation.judge_settings import (
    FAMILIES,
    LEAST_SECONDS,
    MOST_SECONDS,
    JudgeSettings,
    family_of,
)
from insight_app.sentences import listed
from insight_app.words import N_, _, lazy

FATES = {Fate.REFUSE: N_("Refuse"), Fate.FLAG: N_("Flag"), Fate.IGNORE: N_("Ignore")}
LATE = {Fate.REFUSE: N_("Refuse, and say why"), Fate.FLAG: N_("Let through, and flag")}


class JudgeForm(Form):
    """Everything about the judge; each category of each family has a field of its own."""

    model = StringField(lazy("Model"))
    prompts = BooleanField(lazy("Read messages before they are sent"))
    answers = BooleanField(lazy("Read answers, sentence by sentence, before they are shown"))
    seconds = IntegerField(
        lazy("Seconds it may take"),
        [NumberRange(LEAST_SECONDS, MOST_SECONDS, lazy("A number from %(min)s to %(max)s, please."))],
    )
    late = OneOf(lazy("Where it takes longer, or fails"), LATE)
    models: Mapping[str, str] = {}

    def offer(self, installed: Iterable[str], chosen: str) -> JudgeForm:
        """Lets these models be chosen, if they can judge, and the one that is chosen already."""
        gone = {chosen: _("%(model)s (not installed)", model=chosen)} if chosen else {}
        self.models = {"": _("No judge"), **gone, **{name: name for name in installed if family_of(name)}}
        return self

    def validate_model(self, field: StringField) -> None:
        if field.data not in self.models:
            raise ValidationError(_("Only %(models)s can judge.", models=listed(family.name for family in FAMILIES)))

    @property
    def family(self) -> Family | None:
        return family_of(self.model.data or "")

    def settings(self, before: JudgeSettings) -> JudgeSettings:
        """What was typed, once it is valid; what other families are set to stays as it was."""
        fates = dict(before.fates)
        for category in self.family.categories if self.family else ():
            fate = Fate(self[f"fate_{category.code}"].data)
            fates.pop(category.code, None)
            if fate is not category.fate:
                fates[category.code] = fate
        return JudgeSettings(
            self.model.data, self.prompts.data, self.answers.data, self.seconds.data, Fate(self.late.data), fates
        )

    @classmethod
    def of(cls, settings: JudgeSettings) -> JudgeForm:
        fates = {
            f"fate_{category.code}": settings.fate(category).value
            for family in FAMILIES
            for category in family.categories
        }
        plain = {name: getattr(settings, name) for name in ("model", "prompts", "answers", "seconds")}
        return cls(formdata=None, late=settings.late.value, **plain, **fates)


for _family in FAMILIES:
    for _category in _family.categories:
        _field = OneOf(_category.words, FATES, default=_category.fate.value)
        setattr(JudgeForm, f"fate_{_category.code}", _field)
