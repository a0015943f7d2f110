"""How much people may ask, and of which models, as admins set it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import ClassVar

from wtforms import RadioField, SelectMultipleField, StringField
from wtforms.validators import ValidationError

from insight_app.forms import Form
from insight_app.limits.quotas import MOST, NAMES, Allowance
from insight_app.limits.store import RoleRules
from insight_app.words import N_, _, lazy, said_number

ALL, SOME = "all", "some"


class AllowanceForm(Form):
    """Four numbers, each of which may be missing."""

    answers_per_day = StringField(lazy("Answers a day"))
    answers_per_month = StringField(lazy("Answers a month"))
    tokens_per_day = StringField(lazy("Tokens a day"))
    tokens_per_month = StringField(lazy("Tokens a month"))

    def validate_answers_per_day(self, field: StringField) -> None:
        given = _digits(field)
        if given and not (re.fullmatch("[0-9]{1,10}", given) and int(given) <= MOST):
            raise ValidationError(_("Write a whole number up to %(most)s, or nothing.", most=said_number(MOST)))

    validate_answers_per_month = validate_tokens_per_day = validate_tokens_per_month = validate_answers_per_day

    @property
    def allowance(self) -> Allowance:
        """Of a form that is valid."""
        return Allowance(**{name: int(given) if (given := _digits(self[name])) else None for name in NAMES})


class RoleForm(AllowanceForm):
    """The same for a role, and the models that people of it may ask."""

    labels: ClassVar = {ALL: N_("All models"), SOME: N_("Only these")}
    which = RadioField(lazy("Models"), choices=list(labels))
    models = SelectMultipleField(lazy("Models"), validate_choice=False)

    def __init__(self, rules: RoleRules, there: Sequence[str], *, is_sent: bool) -> None:
        """`rules` are what holds now; `there` are the models that there are. Chosen ones that are gone stay choices."""
        self.names = list(dict.fromkeys([*there, *(rules.models or ())]))
        self.gone = frozenset(self.names) - frozenset(there)
        if is_sent:
            super().__init__()
        else:
            chosen = {"which": ALL if rules.models is None else SOME, "models": list(rules.models or ())}
            super().__init__(formdata=None, **texts(rules.allowance), **chosen)

    def validate_models(self, field: SelectMultipleField) -> None:
        if self.which.data != SOME:
            return
        if not field.data or not frozenset(field.data) <= frozenset(self.names):
            raise ValidationError(_("Choose at least one of these models, or all of them."))
        if len(json.dumps(field.data)) > 60_000:
            raise ValidationError(_("These are too many. Choose fewer, or all of them."))

    @property
    def rules(self) -> RoleRules:
        """Of a form that is valid."""
        return RoleRules(self.allowance, tuple(self.models.data) if self.which.data == SOME else None)


def texts(allowance: Allowance) -> dict[str, str]:
    """What the fields show of it."""
    return {name: "" if (value := getattr(allowance, name)) is None else str(value) for name in NAMES}


def _digits(field: StringField) -> str:
    """What was written, without what separates thousands."""
    return re.sub(r"[\s,.'’_]", "", field.data or "")
