"""Ways to begin a conversation: what the model is told in it, and how its answers are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from insight_app.chat.options import NOTHING, Wishes
from insight_app.words import N_, _, locale

MOST_PRESETS = 100  # of one person
LONGEST_NAME = 60  # characters


@dataclass(frozen=True, slots=True)
class Preset:
    """`is_built_in`: it is everybody's, and nobody can change it."""

    id: str
    name: str
    instructions: str
    wishes: Wishes = NOTHING
    is_built_in: bool = False


# Small models follow few plain sentences best.
_BUILT_IN = (
    Preset(
        "explain",
        N_("Explain simply"),
        N_(
            "Explain so that somebody who knows nothing of the subject understands it. Use short sentences and "
            "everyday words, and one example. Say what each technical term means."
        ),
        is_built_in=True,
    ),
    Preset(
        "translate",
        N_("Translate"),
        N_(
            "Translate each message into the language that it asks for. Where it asks for none, translate into this "
            "language: %(language)s. Keep the tone and the form of the text. Answer with the translation alone."
        ),
        Wishes(temperature=0.2),
        is_built_in=True,
    ),
    Preset(
        "review",
        N_("Review code"),
        N_(
            "Review the code in each message. Name mistakes first, then what is unsafe, then what is hard to read; say "
            "for each where it is and how to mend it. Praise nothing, and say so where there is nothing to mend."
        ),
        Wishes(temperature=0.2),
        is_built_in=True,
    ),
)


def built_in() -> list[Preset]:
    """In the language of the page, into which is translated: what is sent to the model is what somebody read."""
    spoken = locale().language_name or str(locale())
    return [replace(each, name=_(each.name), instructions=_(each.instructions, language=spoken)) for each in _BUILT_IN]
