"""What a person can set about their own words."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import IntegerField, RadioField, SelectField
from wtforms.validators import InputRequired, NumberRange, Optional, ValidationError

from insight_app.privacy.diagnostics import CHOICES_SECONDS
from insight_app.privacy.preferences import LONGEST_DAYS, Preferences
from insight_app.privacy.words import in_words

AS_THE_SERVER, FOR_EVER, SOME_DAYS = "server", "ever", "days"


class _Form(FlaskForm):  # type: ignore[misc]
    class Meta:
        csrf = False  # every post was checked before it came here (web.py)


class KeepForm(_Form):
    """How long conversations are kept."""

    keep = RadioField("Keep conversations", validators=[InputRequired("Choose one.")])
    days = IntegerField("Days", validators=[Optional()])

    def __init__(self, most_days: int, now: Preferences) -> None:
        shown = {None: AS_THE_SERVER, 0: FOR_EVER}.get(now.keep_days, SOME_DAYS)
        super().__init__(keep=shown, days=now.keep_days or None)
        self.most_days = most_days
        self._most = most_days or LONGEST_DAYS
        server = f"{most_days} {'day' if most_days == 1 else 'days'}" if most_days else "until you delete them"
        self.keep.choices = [(AS_THE_SERVER, f"As this server does: {server}")]
        if not most_days:
            self.keep.choices.append((FOR_EVER, "Until I delete them, whatever this server does"))
        self.keep.choices.append((SOME_DAYS, "For fewer days" if most_days else "For some days"))

    def validate_days(self, field: IntegerField) -> None:
        if self.keep.data != SOME_DAYS:
            return
        if field.data is None:
            raise ValidationError("Write how many days, as a number.")
        NumberRange(1, self._most, f"Write a number from 1 to {self._most}.")(self, field)

    @property
    def keep_days(self) -> int | None:
        """As Preferences has it."""
        return {AS_THE_SERVER: None, FOR_EVER: 0}.get(self.keep.data, self.days.data)


class DiagnosticsForm(_Form):
    """For how long there is to be a record."""

    seconds = SelectField("For how long", coerce=int, choices=[(each, in_words(each)) for each in CHOICES_SECONDS])
