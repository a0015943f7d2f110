"""The form by which a model is named."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import ValidationError

from insight_app.errors import NotAModelName
from insight_app.library.names import model_name
from insight_app.words import lazy


class ModelForm(FlaskForm):  # type: ignore[misc]
    """`full_name` is what was meant, once it is valid."""

    class Meta:
        csrf = False  # every post was checked before it came here (web.py)

    name = StringField(lazy("Another model"))
    full_name: str = ""

    def validate_name(self, field: StringField) -> None:
        try:
            self.full_name = model_name(field.data or "")
        except NotAModelName as error:
            raise ValidationError(str(error)) from None
