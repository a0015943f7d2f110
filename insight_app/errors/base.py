"""The root of every error, and how one says what happened: by templates that facts fill.

`explain(code, **facts)` makes an error again, so that a page shown tomorrow says the same as the stream that failed
today, and so that nothing but the code and the facts needs to be stored.
"""

from __future__ import annotations

from typing import ClassVar

# The fact by which engine errors know what to say of the engine, by ENGINE; where nobody says which one, Ollama.
ENGINE_WORDS: dict[str, dict[str, str]] = {"ollama": {"engine": "ollama"}, "openai": {"engine": "openai"}}


def N_(text: str) -> str:  # noqa: N802  # so gettext's tools call it
    """Marks a text that will be translated later; as in words.py, which is too heavy to be loaded here."""
    return text


# Facts that are numbers, or seconds, which every language writes in its own way.
NUMBERS, SECONDS = frozenset({"length", "limit"}), frozenset({"seconds"})


class Said:
    """A text of a class of errors: of an error the text with its facts in it, in the language of whoever reads it.

    Of the class it is the template. `openai` is what is said where the engine is not Ollama.
    """

    def __init__(self, text: str, openai: str = "") -> None:
        self._text = text
        self._of_openai = openai or text

    def __set_name__(self, owner: type[InsightError], name: str) -> None:
        self._name = name

    def __get__(self, error: InsightError | None, kind: type[InsightError]) -> str:
        if error is None:
            return self._text
        if given := error.given.get(self._name):
            return given
        # Imported here: settings are read, and the built-in model runs, without pages.
        from insight_app.words import _

        text = self._of_openai if error.facts.get("engine") == "openai" else self._text
        return _(text) % _Known(error.facts)


class ForPrograms(Said):
    """What no page says, but only what programs get, which is in English: translators are not asked for it."""


class InsightError(Exception):
    """An error with a `cause` and a `next_step`, each one plain sentence; `str()` is both, in the reader's language.

    Keyword arguments fill the placeholders of the class's texts; where the class has none, both are given. `status` is
    the HTTP status where the error meets a request that has no byte of its response sent yet; `promise` is what happens
    by itself where an answer waits for the cause to end.
    """

    cause = Said("Something went wrong.")
    next_step = Said("Please try again.")
    promise = Said("The answer begins by itself as soon as it can")
    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(self, cause: str = "", next_step: str = "", /, **facts: object) -> None:
        super().__init__()
        self.facts = {name: str(value) for name, value in facts.items()}
        self.given = {"cause": cause, "next_step": next_step}

    def __str__(self) -> str:
        return f"{self.cause} {self.next_step}"


class _Known(dict[str, str]):
    """Facts for a text; one that is not known reads as "it", because an error must never fail to be shown."""

    def __getitem__(self, name: str) -> str:
        from insight_app.amounts import lasting
        from insight_app.words import _, said_number

        if name not in self:
            return _("it")
        value = self.get(name, "")
        if name == "reason":  # of a rule or a judge; what somebody wrote themselves is in no catalog
            return _(value)
        if name in SECONDS and value.replace(".", "", 1).isdecimal():
            return lasting(float(value))
        return said_number(int(value)) if name in NUMBERS and value.isdecimal() else value


def every_error(root: type[InsightError] = InsightError) -> dict[str, type[InsightError]]:
    """All error classes at and below `root`, by code."""
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(every_error(child))
    return found


def explain(code: str, **facts: object) -> InsightError:
    """The error that a stored code stands for, its texts filled with `facts`; unknown codes read as a plain error."""
    return every_error().get(code, InsightError)(**facts)
