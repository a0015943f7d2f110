"""The form of the page Appearance: one of the themes, one of the languages, and whether single keys act."""

from __future__ import annotations

from collections.abc import Mapping

from wtforms import BooleanField, RadioField, SelectField
from wtforms.validators import InputRequired

from insight_app.appearance.looks import THEMES, Look
from insight_app.forms import Form
from insight_app.words import _, lazy


class AppearanceForm(Form):
    theme = RadioField(lazy("Theme"), [InputRequired()])
    language = SelectField(lazy("Language"))
    keys = BooleanField(lazy("Single keys act"))

    def __init__(self, now: Look, language: str, languages: Mapping[str, str]) -> None:
        """Shows the look and the language of now ("": as the browser says); `languages` by their codes."""
        super().__init__(theme=now.theme or "system", language=language, keys=now.has_keys)
        self.theme.choices = [(value or "system", _(said)) for value, said in THEMES.items()]
        self.language.choices = [("", _("As the browser says")), *languages.items()]

    @property
    def cookies(self) -> dict[str, str]:
        """What is to be kept; an empty value is not kept at all."""
        theme = self.theme.data
        return {
            "theme": "" if theme == "system" else theme,
            "language": self.language.data,
            "keys": "" if self.keys.data else "off",
        }
