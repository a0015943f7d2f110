"""What a person can set about their own words."""

from __future__ import annotations

import re

from wtforms import RadioField, SelectField, StringField
from wtforms.validators import InputRequired, ValidationError

from insight_app.amounts import in_words
from insight_app.forms import Form
from insight_app.privacy.diagnostics import CHOICES_SECONDS
from insight_app.privacy.preferences import LONGEST_DAYS, Preferences
from insight_app.words import _, lazy, ngettext, said_number

AS_THE_SERVER, SOME_DAYS = "server", "days"


class KeepForm(Form):
    """How long conversations are kept."""

    keep = RadioField(lazy("Keep conversations"), validators=[InputRequired(lazy("Choose one."))])
    days = StringField(lazy("Days"))

    def __init__(self, most_days: int, now: Preferences) -> None:
        """`most_days` is the server's limit, 0 where it has none; `now` is what the form shows at first."""
        shown = SOME_DAYS if now.keep_days else AS_THE_SERVER
        super().__init__(keep=shown, days=str(now.days_kept(most_days)) if now.keep_days else "")
        self.most_days = most_days
        allowed = ngettext(
            "As long as this server allows: %(num)s day", "As long as this server allows: %(num)s days", most_days
        )
        self.labels = {
            AS_THE_SERVER: allowed if most_days else _("Until I delete them"),
            SOME_DAYS: _("For fewer days") if most_days else _("For some days"),
        }
        self.keep.choices = list(self.labels)

    def validate_days(self, field: StringField) -> None:
        most = self.most_days or LONGEST_DAYS
        is_number = re.fullmatch("[0-9]{1,9}", field.data.strip())
        if self.keep.data == SOME_DAYS and not (is_number and 1 <= int(field.data) <= most):
            raise ValidationError(_("Write how many days: a number from 1 to %(most)s.", most=said_number(most)))

    @property
    def keep_days(self) -> int | None:
        """As Preferences has it, of a form that is valid."""
        return int(self.days.data) if self.keep.data == SOME_DAYS else None


class DiagnosticsForm(Form):
    """For how long there is to be a record."""

    seconds = SelectField(lazy("For how long"), choices=[str(each) for each in CHOICES_SECONDS])

    @property
    def labels(self) -> dict[str, str]:
        """Each choice in words."""
        return {str(each): in_words(each) for each in CHOICES_SECONDS}
