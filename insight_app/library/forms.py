"""The form by which a model is named."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import ValidationError

from insight_app.errors import NotAModelName
from insight_app.forms import Form
from insight_app.library.names import model_name
from insight_app.words import lazy


class ModelForm(Form):
    """`full_name` is what was meant, once it is valid."""

    name = StringField(lazy("Another model"))
    full_name: str = ""

    def validate_name(self, field: StringField) -> None:
        try:
            self.full_name = model_name(field.data or "")
        except NotAModelName as error:
            raise ValidationError(str(error)) from None
